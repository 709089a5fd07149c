use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::database::Kind;
use crate::{Catalog, CatalogError, Result};

impl Catalog {
    /// Copies the catalog, as it is at one moment, into a new file for the owner's eyes. A catalog in PostgreSQL is
    /// not copied: that is for the database's own tools (`pg_dump`). Says whether it was copied.
    ///
    /// # Errors
    /// There is such a file, it can't be written, or the storage failed.
    pub async fn back_up(&self, to: &Path) -> Result<bool> {
        let mut db = self.look().await?;
        if db.kind() != Kind::Sqlite {
            return Ok(false);
        }
        let failed = |source| CatalogError::Open { path: to.to_owned(), source };
        let no_text = || failed(io::Error::new(io::ErrorKind::InvalidInput, "the path is not UTF-8"));
        let path = to.to_str().ok_or_else(no_text)?;
        // SQLite fills a file that is empty, and keeps its mode.
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(failed)?;
        sqlx::query("VACUUM INTO $1").bind(path).execute(&mut db).await?;
        OpenOptions::new().read(true).open(to).and_then(|file| file.sync_all()).map_err(failed)?;
        Ok(true)
    }
}
