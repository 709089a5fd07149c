use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use suanpan_event::AppId;

use crate::apps::now_ms;
use crate::database::Db;
use crate::limits::check_room;
use crate::load::storable;
use crate::{Catalog, CatalogError, Result};

/// A rule to be saved.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct NewRule {
    /// Its name within the app.
    pub name: String,
    /// What people call it.
    #[serde(default)]
    pub title: String,
    /// JSON text. The catalog stores it as it is and does not know what it means.
    pub body: String,
}

/// One version of a saved rule. A version never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow)]
pub struct StoredRule {
    /// Its name within the app.
    pub name: String,
    /// What people call it now; titles are not versioned.
    pub title: String,
    /// From 1, growing by one with each body saved.
    #[sqlx(try_from = "i64")]
    pub version: u32,
    /// JSON text, as it was saved.
    pub body: String,
    /// When this version was saved, in milliseconds since 1970-01-01 UTC.
    pub created_ms: i64,
}

/// What is there of a rule before it is saved.
#[derive(FromRow)]
struct Present {
    #[sqlx(try_from = "i64")]
    newest: u32,
    body: String,
    created_ms: i64,
    deleted_ms: Option<i64>,
}

impl Catalog {
    /// Saves a rule: a new body makes a new version, the newest body again makes none. Saving a
    /// deleted rule brings it back, with all its versions.
    ///
    /// # Errors
    /// The app is unknown; the name, title or body is not valid; `rules_per_app_max`,
    /// `rule_versions_max` or `rule_body_bytes_max` is reached.
    pub async fn save_rule(&self, app_id: &AppId, new: NewRule) -> Result<StoredRule> {
        let limits = self.limits();
        limits.check_name(&new.name)?;
        limits.check_title(&new.title)?;
        check_body(&new.body, limits.rule_body_bytes_max)?;

        let mut change = self.change().await?;
        change.expect_app(app_id).await?;
        let present = present(change.db(), app_id, &new.name).await?;
        if present.as_ref().is_none_or(|p| p.deleted_ms.is_some()) {
            self.check_room_for_rule(change.db(), app_id).await?;
        }
        let (version, created_ms, is_new) = match &present {
            Some(p) if p.body == new.body => (p.newest, p.created_ms, false),
            Some(p) => {
                check_room(p.newest.into(), "rule_versions_max", limits.rule_versions_max)?;
                (p.newest + 1, now_ms(), true)
            }
            None => (1, now_ms(), true),
        };
        let rule = StoredRule { name: new.name, title: new.title, version, body: new.body, created_ms };
        store_head(change.db(), app_id, &rule).await?;
        if is_new {
            store_version(change.db(), app_id, &rule).await?;
        }
        change.commit().await?;
        Ok(rule)
    }

    /// A rule's version; the newest if none is named.
    ///
    /// # Errors
    /// The app, the rule or the version is unknown, or the rule is deleted.
    pub async fn rule(&self, app_id: &AppId, name: &str, version: Option<u32>) -> Result<StoredRule> {
        self.expect_app(app_id)?;
        let found = sqlx::query_as(
            "SELECT r.name, r.title, v.version, v.body, v.created_ms
             FROM rules r JOIN rule_versions v ON v.app_id = r.app_id AND v.name = r.name
             WHERE r.app_id = $1 AND r.name = $2 AND r.deleted_ms IS NULL
               AND v.version = COALESCE($3, r.newest)",
        )
        .bind(app_id.as_str())
        .bind(storable(name).as_ref())
        .bind(version.map(i64::from))
        .fetch_optional(&mut self.look().await?)
        .await?;
        match found {
            Some(rule) => Ok(rule),
            None => Err(self.unknown_rule(app_id, name, version).await?),
        }
    }

    /// The newest version of each rule that is not deleted, sorted by name.
    ///
    /// # Errors
    /// The app is unknown.
    pub async fn rules(&self, app_id: &AppId) -> Result<Vec<StoredRule>> {
        self.expect_app(app_id)?;
        Ok(sqlx::query_as(
            "SELECT r.name, r.title, v.version, v.body, v.created_ms
             FROM rules r JOIN rule_versions v
               ON v.app_id = r.app_id AND v.name = r.name AND v.version = r.newest
             WHERE r.app_id = $1 AND r.deleted_ms IS NULL ORDER BY r.name",
        )
        .bind(app_id.as_str())
        .fetch_all(&mut self.look().await?)
        .await?)
    }

    /// All versions of a rule, the newest first.
    ///
    /// # Errors
    /// The app or the rule is unknown, or the rule is deleted.
    pub async fn rule_versions(&self, app_id: &AppId, name: &str) -> Result<Vec<StoredRule>> {
        self.expect_app(app_id)?;
        let versions: Vec<StoredRule> = sqlx::query_as(
            "SELECT r.name, r.title, v.version, v.body, v.created_ms
             FROM rules r JOIN rule_versions v ON v.app_id = r.app_id AND v.name = r.name
             WHERE r.app_id = $1 AND r.name = $2 AND r.deleted_ms IS NULL ORDER BY v.version DESC",
        )
        .bind(app_id.as_str())
        .bind(storable(name).as_ref())
        .fetch_all(&mut self.look().await?)
        .await?;
        if versions.is_empty() { Err(self.unknown_rule(app_id, name, None).await?) } else { Ok(versions) }
    }

    /// Deletes a rule. [`Self::restore_rule`] undoes it, and so does saving it again, until
    /// `deleted_rules_kept` others were deleted after it.
    ///
    /// # Errors
    /// The app or the rule is unknown, or the rule is deleted already.
    pub async fn delete_rule(&self, app_id: &AppId, name: &str) -> Result<()> {
        let mut change = self.change().await?;
        change.expect_app(app_id).await?;
        let deleted = sqlx::query(
            "UPDATE rules SET deleted_ms = $1 WHERE app_id = $2 AND name = $3 AND deleted_ms IS NULL",
        )
        .bind(now_ms())
        .bind(app_id.as_str())
        .bind(storable(name).as_ref())
        .execute(change.db())
        .await?;
        if deleted.rows_affected() == 0 {
            drop(change);
            return Err(self.unknown_rule(app_id, name, None).await?);
        }
        sqlx::query(
            "DELETE FROM rules WHERE app_id = $1 AND deleted_ms IS NOT NULL AND name NOT IN
             (SELECT name FROM rules WHERE app_id = $1 AND deleted_ms IS NOT NULL
              ORDER BY deleted_ms DESC, name = $3 DESC, name LIMIT $2)",
        )
        .bind(app_id.as_str())
        .bind(i64::try_from(self.limits().deleted_rules_kept).unwrap_or(i64::MAX))
        .bind(storable(name).as_ref())
        .execute(change.db())
        .await?;
        change.commit().await
    }

    /// Brings a deleted rule back with all its versions. Of a rule that was not deleted it changes
    /// nothing.
    ///
    /// # Errors
    /// The app or the rule is unknown, or `rules_per_app_max` is reached.
    pub async fn restore_rule(&self, app_id: &AppId, name: &str) -> Result<StoredRule> {
        let mut change = self.change().await?;
        change.expect_app(app_id).await?;
        if present(change.db(), app_id, name).await?.is_some_and(|p| p.deleted_ms.is_some()) {
            self.check_room_for_rule(change.db(), app_id).await?;
            sqlx::query("UPDATE rules SET deleted_ms = NULL WHERE app_id = $1 AND name = $2")
                .bind(app_id.as_str())
                .bind(storable(name).as_ref())
                .execute(change.db())
                .await?;
        }
        change.commit().await?;
        self.rule(app_id, name, None).await
    }

    async fn check_room_for_rule(&self, db: &mut Db, app_id: &AppId) -> Result<()> {
        let rules = sqlx::query_scalar("SELECT count(*) FROM rules WHERE app_id = $1 AND deleted_ms IS NULL")
            .bind(app_id.as_str())
            .fetch_one(db)
            .await?;
        check_room(rules, "rules_per_app_max", self.limits().rules_per_app_max)
    }

    async fn unknown_rule(&self, app_id: &AppId, name: &str, version: Option<u32>) -> Result<CatalogError> {
        let known: Vec<(String, i64)> =
            sqlx::query_as("SELECT name, newest FROM rules WHERE app_id = $1 AND deleted_ms IS NULL")
                .bind(app_id.as_str())
                .fetch_all(&mut self.look().await?)
                .await?;
        let newest = known.iter().find(|(known, _)| known == name).map(|(_, newest)| newest.to_string());
        Ok(match (version, newest) {
            (Some(version), Some(newest)) => CatalogError::NotFound {
                what: "rule version",
                name: format!("{name} version {version}"),
                nearest: Some(format!("{name} version {newest}")),
            },
            _ => CatalogError::not_found("rule", name, known.iter().map(|(known, _)| known)),
        })
    }
}

fn check_body(body: &str, bytes_max: usize) -> Result<()> {
    if body.len() > bytes_max {
        return Err(CatalogError::LimitReached { limit: "rule_body_bytes_max", max: bytes_max });
    }
    match serde_json::from_str::<serde::de::IgnoredAny>(body) {
        Ok(_) => Ok(()),
        Err(error) => Err(CatalogError::invalid("body", format!("not JSON: {error}"))),
    }
}

async fn present(db: &mut Db, app_id: &AppId, name: &str) -> Result<Option<Present>> {
    Ok(sqlx::query_as(
        "SELECT r.newest, v.body, v.created_ms, r.deleted_ms
         FROM rules r JOIN rule_versions v
           ON v.app_id = r.app_id AND v.name = r.name AND v.version = r.newest
         WHERE r.app_id = $1 AND r.name = $2",
    )
    .bind(app_id.as_str())
    .bind(storable(name).as_ref())
    .fetch_optional(db)
    .await?)
}

async fn store_head(db: &mut Db, app_id: &AppId, rule: &StoredRule) -> Result<()> {
    sqlx::query(
        "INSERT INTO rules (app_id, name, title, newest) VALUES ($1, $2, $3, $4)
         ON CONFLICT (app_id, name) DO UPDATE
         SET title = excluded.title, newest = excluded.newest, deleted_ms = NULL",
    )
    .bind(app_id.as_str())
    .bind(&rule.name)
    .bind(&rule.title)
    .bind(i64::from(rule.version))
    .execute(db)
    .await?;
    Ok(())
}

async fn store_version(db: &mut Db, app_id: &AppId, rule: &StoredRule) -> Result<()> {
    sqlx::query(
        "INSERT INTO rule_versions (app_id, name, version, body, created_ms) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(app_id.as_str())
    .bind(&rule.name)
    .bind(i64::from(rule.version))
    .bind(&rule.body)
    .bind(rule.created_ms)
    .execute(db)
    .await?;
    Ok(())
}
