use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use suanpan_event::{
    AppId, AssignedSlot, Attribute, AttributeTerms, AttributeType, PlanValue, Slot, SlotFamily,
};

use crate::database::Db;
use crate::limits::check_room;
use crate::load::storable;
use crate::{Catalog, CatalogError, Result, load_plan};

/// An attribute to be defined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewAttribute {
    /// The property's name, as clients report it.
    pub name: String,
    /// What its values are.
    #[serde(rename = "type")]
    pub kind: AttributeType,
    /// What people call it.
    #[serde(default)]
    pub title: String,
    /// What else the tracking plan says of it.
    #[serde(flatten)]
    pub terms: AttributeTerms,
}

impl NewAttribute {
    /// An attribute of which nothing else is said.
    pub fn new(name: impl Into<String>, kind: AttributeType) -> Self {
        Self { name: name.into(), kind, title: String::new(), terms: AttributeTerms::default() }
    }

    fn at(self, slot: Option<AssignedSlot>) -> Attribute {
        Attribute { name: self.name, kind: self.kind, title: self.title, terms: self.terms, slot }
    }
}

impl From<&Attribute> for NewAttribute {
    fn from(attribute: &Attribute) -> Self {
        let Attribute { name, kind, title, terms, slot: _ } = attribute.clone();
        Self { name, kind, title, terms }
    }
}

impl Catalog {
    /// Defines an attribute and gives it the lowest free slot of the best family for its type. If
    /// none is free, the attribute works without, only slower.
    ///
    /// Defining it again with the same type changes the rest, and gives a slot if it had none and
    /// one is free now. With another type the attribute leaves its slot and gets one anew.
    ///
    /// # Errors
    /// The app is unknown, the name is not valid or belongs to a built-in attribute, the terms don't
    /// fit the type, or `attributes_per_app_max` is reached.
    pub async fn define_attribute(&self, app_id: &AppId, new: NewAttribute) -> Result<Attribute> {
        let mut change = self.change().await?;
        let map_version = change.expect_app(app_id).await?;
        let plan = load_plan::attributes(change.db(), app_id).await?;
        let is_new = plan.iter().all(|a| a.name != new.name);
        self.limits().check_attribute(&new, is_new)?;
        if is_new {
            let present = i64::try_from(plan.len()).unwrap_or(i64::MAX);
            check_room(present, "attributes_per_app_max", self.limits().attributes_per_app_max)?;
        }
        let placed = place(&new, &plan, map_version);
        let attribute = new.at(placed.slot);
        store(change.db(), app_id, &attribute).await?;
        if placed.is_moved {
            raise_map_version(change.db(), app_id).await?;
        }
        change.publish(app_id).await?;
        Ok(attribute)
    }

    /// Removes an attribute from the tracking plan, and from the planned events that list it, and
    /// frees its slot. Events keep the property.
    ///
    /// # Errors
    /// The app or the attribute is unknown.
    pub async fn remove_attribute(&self, app_id: &AppId, name: &str) -> Result<()> {
        let mut change = self.change().await?;
        change.expect_app(app_id).await?;
        let removed: Option<Option<String>> =
            sqlx::query_scalar("DELETE FROM attributes WHERE app_id = $1 AND name = $2 RETURNING slot")
                .bind(app_id.as_str())
                .bind(storable(name).as_ref())
                .fetch_optional(change.db())
                .await?;
        let Some(slot) = removed else {
            let plan = load_plan::attributes(change.db(), app_id).await?;
            return Err(CatalogError::not_found("attribute", name, plan.iter().map(|a| &a.name)));
        };
        if slot.is_some() {
            raise_map_version(change.db(), app_id).await?;
        }
        change.publish(app_id).await
    }
}

/// Where an attribute goes.
struct Placed {
    slot: Option<AssignedSlot>,
    /// It had another slot, or none: the map has a new version.
    is_moved: bool,
}

/// The slot an attribute shall have in the next version of the map. An attribute that keeps its
/// type keeps its slot. Any other slot is assigned since the next version, which no row has yet:
/// rows of all versions up to `map_version` may hold another attribute's values in that column, or
/// this one's read as another type.
fn place(new: &NewAttribute, plan: &[Attribute], map_version: u32) -> Placed {
    let old = plan.iter().find(|a| a.name == new.name);
    let old_slot = old.and_then(|a| a.slot);
    if let (Some(_), Some(kept)) = (old.filter(|a| a.kind == new.kind), old_slot) {
        return Placed { slot: Some(kept), is_moved: false };
    }
    let taken: HashSet<Slot> =
        plan.iter().filter(|a| a.name != new.name).filter_map(|a| Some(a.slot?.slot)).collect();
    let free = families(new).into_iter().flat_map(Slot::all).find(|slot| !taken.contains(slot));
    let slot = free.map(|slot| AssignedSlot { slot, since: next_version(map_version) });
    Placed { slot, is_moved: slot != old_slot }
}

fn families(new: &NewAttribute) -> Vec<SlotFamily> {
    let mut families = SlotFamily::for_type(new.kind).to_vec();
    if new.terms.many_values {
        families.sort_by_key(|f| *f != SlotFamily::Text);
    }
    families
}

fn next_version(map_version: u32) -> u32 {
    map_version.checked_add(1).expect("four billion changes of one app's slots take centuries")
}

async fn raise_map_version(db: &mut Db, app_id: &AppId) -> Result<()> {
    sqlx::query("UPDATE apps SET slot_map = slot_map + 1 WHERE id = $1")
        .bind(app_id.as_str())
        .execute(db)
        .await?;
    Ok(())
}

async fn store(db: &mut Db, app_id: &AppId, attribute: &Attribute) -> Result<()> {
    let terms = &attribute.terms;
    let json = |value: &PlanValue| serde_json::to_string(value).expect("a text or a number is JSON");
    sqlx::query(
        "INSERT INTO attributes (app_id, name, kind, title, description, status, personal, common,
                                 many_values, allowed, min, max, pattern, slot, since)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
         ON CONFLICT (app_id, name) DO UPDATE
         SET kind = excluded.kind, title = excluded.title, description = excluded.description,
             status = excluded.status, personal = excluded.personal, common = excluded.common,
             many_values = excluded.many_values, allowed = excluded.allowed, min = excluded.min,
             max = excluded.max, pattern = excluded.pattern, slot = excluded.slot, since = excluded.since",
    )
    .bind(app_id.as_str())
    .bind(&attribute.name)
    .bind(attribute.kind.name())
    .bind(&attribute.title)
    .bind(&terms.description)
    .bind(terms.status.name())
    .bind(terms.personal.name())
    .bind(terms.common)
    .bind(terms.many_values)
    .bind(serde_json::to_string(&terms.allowed).expect("texts and numbers are JSON"))
    .bind(terms.min.as_ref().map(json))
    .bind(terms.max.as_ref().map(json))
    .bind(&terms.pattern)
    .bind(attribute.slot.map(|s| s.slot.to_string()))
    .bind(attribute.slot.map(|s| i64::from(s.since)))
    .execute(db)
    .await?;
    Ok(())
}

/// Puts these attributes in place of an app's: those that are not among them go, and free their
/// slots. All new slots count from one version of the map.
pub(crate) async fn replace(
    db: &mut Db,
    app_id: &AppId,
    map_version: u32,
    new: &[NewAttribute],
) -> Result<()> {
    let mut plan = load_plan::attributes(db, app_id).await?;
    let names: HashSet<&str> = new.iter().map(|a| a.name.as_str()).collect();
    let mut is_moved = false;
    for gone in plan.iter().filter(|a| !names.contains(a.name.as_str())) {
        is_moved |= gone.slot.is_some();
        sqlx::query("DELETE FROM attributes WHERE app_id = $1 AND name = $2")
            .bind(app_id.as_str())
            .bind(&gone.name)
            .execute(&mut *db)
            .await?;
    }
    plan.retain(|a| names.contains(a.name.as_str()));
    for attribute in new {
        let old = plan.iter().position(|a| a.name == attribute.name);
        if old.is_some_and(|old| NewAttribute::from(&plan[old]) == *attribute && plan[old].slot.is_some()) {
            continue;
        }
        let placed = place(attribute, &plan, map_version);
        is_moved |= placed.is_moved;
        let attribute = attribute.clone().at(placed.slot);
        store(&mut *db, app_id, &attribute).await?;
        match old {
            Some(old) => plan[old] = attribute,
            None => plan.push(attribute),
        }
    }
    if is_moved {
        raise_map_version(db, app_id).await?;
    }
    Ok(())
}
