use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use sqlx::FromRow;
use suanpan_event::{AppId, Attribute, MaskKey, PlanMode, PlannedEvent, SlotMap, TrackingPlan};

use crate::database::Db;
use crate::key_text::KeyHash;
use crate::load_plan::{changed_attributes, changed_events, plan_mode};
use crate::{AppSettings, AppView, IpPolicy, KeyGrant, KeyId, KeyKind, Result, Snapshot, zone};

/// The revision of what the connection sees.
pub(crate) async fn revision(conn: &mut Db) -> Result<u64> {
    let revision: i64 = sqlx::query_scalar("SELECT revision FROM catalog").fetch_one(conn).await?;
    Ok(revision.unsigned_abs())
}

/// The snapshot of what the connection sees, which must be inside a transaction so that it sees one
/// moment. Loads only the apps that changed since `base` and shares the others with it.
pub(crate) async fn snapshot(conn: &mut Db, base: &Snapshot) -> Result<Snapshot> {
    let version = revision(conn).await?;
    let since = i64::try_from(base.version).expect("versions come from the database, whose integers are i64");
    let apps = changed_apps(conn, since).await?;
    let mut attributes = changed_attributes(conn, since).await?;
    let mut events = changed_events(conn, since).await?;
    let keys = changed_keys(conn, since).await?;

    let changed: HashSet<&AppId> = apps.iter().map(|a| &a.id).collect();
    let mut next = base.clone();
    next.version = version;
    next.keys.retain(|_, grant| !changed.contains(&grant.app_id));
    next.keys.extend(keys);
    for app in apps {
        let attributes = attributes.remove(&app.id).unwrap_or_default();
        let events = events.remove(&app.id).unwrap_or_default();
        if app.is_deleted {
            next.apps.remove(&app.id);
        } else {
            next.apps.insert(app.id.clone(), Arc::new(app.view(attributes, events)));
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
    settings: AppSettings,
    plan_mode: PlanMode,
    mask_key: MaskKey,
}

impl StoredApp {
    fn view(self, attributes: Vec<Attribute>, events: Vec<PlannedEvent>) -> AppView {
        let plan = TrackingPlan::new(self.plan_mode, events, &attributes, self.mask_key);
        AppView {
            zone: zone::stored(&self.time_zone, self.id.as_str()),
            slots: Arc::new(SlotMap::new(self.slot_map, &attributes)),
            id: self.id,
            title: self.title,
            time_zone: self.time_zone,
            created_ms: self.created_ms,
            attributes,
            plan: Arc::new(plan),
            settings: self.settings,
        }
    }
}

async fn changed_apps(conn: &mut Db, since: i64) -> Result<Vec<StoredApp>> {
    #[derive(FromRow)]
    struct Row {
        id: String,
        title: String,
        time_zone: String,
        slot_map: i64,
        created_ms: i64,
        deleted_ms: Option<i64>,
        plan_mode: String,
        mask_key: Vec<u8>,
        #[sqlx(flatten)]
        settings: SettingsRow,
    }
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, title, time_zone, slot_map, created_ms, deleted_ms, plan_mode, mask_key, ip, allowed_origins,
                events_per_second, events_per_day, events_per_month, retention_days
         FROM apps WHERE revision > $1",
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
                slot_map: small(row.slot_map)?,
                created_ms: row.created_ms,
                is_deleted: row.deleted_ms.is_some(),
                settings: row.settings.settings()?,
                plan_mode: plan_mode(&row.plan_mode)?,
                mask_key: mask_key(row.mask_key)?,
            })
        })
        .collect()
}

#[derive(FromRow)]
struct SettingsRow {
    ip: String,
    allowed_origins: String,
    events_per_second: Option<i64>,
    events_per_day: Option<i64>,
    events_per_month: Option<i64>,
    retention_days: Option<i64>,
}

impl SettingsRow {
    fn settings(self) -> Result<AppSettings> {
        let ip = IpPolicy::ALL.into_iter().find(|policy| policy.name() == self.ip);
        Ok(AppSettings {
            ip: ip.ok_or_else(|| unreadable(format!("address policy {:?}", self.ip)))?,
            allowed_origins: serde_json::from_str(&self.allowed_origins).map_err(unreadable)?,
            events_per_second: self.events_per_second.map(small).transpose()?,
            events_per_day: self.events_per_day.map(i64::unsigned_abs),
            events_per_month: self.events_per_month.map(i64::unsigned_abs),
            retention_days: self.retention_days.map(small).transpose()?,
        })
    }
}

/// The settings of an app that is there.
pub(crate) async fn settings(conn: &mut Db, app_id: &AppId) -> Result<AppSettings> {
    let row: SettingsRow = sqlx::query_as(
        "SELECT ip, allowed_origins, events_per_second, events_per_day, events_per_month, retention_days
         FROM apps WHERE id = $1",
    )
    .bind(app_id.as_str())
    .fetch_one(conn)
    .await?;
    row.settings()
}

async fn changed_keys(conn: &mut Db, since: i64) -> Result<Vec<(KeyHash, Arc<KeyGrant>)>> {
    type Row = (i64, String, String, Vec<u8>, i64, Option<i64>);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT k.id, k.app_id, k.kind, k.hash, CASE WHEN k.may_report_old THEN 1 ELSE 0 END,
                k.events_per_second
         FROM keys k JOIN apps ON apps.id = k.app_id
         WHERE apps.revision > $1 AND apps.deleted_ms IS NULL AND k.revoked_ms IS NULL",
    )
    .bind(since)
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|(id, app, kind, hash, may_report_old, events_per_second)| {
            let hash = hash
                .try_into()
                .map_err(|hash: Vec<u8>| unreadable(format!("a key's hash of {} bytes", hash.len())))?;
            let grant = KeyGrant {
                key_id: KeyId(small(id)?),
                app_id: app_id(app)?,
                kind: key_kind(&kind)?,
                may_report_old: may_report_old != 0,
                events_per_second: events_per_second.map(small).transpose()?,
            };
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

fn mask_key(bytes: Vec<u8>) -> Result<MaskKey> {
    let bytes: [u8; 32] = bytes
        .try_into()
        .map_err(|bytes: Vec<u8>| unreadable(format!("a key of pseudonyms of {} bytes", bytes.len())))?;
    Ok(MaskKey::new(bytes))
}

pub(crate) fn app_id(text: String) -> Result<AppId> {
    Ok(text.parse::<AppId>().map_err(unreadable)?)
}

/// A number that was stored from 32 bits. Databases of one kind have only integers of 64, of the other of
/// several widths.
pub(crate) fn small(number: i64) -> Result<u32> {
    Ok(u32::try_from(number).map_err(unreadable)?)
}

/// A text from outside as every database can hold it: PostgreSQL's texts have no zero character.
pub(crate) fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// A value that this crate never wrote.
pub(crate) fn unreadable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}
