use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use sqlx::{FromRow, SqliteConnection};
use suanpan_event::{AppId, AssignedSlot, Attribute, AttributeType, SlotMap};

use crate::key_text::KeyHash;
use crate::{AppView, KeyGrant, KeyId, KeyKind, Result, Snapshot, zone};

/// The revision of what the connection sees.
pub(crate) async fn revision(conn: &mut SqliteConnection) -> Result<u64> {
    let revision: i64 = sqlx::query_scalar("SELECT revision FROM catalog").fetch_one(conn).await?;
    Ok(revision.unsigned_abs())
}

/// The snapshot of what the connection sees, which must be inside a transaction so that it sees one
/// moment. Loads only the apps that changed since `base` and shares the others with it.
pub(crate) async fn snapshot(conn: &mut SqliteConnection, base: &Snapshot) -> Result<Snapshot> {
    let version = revision(conn).await?;
    let since = i64::try_from(base.version).expect("versions come from the database, whose integers are i64");
    let apps = changed_apps(conn, since).await?;
    let mut attributes = changed_attributes(conn, since).await?;
    let keys = changed_keys(conn, since).await?;

    let changed: HashSet<&AppId> = apps.iter().map(|a| &a.id).collect();
    let mut next = base.clone();
    next.version = version;
    next.keys.retain(|_, grant| !changed.contains(&grant.app_id));
    next.keys.extend(keys);
    for app in apps {
        let attributes = attributes.remove(&app.id).unwrap_or_default();
        if app.is_deleted {
            next.apps.remove(&app.id);
        } else {
            next.apps.insert(app.id.clone(), Arc::new(app.view(attributes)));
        }
    }
    Ok(next)
}

struct StoredApp {
    id: AppId,
    title: String,
    time_zone: String,
    slot_map: u32,
    created_ms: i64,
    is_deleted: bool,
}

impl StoredApp {
    fn view(self, attributes: Vec<Attribute>) -> AppView {
        AppView {
            zone: zone::stored(&self.time_zone, self.id.as_str()),
            slots: Arc::new(SlotMap::new(self.slot_map, &attributes)),
            id: self.id,
            title: self.title,
            time_zone: self.time_zone,
            created_ms: self.created_ms,
            attributes,
        }
    }
}

async fn changed_apps(conn: &mut SqliteConnection, since: i64) -> Result<Vec<StoredApp>> {
    #[derive(FromRow)]
    struct Row {
        id: String,
        title: String,
        time_zone: String,
        slot_map: u32,
        created_ms: i64,
        deleted_ms: Option<i64>,
    }
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, title, time_zone, slot_map, created_ms, deleted_ms FROM apps WHERE revision > $1",
    )
    .bind(since)
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(StoredApp {
                id: app_id(row.id)?,
                title: row.title,
                time_zone: row.time_zone,
                slot_map: row.slot_map,
                created_ms: row.created_ms,
                is_deleted: row.deleted_ms.is_some(),
            })
        })
        .collect()
}

async fn changed_attributes(
    conn: &mut SqliteConnection,
    since: i64,
) -> Result<BTreeMap<AppId, Vec<Attribute>>> {
    let rows: Vec<AttributeRow> = sqlx::query_as(
        "SELECT a.app_id, a.name, a.kind, a.title, a.slot, a.since
         FROM attributes a JOIN apps ON apps.id = a.app_id
         WHERE apps.revision > $1 AND apps.deleted_ms IS NULL",
    )
    .bind(since)
    .fetch_all(conn)
    .await?;
    let mut by_app: BTreeMap<AppId, Vec<Attribute>> = BTreeMap::new();
    for row in rows {
        by_app.entry(app_id(row.app_id.clone())?).or_default().push(row.attribute()?);
    }
    // Sorted here, not by the database, so that the order is the one the binary search expects.
    by_app.values_mut().for_each(|plan| plan.sort_by(|a, b| a.name.cmp(&b.name)));
    Ok(by_app)
}

/// The tracking plan of one app, in no particular order.
pub(crate) async fn attributes(conn: &mut SqliteConnection, app_id: &AppId) -> Result<Vec<Attribute>> {
    let rows: Vec<AttributeRow> =
        sqlx::query_as("SELECT app_id, name, kind, title, slot, since FROM attributes WHERE app_id = $1")
            .bind(app_id.as_str())
            .fetch_all(conn)
            .await?;
    rows.into_iter().map(AttributeRow::attribute).collect()
}

#[derive(FromRow)]
struct AttributeRow {
    app_id: String,
    name: String,
    kind: String,
    title: String,
    slot: Option<String>,
    since: Option<u32>,
}

impl AttributeRow {
    fn attribute(self) -> Result<Attribute> {
        let slot = match self.slot.zip(self.since) {
            Some((slot, since)) => Some(AssignedSlot { slot: slot.parse().map_err(unreadable)?, since }),
            None => None,
        };
        Ok(Attribute { kind: attribute_type(&self.kind)?, name: self.name, title: self.title, slot })
    }
}

async fn changed_keys(conn: &mut SqliteConnection, since: i64) -> Result<Vec<(KeyHash, Arc<KeyGrant>)>> {
    type Row = (u32, String, String, Vec<u8>, bool);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT k.id, k.app_id, k.kind, k.hash, k.may_report_old
         FROM keys k JOIN apps ON apps.id = k.app_id
         WHERE apps.revision > $1 AND apps.deleted_ms IS NULL AND k.revoked_ms IS NULL",
    )
    .bind(since)
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|(id, app, kind, hash, may_report_old)| {
            let hash = hash
                .try_into()
                .map_err(|hash: Vec<u8>| unreadable(format!("a key's hash of {} bytes", hash.len())))?;
            let grant =
                KeyGrant { key_id: KeyId(id), app_id: app_id(app)?, kind: key_kind(&kind)?, may_report_old };
            Ok((KeyHash(hash), Arc::new(grant)))
        })
        .collect()
}

pub(crate) fn key_kind(name: &str) -> Result<KeyKind> {
    let kinds = [KeyKind::Write, KeyKind::Read];
    Ok(kinds
        .into_iter()
        .find(|k| k.name() == name)
        .ok_or_else(|| unreadable(format!("key kind {name:?}")))?)
}

fn attribute_type(name: &str) -> Result<AttributeType> {
    use AttributeType::{Boolean, Datetime, Number, String};
    let kinds = [String, Number, Boolean, Datetime];
    Ok(kinds
        .into_iter()
        .find(|k| k.name() == name)
        .ok_or_else(|| unreadable(format!("attribute type {name:?}")))?)
}

fn app_id(text: String) -> Result<AppId> {
    Ok(text.parse::<AppId>().map_err(unreadable)?)
}

/// A value that this crate never wrote.
fn unreadable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}
