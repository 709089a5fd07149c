use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, FromRow};
use suanpan_event::AppId;

use crate::apps::now_ms;
use crate::limits::check_room;
use crate::settings::check_rate;
use crate::{Catalog, CatalogError, KeyKind, Result, SecretText, load};

/// Names a key, within the whole catalog; no secret. Never given to another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(pub u32);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for KeyId {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        text.parse().map(Self)
    }
}

/// A key to be created.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct NewKey {
    /// Report or ask.
    pub kind: KeyKind,
    /// What it is for, in people's words.
    #[serde(default)]
    pub title: String,
    /// Events may be older than the limit on lateness: for imports. Write keys only.
    #[serde(default)]
    pub may_report_old: bool,
    /// Events it may report a second; none is no limit of its own. Write keys only.
    #[serde(default)]
    pub events_per_second: Option<u32>,
}

impl NewKey {
    /// A key without a title or rights and limits of its own.
    pub fn new(kind: KeyKind) -> Self {
        Self { kind, title: String::new(), may_report_old: false, events_per_second: None }
    }
}

/// What is known of a key. Its text is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyInfo {
    /// Its name in [`Catalog::revoke_key`].
    pub id: KeyId,
    /// Report or ask.
    pub kind: KeyKind,
    /// What it is for.
    pub title: String,
    /// The first characters of its text, to tell keys apart.
    pub first_characters: String,
    /// Events may be older than the limit on lateness.
    pub may_report_old: bool,
    /// Events it may report a second.
    pub events_per_second: Option<u32>,
    /// When it was created, in milliseconds since 1970-01-01 UTC.
    pub created_ms: i64,
    /// When it was revoked.
    pub revoked_ms: Option<i64>,
}

impl Catalog {
    /// Creates a key of an app. Its text is given here and never again.
    ///
    /// # Errors
    /// The app is unknown, the title is not valid, a read key is to report old events
    /// or is given a rate, the rate is 0, or `keys_per_app_max` is reached.
    pub async fn create_key(&self, app_id: &AppId, new: NewKey) -> Result<(KeyInfo, SecretText)> {
        self.limits().check_title(&new.title)?;
        if new.may_report_old && new.kind != KeyKind::Write {
            return Err(CatalogError::invalid("may_report_old", "only a write key can report old events"));
        }
        if new.events_per_second.is_some() && new.kind != KeyKind::Write {
            return Err(CatalogError::invalid("events_per_second", "only a write key reports events"));
        }
        check_rate("events_per_second", new.events_per_second.map(u64::from))?;
        let secret = SecretText::random(new.kind);

        let mut change = self.change().await?;
        change.expect_app(app_id).await?;
        let keys = sqlx::query_scalar("SELECT count(*) FROM keys WHERE app_id = $1 AND revoked_ms IS NULL")
            .bind(app_id.as_str())
            .fetch_one(change.db())
            .await?;
        check_room(keys, "keys_per_app_max", self.limits().keys_per_app_max)?;
        let sql = format!(
            "INSERT INTO keys (app_id, kind, title, first_characters, hash, may_report_old, created_ms,
             events_per_second)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             RETURNING {COLUMNS}"
        );
        let row: KeyRow = sqlx::query_as(AssertSqlSafe(sql))
            .bind(app_id.as_str())
            .bind(new.kind.name())
            .bind(new.title)
            .bind(secret.first_characters())
            .bind(secret.hash().0.to_vec())
            .bind(new.may_report_old)
            .bind(now_ms())
            .bind(new.events_per_second.map(i64::from))
            .fetch_one(change.db())
            .await?;
        change.publish(app_id).await?;
        Ok((row.info()?, secret))
    }

    /// Revokes a key of an app for good; it stops working before this returns. Revoking it again
    /// changes nothing.
    ///
    /// # Errors
    /// The app is unknown or has no such key.
    pub async fn revoke_key(&self, app_id: &AppId, key_id: KeyId) -> Result<KeyInfo> {
        let mut change = self.change().await?;
        change.expect_app(app_id).await?;
        let sql = format!(
            "UPDATE keys SET revoked_ms = COALESCE(revoked_ms, $1) WHERE app_id = $2 AND id = $3
             RETURNING {COLUMNS}"
        );
        let row: Option<KeyRow> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(now_ms())
            .bind(app_id.as_str())
            .bind(i64::from(key_id.0))
            .fetch_optional(change.db())
            .await?;
        let none: [&str; 0] = [];
        let row = row.ok_or_else(|| CatalogError::not_found("key", &key_id.to_string(), none))?;
        sqlx::query(
            "DELETE FROM keys WHERE app_id = $1 AND revoked_ms IS NOT NULL AND id NOT IN
             (SELECT id FROM keys WHERE app_id = $1 AND revoked_ms IS NOT NULL
              ORDER BY revoked_ms DESC, id DESC LIMIT $2)",
        )
        .bind(app_id.as_str())
        .bind(i64::try_from(self.limits().revoked_keys_kept).unwrap_or(i64::MAX))
        .execute(change.db())
        .await?;
        change.publish(app_id).await?;
        row.info()
    }

    /// The keys of an app, the oldest first, and the latest revoked ones among them.
    ///
    /// # Errors
    /// The app is unknown.
    pub async fn keys(&self, app_id: &AppId) -> Result<Vec<KeyInfo>> {
        self.expect_app(app_id)?;
        let sql = format!("SELECT {COLUMNS} FROM keys WHERE app_id = $1 ORDER BY id");
        let rows: Vec<KeyRow> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(app_id.as_str())
            .fetch_all(&mut self.look().await?)
            .await?;
        rows.into_iter().map(KeyRow::info).collect()
    }
}

/// The columns of [`KeyRow`].
const COLUMNS: &str = "id, kind, title, first_characters, events_per_second, created_ms, revoked_ms,
    CASE WHEN may_report_old THEN 1 ELSE 0 END AS may_report_old";

#[derive(FromRow)]
struct KeyRow {
    id: i64,
    kind: String,
    title: String,
    first_characters: String,
    may_report_old: i64,
    events_per_second: Option<i64>,
    created_ms: i64,
    revoked_ms: Option<i64>,
}

impl KeyRow {
    fn info(self) -> Result<KeyInfo> {
        Ok(KeyInfo {
            id: KeyId(load::small(self.id)?),
            kind: load::key_kind(&self.kind)?,
            title: self.title,
            first_characters: self.first_characters,
            may_report_old: self.may_report_old != 0,
            events_per_second: self.events_per_second.map(load::small).transpose()?,
            created_ms: self.created_ms,
            revoked_ms: self.revoked_ms,
        })
    }
}
