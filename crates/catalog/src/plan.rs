use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use suanpan_event::{AppId, PlanMode, PlannedEvent, built_in};

use crate::database::Db;
use crate::error::nearest;
use crate::limits::check_room;
use crate::load::storable;
use crate::{AppView, Catalog, CatalogError, NewAttribute, Result, attributes, load_plan};

/// A whole tracking plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlanDefinition {
    /// What it does with events that don't fit; none leaves that as it is.
    pub mode: Option<PlanMode>,
    /// The events that the app means to report.
    pub events: Vec<PlannedEvent>,
    /// The attributes they may have.
    pub attributes: Vec<NewAttribute>,
}

/// What a new plan changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PlanChanges {
    /// The mode it has from then on, if that is another one.
    pub mode: Option<PlanMode>,
    /// Events by name.
    pub events: NameChanges,
    /// Attributes by name.
    pub attributes: NameChanges,
}

/// Names in order, each in one list at most.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NameChanges {
    /// New ones.
    pub added: Vec<String>,
    /// Those of which something changes.
    pub changed: Vec<String>,
    /// Those that go.
    pub removed: Vec<String>,
}

impl PlanChanges {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl AppView {
    /// The whole tracking plan, sorted by names.
    pub fn plan_definition(&self) -> PlanDefinition {
        PlanDefinition {
            mode: Some(self.plan.mode()),
            events: self.plan.events().to_vec(),
            attributes: self.attributes.iter().map(NewAttribute::from).collect(),
        }
    }
}

impl Catalog {
    /// Puts a whole plan in place of an app's, or only says what that would change. Attributes keep
    /// their slots as with [`Self::define_attribute`]; of those that go, events keep the properties.
    ///
    /// # Errors
    /// The app is unknown; a definition is not valid, or stands there twice; an event lists an
    /// attribute that the plan does not define; a limit is reached. Then nothing was changed.
    pub async fn replace_plan(
        &self,
        app_id: &AppId,
        new: PlanDefinition,
        is_dry_run: bool,
    ) -> Result<PlanChanges> {
        let mut change = self.change().await?;
        let map_version = change.expect_app(app_id).await?;
        let attributes: Vec<NewAttribute> =
            load_plan::attributes(change.db(), app_id).await?.iter().map(NewAttribute::from).collect();
        let events = load_plan::events(change.db(), app_id).await?;
        let mode = load_plan::mode(change.db(), app_id).await?;
        self.check_plan(&new, &attributes)?;
        let changes = PlanChanges {
            mode: new.mode.filter(|new| *new != mode),
            events: differences(&events, &new.events, |e| &e.name),
            attributes: differences(&attributes, &new.attributes, |a| &a.name),
        };
        if is_dry_run || changes.is_empty() {
            return Ok(changes);
        }
        attributes::replace(change.db(), app_id, map_version, &new.attributes).await?;
        let is_touched = |event: &str| {
            [&changes.events.added, &changes.events.changed]
                .iter()
                .any(|names| names.iter().any(|n| n == event))
        };
        for gone in &changes.events.removed {
            delete_event(change.db(), app_id, gone).await?;
        }
        for event in new.events.iter().filter(|event| is_touched(&event.name)) {
            store_event(change.db(), app_id, event).await?;
        }
        if let Some(mode) = changes.mode {
            store_mode(change.db(), app_id, mode).await?;
        }
        change.publish(app_id).await?;
        Ok(changes)
    }

    /// Says what an app's plan does from now on with events that don't fit. What was accepted
    /// before stays accepted.
    ///
    /// # Errors
    /// The app is unknown.
    pub async fn set_plan_mode(&self, app_id: &AppId, mode: PlanMode) -> Result<()> {
        let mut change = self.change().await?;
        change.expect_app(app_id).await?;
        store_mode(change.db(), app_id, mode).await?;
        change.publish(app_id).await
    }

    /// Defines an event of the plan, or changes all that is said of it.
    ///
    /// # Errors
    /// The app is unknown, a field is not valid, it lists an attribute that is not defined, or
    /// `planned_events_per_app_max` or `attributes_per_event_max` is reached.
    pub async fn define_event(&self, app_id: &AppId, new: PlannedEvent) -> Result<PlannedEvent> {
        self.limits().check_event(&new)?;
        let mut change = self.change().await?;
        change.expect_app(app_id).await?;
        let attributes = load_plan::attributes(change.db(), app_id).await?;
        check_uses(&new, &attributes.iter().map(|a| a.name.as_str()).collect())?;
        let others: i64 =
            sqlx::query_scalar("SELECT count(*) FROM planned_events WHERE app_id = $1 AND name <> $2")
                .bind(app_id.as_str())
                .bind(&new.name)
                .fetch_one(change.db())
                .await?;
        check_room(others, "planned_events_per_app_max", self.limits().planned_events_per_app_max)?;
        store_event(change.db(), app_id, &new).await?;
        change.publish(app_id).await?;
        Ok(new)
    }

    /// Removes an event from the plan. Events that were reported stay.
    ///
    /// # Errors
    /// The app or the event is unknown.
    pub async fn remove_event(&self, app_id: &AppId, name: &str) -> Result<()> {
        let mut change = self.change().await?;
        change.expect_app(app_id).await?;
        if !delete_event(change.db(), app_id, name).await? {
            let events = load_plan::events(change.db(), app_id).await?;
            return Err(CatalogError::not_found("event", name, events.iter().map(|e| &e.name)));
        }
        change.publish(app_id).await
    }

    fn check_plan(&self, new: &PlanDefinition, present: &[NewAttribute]) -> Result<()> {
        let limits = self.limits();
        // As for one more beside the others.
        let check_count = |count: usize, limit, max| {
            check_room(i64::try_from(count).unwrap_or(i64::MAX).saturating_sub(1), limit, max)
        };
        check_count(new.attributes.len(), "attributes_per_app_max", limits.attributes_per_app_max)?;
        check_count(new.events.len(), "planned_events_per_app_max", limits.planned_events_per_app_max)?;
        let present: HashSet<&str> = present.iter().map(|a| a.name.as_str()).collect();
        let mut names = HashSet::new();
        for attribute in &new.attributes {
            let name = attribute.name.as_str();
            let checked = limits.check_attribute(attribute, !present.contains(name));
            checked.map_err(|error| within("attributes", name, error))?;
            if !names.insert(name) {
                return Err(CatalogError::invalid("attributes", format!("{name:?} is defined twice")));
            }
        }
        let mut events = HashSet::new();
        for event in &new.events {
            let checked = limits.check_event(event).and_then(|()| check_uses(event, &names));
            checked.map_err(|error| within("events", &event.name, error))?;
            if !events.insert(event.name.as_str()) {
                return Err(CatalogError::invalid("events", format!("{:?} is defined twice", event.name)));
            }
        }
        Ok(())
    }
}

/// The same error, with the place in the plan.
fn within(list: &'static str, name: &str, error: CatalogError) -> CatalogError {
    match error {
        CatalogError::Invalid { field, message } => {
            CatalogError::invalid(list, format!("{name:?}: {field}: {message}"))
        }
        other => other,
    }
}

fn check_uses(event: &PlannedEvent, known: &HashSet<&str>) -> Result<()> {
    let mut seen = HashSet::new();
    for one in &event.attributes {
        let name = one.name.as_str();
        let message = if !seen.insert(name) {
            format!("{name:?} is listed twice")
        } else if known.contains(name) {
            continue;
        } else if built_in(name).is_some() {
            format!("{name:?} is built in: every event has it, and none lists it")
        } else {
            let near =
                nearest(name, known).map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
            format!("{name:?} is no attribute of the tracking plan{near}")
        };
        return Err(CatalogError::invalid("attributes", message));
    }
    Ok(())
}

fn differences<T: PartialEq>(old: &[T], new: &[T], name: fn(&T) -> &str) -> NameChanges {
    let (old, new) = (by_name(old, name), by_name(new, name));
    let mut changes = NameChanges::default();
    for (name, one) in &new {
        match old.get(name) {
            None => changes.added.push((*name).to_owned()),
            Some(before) if before != one => changes.changed.push((*name).to_owned()),
            Some(_) => {}
        }
    }
    let gone = old.into_keys().filter(|name| !new.contains_key(name));
    changes.removed = gone.map(str::to_owned).collect();
    changes
}

fn by_name<T>(list: &[T], name: fn(&T) -> &str) -> BTreeMap<&str, &T> {
    list.iter().map(|one| (name(one), one)).collect()
}

async fn store_mode(db: &mut Db, app_id: &AppId, mode: PlanMode) -> Result<()> {
    sqlx::query("UPDATE apps SET plan_mode = $1 WHERE id = $2")
        .bind(mode.name())
        .bind(app_id.as_str())
        .execute(db)
        .await?;
    Ok(())
}

async fn store_event(db: &mut Db, app_id: &AppId, event: &PlannedEvent) -> Result<()> {
    delete_event(db, app_id, &event.name).await?;
    sqlx::query(
        "INSERT INTO planned_events (app_id, name, title, description, status) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(app_id.as_str())
    .bind(&event.name)
    .bind(&event.title)
    .bind(&event.description)
    .bind(event.status.name())
    .execute(&mut *db)
    .await?;
    for (place, one) in event.attributes.iter().enumerate() {
        sqlx::query(
            "INSERT INTO planned_uses (app_id, event, attribute, required, place) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(app_id.as_str())
        .bind(&event.name)
        .bind(&one.name)
        .bind(one.required)
        .bind(i64::try_from(place).expect("a list in memory is shorter"))
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

/// Whether it was there.
async fn delete_event(db: &mut Db, app_id: &AppId, name: &str) -> Result<bool> {
    let deleted = sqlx::query("DELETE FROM planned_events WHERE app_id = $1 AND name = $2")
        .bind(app_id.as_str())
        .bind(storable(name).as_ref())
        .execute(db)
        .await?;
    Ok(deleted.rows_affected() > 0)
}
