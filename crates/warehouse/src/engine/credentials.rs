use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::Secret;
use crate::error::{Result, WarehouseError};

/// 62^32: more than 190 bits.
const PASSWORD_CHARS: usize = 32;

/// The generated passwords of an engine of our own.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Passwords {
    pub write: Secret,
    pub ask: Secret,
}

/// The passwords in this file; made at the first start. Only the file's owner may read it.
pub(crate) fn passwords(file: &Path) -> Result<Passwords> {
    match fs::read(file) {
        Ok(text) => serde_json::from_slice(&text).map_err(|error| WarehouseError::EngineStart {
            message: format!("{} is damaged ({error}): delete it to have new passwords", file.display()),
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let made = Passwords { write: random_password(), ask: random_password() };
            let text = serde_json::to_vec_pretty(&made).expect("two strings are JSON");
            write_private(file, &text)?;
            Ok(made)
        }
        Err(source) => Err(WarehouseError::File { path: file.to_owned(), source }),
    }
}

fn random_password() -> Secret {
    let mut rng = rand::rng();
    Secret::new(
        (0..PASSWORD_CHARS).map(|_| char::from(rng.sample(rand::distr::Alphanumeric))).collect::<String>(),
    )
}

/// Writes a file that only its owner may read, all of it or nothing.
pub(super) fn write_private(file: &Path, text: &[u8]) -> Result<()> {
    let draft = file.with_extension("draft");
    let write = || -> std::io::Result<()> {
        let mut out =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        out.set_permissions(fs::Permissions::from_mode(0o600))?;
        out.write_all(text)?;
        out.sync_all()?;
        fs::rename(&draft, file)
    };
    write().map_err(|source| WarehouseError::File { path: file.to_owned(), source })
}

/// Makes a folder that only its owner may enter, with those above it.
pub(crate) fn private_folder(folder: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|source| WarehouseError::File { path: folder.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_made_once_and_only_for_the_owner() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("passwords.json");
        let made = passwords(&file).unwrap();
        let again = passwords(&file).unwrap();
        assert_eq!(made.write, again.write);
        assert_eq!(made.ask, again.ask);
        assert_ne!(made.ask, made.write);
        assert!(made.ask.expose().len() == PASSWORD_CHARS);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
