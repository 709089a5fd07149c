//! The file of a SQLite catalog.

use std::fmt::Write as _;
use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode};

use crate::{CatalogError, Result};

/// SQLite's code for a file that another connection holds.
const BUSY: &str = "5";
const CONNECT_PAUSE: Duration = Duration::from_millis(50);
const CONNECTS_MAX: u32 = 100;

/// Makes the file if it is not there, for the owner's eyes only, and switches it to a write-ahead log, which
/// it keeps. The connection holds that log in place until others are open.
pub(crate) async fn prepare(path: &Path) -> Result<SqliteConnection> {
    create(path).map_err(|source| CatalogError::Open { path: path.to_owned(), source })?;
    let options = SqliteConnectOptions::new().filename(path).journal_mode(SqliteJournalMode::Wal);
    // Switching a new file does not wait for another process that is just doing the same.
    let mut attempt = 1;
    loop {
        match options.connect().await {
            Err(sqlx::Error::Database(e)) if e.code().as_deref() == Some(BUSY) && attempt < CONNECTS_MAX => {
                attempt += 1;
                tokio::time::sleep(CONNECT_PAUSE).await;
            }
            connected => return Ok(connected?),
        }
    }
}

/// SQLite gives its side files (`-wal`, `-shm`) the mode of the file itself. A file that exists is
/// not touched: closing it would end the locks that this process may hold on it.
fn create(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// The driver's name of a file that is there. Whole and without dots, since URLs resolve those otherwise than
/// file systems do.
pub(crate) fn url(path: &Path) -> Result<String> {
    let failed = |source| CatalogError::Open { path: path.to_owned(), source };
    let whole = path.canonicalize().map_err(failed)?;
    let no_text = || failed(io::Error::new(io::ErrorKind::InvalidInput, "the path is not UTF-8"));
    let mut url = String::from("sqlite://");
    for byte in whole.to_str().ok_or_else(no_text)?.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte) {
            url.push(char::from(byte));
        } else {
            write!(url, "%{byte:02X}").expect("a string takes all");
        }
    }
    Ok(url)
}
