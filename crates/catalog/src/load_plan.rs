//! Reads tracking plans.

use std::collections::{BTreeMap, HashMap};

use serde::de::DeserializeOwned;
use sqlx::{AssertSqlSafe, FromRow};
use suanpan_event::{
    AppId, AssignedSlot, Attribute, AttributeTerms, AttributeType, Personal, PlanMode, PlanStatus,
    PlannedEvent, PlannedUse,
};

use crate::Result;
use crate::database::Db;
use crate::load::{app_id, small, unreadable};

/// The columns of [`AttributeRow`] and of [`UseRow`]. The driver of both databases takes no truth values from
/// SQLite, so they are read as numbers.
const ATTRIBUTE: &str = "a.app_id, a.name, a.kind, a.title, a.description, a.status, a.personal,
    CASE WHEN a.common THEN 1 ELSE 0 END AS common, CASE WHEN a.many_values THEN 1 ELSE 0 END AS many_values,
    a.allowed, a.min, a.max, a.pattern, a.slot, a.since";
const USE: &str = "u.app_id, u.event, u.attribute, CASE WHEN u.required THEN 1 ELSE 0 END AS required";

/// The attributes of the apps that changed since a revision, sorted by name.
pub(crate) async fn changed_attributes(conn: &mut Db, since: i64) -> Result<BTreeMap<AppId, Vec<Attribute>>> {
    let sql = format!(
        "SELECT {ATTRIBUTE} FROM attributes a JOIN apps ON apps.id = a.app_id
         WHERE apps.revision > $1 AND apps.deleted_ms IS NULL"
    );
    let rows: Vec<AttributeRow> = sqlx::query_as(AssertSqlSafe(sql)).bind(since).fetch_all(conn).await?;
    let mut by_app: BTreeMap<AppId, Vec<Attribute>> = BTreeMap::new();
    for row in rows {
        by_app.entry(app_id(row.app_id.clone())?).or_default().push(row.attribute()?);
    }
    // Sorted here, not by the database, so that the order is the one the binary search expects.
    by_app.values_mut().for_each(|plan| plan.sort_by(|a, b| a.name.cmp(&b.name)));
    Ok(by_app)
}

/// The attributes of one app, in no particular order.
pub(crate) async fn attributes(conn: &mut Db, app_id: &AppId) -> Result<Vec<Attribute>> {
    let sql = format!("SELECT {ATTRIBUTE} FROM attributes a WHERE app_id = $1");
    let rows: Vec<AttributeRow> =
        sqlx::query_as(AssertSqlSafe(sql)).bind(app_id.as_str()).fetch_all(conn).await?;
    rows.into_iter().map(AttributeRow::attribute).collect()
}

/// The planned events of the apps that changed since a revision.
pub(crate) async fn changed_events(conn: &mut Db, since: i64) -> Result<BTreeMap<AppId, Vec<PlannedEvent>>> {
    let events: Vec<EventRow> = sqlx::query_as(
        "SELECT e.* FROM planned_events e JOIN apps ON apps.id = e.app_id
         WHERE apps.revision > $1 AND apps.deleted_ms IS NULL",
    )
    .bind(since)
    .fetch_all(&mut *conn)
    .await?;
    let sql = format!(
        "SELECT {USE} FROM planned_uses u JOIN apps ON apps.id = u.app_id
         WHERE apps.revision > $1 AND apps.deleted_ms IS NULL ORDER BY u.place"
    );
    let uses: Vec<UseRow> = sqlx::query_as(AssertSqlSafe(sql)).bind(since).fetch_all(conn).await?;
    together(events, uses)
}

/// The planned events of one app, in no particular order.
pub(crate) async fn events(conn: &mut Db, app_id: &AppId) -> Result<Vec<PlannedEvent>> {
    let events: Vec<EventRow> = sqlx::query_as("SELECT * FROM planned_events WHERE app_id = $1")
        .bind(app_id.as_str())
        .fetch_all(&mut *conn)
        .await?;
    let sql = format!("SELECT {USE} FROM planned_uses u WHERE app_id = $1 ORDER BY place");
    let uses: Vec<UseRow> = sqlx::query_as(AssertSqlSafe(sql)).bind(app_id.as_str()).fetch_all(conn).await?;
    Ok(together(events, uses)?.remove(app_id).unwrap_or_default())
}

/// What the plan of one app does.
pub(crate) async fn mode(conn: &mut Db, app_id: &AppId) -> Result<PlanMode> {
    let mode: String = sqlx::query_scalar("SELECT plan_mode FROM apps WHERE id = $1")
        .bind(app_id.as_str())
        .fetch_one(conn)
        .await?;
    plan_mode(&mode)
}

#[derive(FromRow)]
struct AttributeRow {
    app_id: String,
    name: String,
    kind: String,
    title: String,
    description: String,
    status: String,
    personal: String,
    common: i64,
    many_values: i64,
    allowed: String,
    min: Option<String>,
    max: Option<String>,
    pattern: Option<String>,
    slot: Option<String>,
    since: Option<i64>,
}

impl AttributeRow {
    fn attribute(self) -> Result<Attribute> {
        let slot = match self.slot.zip(self.since) {
            Some((slot, since)) => {
                Some(AssignedSlot { slot: slot.parse().map_err(unreadable)?, since: small(since)? })
            }
            None => None,
        };
        let terms = AttributeTerms {
            description: self.description,
            status: named(&self.status, &PlanStatus::ALL, PlanStatus::name)?,
            personal: named(&self.personal, &Personal::ALL, Personal::name)?,
            common: self.common != 0,
            many_values: self.many_values != 0,
            allowed: json(&self.allowed)?,
            min: self.min.as_deref().map(json).transpose()?,
            max: self.max.as_deref().map(json).transpose()?,
            pattern: self.pattern,
        };
        let kind = named(&self.kind, &AttributeType::ALL, AttributeType::name)?;
        Ok(Attribute { kind, name: self.name, title: self.title, terms, slot })
    }
}

#[derive(FromRow)]
struct EventRow {
    app_id: String,
    name: String,
    title: String,
    description: String,
    status: String,
}

#[derive(FromRow)]
struct UseRow {
    app_id: String,
    event: String,
    attribute: String,
    required: i64,
}

fn together(events: Vec<EventRow>, uses: Vec<UseRow>) -> Result<BTreeMap<AppId, Vec<PlannedEvent>>> {
    let mut used: HashMap<(String, String), Vec<PlannedUse>> = HashMap::new();
    for row in uses {
        let one = PlannedUse { name: row.attribute, required: row.required != 0 };
        used.entry((row.app_id, row.event)).or_default().push(one);
    }
    let mut by_app: BTreeMap<AppId, Vec<PlannedEvent>> = BTreeMap::new();
    for row in events {
        let of_app = by_app.entry(app_id(row.app_id.clone())?).or_default();
        let attributes = used.remove(&(row.app_id, row.name.clone())).unwrap_or_default();
        let status = named(&row.status, &PlanStatus::ALL, PlanStatus::name)?;
        let (name, title, description) = (row.name, row.title, row.description);
        of_app.push(PlannedEvent { name, title, description, status, attributes });
    }
    Ok(by_app)
}

pub(crate) fn plan_mode(name: &str) -> Result<PlanMode> {
    named(name, &PlanMode::ALL, PlanMode::name)
}

/// The one of these that has the name.
fn named<T: Copy>(name: &str, all: &[T], name_of: impl Fn(T) -> &'static str) -> Result<T> {
    let found = all.iter().copied().find(|one| name_of(*one) == name);
    Ok(found.ok_or_else(|| unreadable(format!("the word {name:?}")))?)
}

fn json<T: DeserializeOwned>(text: &str) -> Result<T> {
    Ok(serde_json::from_str(text).map_err(unreadable)?)
}
