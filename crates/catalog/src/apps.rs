use serde::{Deserialize, Serialize};
use suanpan_event::AppId;

use crate::database::Db;
use crate::limits::check_room;
use crate::{Catalog, CatalogError, Result, zone};

/// An app: a tenant whose events are its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct App {
    /// Its id; never given to another app.
    pub id: AppId,
    /// What people call it.
    pub title: String,
    /// The IANA name of the zone its days begin in.
    pub time_zone: String,
    /// When it was created, in milliseconds since 1970-01-01 UTC.
    pub created_ms: i64,
}

/// An app to be created.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct NewApp {
    /// Its id.
    pub id: AppId,
    /// What people call it.
    pub title: String,
    /// An IANA name such as `Asia/Shanghai`.
    pub time_zone: String,
}

/// What to change about an app; none leaves as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct AppChange {
    /// What people call it.
    pub title: Option<String>,
    /// An IANA name such as `Asia/Shanghai`.
    pub time_zone: Option<String>,
}

impl Catalog {
    /// Creates an app, without keys or attributes.
    ///
    /// # Errors
    /// The id is taken (by a deleted app, too), a field is not valid, or `apps_max` is reached.
    pub async fn create_app(&self, new: NewApp) -> Result<App> {
        self.limits().check_title(&new.title)?;
        let time_zone = zone::name(&zone::find(&new.time_zone)?).to_owned();
        let app = App { id: new.id, title: new.title, time_zone, created_ms: now_ms() };

        let mut change = self.change().await?;
        if let Some(deleted) = is_deleted(change.db(), &app.id).await? {
            return Err(CatalogError::Exists { what: "app", name: app.id.to_string(), deleted });
        }
        let apps = sqlx::query_scalar("SELECT count(*) FROM apps").fetch_one(change.db()).await?;
        check_room(apps, "apps_max", self.limits().apps_max)?;
        sqlx::query(
            "INSERT INTO apps (id, title, time_zone, slot_map, revision, created_ms, mask_key)
             VALUES ($1, $2, $3, 0, 0, $4, $5)",
        )
        .bind(app.id.as_str())
        .bind(&app.title)
        .bind(&app.time_zone)
        .bind(app.created_ms)
        .bind(rand::random::<[u8; 32]>().to_vec())
        .execute(change.db())
        .await?;
        change.publish(&app.id).await?;
        Ok(app)
    }

    /// Changes an app's title or time zone, and gives the app as it is now.
    ///
    /// # Errors
    /// The app is unknown or deleted, or a field is not valid.
    pub async fn update_app(&self, id: &AppId, new: AppChange) -> Result<App> {
        new.title.as_deref().map_or(Ok(()), |title| self.limits().check_title(title))?;
        let zone = new.time_zone.as_deref().map(zone::find).transpose()?;

        let mut change = self.change().await?;
        change.expect_app(id).await?;
        let (title, time_zone, created_ms) = sqlx::query_as(
            "UPDATE apps SET title = COALESCE($1, title), time_zone = COALESCE($2, time_zone) WHERE id = $3
             RETURNING title, time_zone, created_ms",
        )
        .bind(new.title)
        .bind(zone.as_ref().map(zone::name))
        .bind(id.as_str())
        .fetch_one(change.db())
        .await?;
        change.publish(id).await?;
        Ok(App { id: id.clone(), title, time_zone, created_ms })
    }

    /// Deletes an app: its keys stop working at once, and it is gone from the snapshot. Nothing is
    /// lost; [`Self::restore_app`] undoes it.
    ///
    /// # Errors
    /// The app is unknown or deleted already.
    pub async fn delete_app(&self, id: &AppId) -> Result<()> {
        let mut change = self.change().await?;
        change.expect_app(id).await?;
        sqlx::query("UPDATE apps SET deleted_ms = $1 WHERE id = $2")
            .bind(now_ms())
            .bind(id.as_str())
            .execute(change.db())
            .await?;
        change.publish(id).await
    }

    /// Brings a deleted app back with its keys, attributes and rules. Of an app that was not
    /// deleted it changes nothing.
    ///
    /// # Errors
    /// There never was such an app.
    pub async fn restore_app(&self, id: &AppId) -> Result<()> {
        let mut change = self.change().await?;
        match is_deleted(change.db(), id).await? {
            Some(true) => {}
            Some(false) => return Ok(()),
            None => {
                let deleted: Vec<String> =
                    sqlx::query_scalar("SELECT id FROM apps WHERE deleted_ms IS NOT NULL")
                        .fetch_all(change.db())
                        .await?;
                return Err(CatalogError::not_found("deleted app", id.as_str(), deleted));
            }
        }
        sqlx::query("UPDATE apps SET deleted_ms = NULL WHERE id = $1")
            .bind(id.as_str())
            .execute(change.db())
            .await?;
        change.publish(id).await
    }
}

/// Whether the app is deleted; none if there never was such an app.
async fn is_deleted(db: &mut Db, id: &AppId) -> Result<Option<bool>> {
    let deleted_ms: Option<Option<i64>> = sqlx::query_scalar("SELECT deleted_ms FROM apps WHERE id = $1")
        .bind(id.as_str())
        .fetch_optional(db)
        .await?;
    Ok(deleted_ms.map(|deleted_ms| deleted_ms.is_some()))
}

pub(crate) fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
