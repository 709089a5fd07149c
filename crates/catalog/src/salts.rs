use jiff::civil::Date;
use rand::Rng as _;

use crate::database::Kind;
use crate::load::unreadable;
use crate::{Catalog, Result};

/// A random secret of one day.
pub type Salt = [u8; 32];

impl Catalog {
    /// The salts of two days in a row, the same for all processes that share the catalog, made now if
    /// nobody asked before. Those of the days before are deleted for good. Snapshots don't show it.
    ///
    /// # Errors
    /// The storage failed.
    pub async fn salts(&self, today: Date, tomorrow: Date) -> Result<[Salt; 2]> {
        let mut change = self.change().await?;
        // Zeroes take the place of what is deleted. A copy may stay in the write-ahead log until
        // its pages are written anew; in PostgreSQL, in the table until its next vacuum too.
        if change.db().kind() == Kind::Sqlite {
            sqlx::query("PRAGMA secure_delete = ON").execute(change.db()).await?;
        }
        sqlx::query("DELETE FROM salts WHERE day < $1").bind(today.to_string()).execute(change.db()).await?;
        let mut salts = [Salt::default(); 2];
        for (day, salt) in [today, tomorrow].into_iter().zip(&mut salts) {
            let mut fresh = Salt::default();
            rand::rng().fill_bytes(&mut fresh);
            let kept: Vec<u8> = sqlx::query_scalar(
                "INSERT INTO salts (day, salt) VALUES ($1, $2)
                 ON CONFLICT (day) DO UPDATE SET salt = salts.salt RETURNING salt",
            )
            .bind(day.to_string())
            .bind(fresh.to_vec())
            .fetch_one(change.db())
            .await?;
            *salt = kept
                .try_into()
                .map_err(|salt: Vec<u8>| unreadable(format!("a salt of {} bytes", salt.len())))?;
        }
        change.commit().await?;
        Ok(salts)
    }
}
