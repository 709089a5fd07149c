//! The files that hold secrets, readable by their owner alone.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The file that holds the admin token.
pub fn admin_token_file(data_dir: &Path) -> PathBuf {
    data_dir.join("admin-token")
}

/// The admin token of a data folder; made at the first start.
///
/// # Errors
/// The file can't be read or written.
pub fn admin_token(data_dir: &Path) -> Result<String> {
    let file = admin_token_file(data_dir);
    if let Some(token) = read(&file)? {
        return Ok(token);
    }
    let token = suanpan_server::generate_admin_token();
    write(&file, &token)?;
    Ok(token)
}

/// A secret from its file; none if there is no such file or it is empty.
///
/// # Errors
/// The file is there but can't be read.
pub fn read(file: &Path) -> Result<Option<String>> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text.trim().to_owned()).filter(|t| !t.is_empty())),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).with_context(|| format!("can't read {}", file.display())),
    }
}

/// Writes a secret whole or not at all.
///
/// # Errors
/// The file can't be written.
pub fn write(file: &Path, secret: &str) -> Result<()> {
    let temporary = file.with_extension("new");
    let written = (|| {
        let mut options = OpenOptions::new();
        let mut out = options.write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        out.set_permissions(fs::Permissions::from_mode(0o600))?;
        writeln!(out, "{secret}")?;
        out.sync_all()?;
        fs::rename(&temporary, file)
    })();
    written.with_context(|| format!("can't write {}", file.display()))
}
