use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;
use suanpan_event::{AppId, AssignedSlot, Attribute, AttributeType, Slot, SlotFamily, built_in};

use crate::limits::check_room;
use crate::{Catalog, CatalogError, Result, load};

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
    /// A text that takes many different values (an order number, a URL): it is stored better in a
    /// text slot than in a category slot. Matters only when a slot is given.
    #[serde(default)]
    pub many_values: bool,
}

impl Catalog {
    /// Defines an attribute and gives it the lowest free slot of the best family for its type. If
    /// none is free, the attribute works without, only slower.
    ///
    /// Defining it again with the same type changes the title, and gives a slot if it had none and
    /// one is free now. With another type the attribute leaves its slot and gets one anew.
    ///
    /// # Errors
    /// The app is unknown, the name is not valid or belongs to a built-in attribute, or
    /// `attributes_per_app_max` is reached.
    pub async fn define_attribute(&self, app_id: &AppId, new: NewAttribute) -> Result<Attribute> {
        self.limits().check_name(&new.name)?;
        self.limits().check_title(&new.title)?;
        if built_in(&new.name).is_some() {
            let message = format!("{:?} is a built-in attribute, which every event has", new.name);
            return Err(CatalogError::invalid("name", message));
        }

        let mut change = self.change().await?;
        let map_version = change.expect_app(app_id).await?;
        let plan = load::attributes(change.db(), app_id).await?;
        let old = plan.iter().find(|a| a.name == new.name);
        if old.is_none() {
            let present = i64::try_from(plan.len()).unwrap_or(i64::MAX);
            check_room(present, "attributes_per_app_max", self.limits().attributes_per_app_max)?;
        }
        let slot = place(&new, &plan, map_version);
        let attribute = Attribute { name: new.name, kind: new.kind, title: new.title, slot };
        let old_slot = old.and_then(|a| a.slot);
        store(change.db(), app_id, &attribute).await?;
        if slot != old_slot {
            raise_map_version(change.db(), app_id).await?;
        }
        change.publish(app_id).await?;
        Ok(attribute)
    }

    /// Removes an attribute from the tracking plan and frees its slot. Events keep the property.
    ///
    /// # Errors
    /// The app or the attribute is unknown.
    pub async fn remove_attribute(&self, app_id: &AppId, name: &str) -> Result<()> {
        let mut change = self.change().await?;
        change.expect_app(app_id).await?;
        let removed: Option<Option<String>> =
            sqlx::query_scalar("DELETE FROM attributes WHERE app_id = $1 AND name = $2 RETURNING slot")
                .bind(app_id.as_str())
                .bind(name)
                .fetch_optional(change.db())
                .await?;
        let Some(slot) = removed else {
            let plan = load::attributes(change.db(), app_id).await?;
            return Err(CatalogError::not_found("attribute", name, plan.iter().map(|a| &a.name)));
        };
        if slot.is_some() {
            raise_map_version(change.db(), app_id).await?;
        }
        change.publish(app_id).await
    }
}

/// The slot an attribute shall have in the next version of the map. An attribute that keeps its
/// type keeps its slot. Any other slot is assigned since the next version, which no row has yet:
/// rows of all versions up to `map_version` may hold another attribute's values in that column, or
/// this one's read as another type.
fn place(new: &NewAttribute, plan: &[Attribute], map_version: u32) -> Option<AssignedSlot> {
    let old = plan.iter().find(|a| a.name == new.name);
    if let Some(kept) = old.filter(|a| a.kind == new.kind).and_then(|a| a.slot) {
        return Some(kept);
    }
    let taken: HashSet<Slot> =
        plan.iter().filter(|a| a.name != new.name).filter_map(|a| Some(a.slot?.slot)).collect();
    families(new)
        .into_iter()
        .flat_map(Slot::all)
        .find(|slot| !taken.contains(slot))
        .map(|slot| AssignedSlot { slot, since: next_version(map_version) })
}

fn families(new: &NewAttribute) -> Vec<SlotFamily> {
    let mut families = SlotFamily::for_type(new.kind).to_vec();
    if new.many_values {
        families.sort_by_key(|f| *f != SlotFamily::Text);
    }
    families
}

fn next_version(map_version: u32) -> u32 {
    map_version.checked_add(1).expect("four billion changes of one app's slots take centuries")
}

async fn raise_map_version(db: &mut SqliteConnection, app_id: &AppId) -> Result<()> {
    sqlx::query("UPDATE apps SET slot_map = slot_map + 1 WHERE id = $1")
        .bind(app_id.as_str())
        .execute(db)
        .await?;
    Ok(())
}

async fn store(db: &mut SqliteConnection, app_id: &AppId, attribute: &Attribute) -> Result<()> {
    sqlx::query(
        "INSERT INTO attributes (app_id, name, kind, title, slot, since) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (app_id, name) DO UPDATE
         SET kind = excluded.kind, title = excluded.title, slot = excluded.slot, since = excluded.since",
    )
    .bind(app_id.as_str())
    .bind(&attribute.name)
    .bind(attribute.kind.name())
    .bind(&attribute.title)
    .bind(attribute.slot.map(|s| s.slot.to_string()))
    .bind(attribute.slot.map(|s| s.since))
    .execute(db)
    .await?;
    Ok(())
}
