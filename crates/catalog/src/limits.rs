use serde::{Deserialize, Serialize};

use suanpan_event::{PlanValue, PlannedEvent, built_in};

use crate::{CatalogError, NewAttribute, Result};

/// How much one catalog holds. Each limit is named by [`CatalogError::LimitReached`] when it is
/// hit, unless its line says that the oldest go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CatalogLimits {
    /// Apps, deleted ones included, since their ids stay taken.
    pub apps_max: usize,
    /// Keys of one app that are not revoked.
    pub keys_per_app_max: usize,
    /// Revoked keys of one app that are still listed; the oldest go.
    pub revoked_keys_kept: usize,
    /// Attributes of one app.
    pub attributes_per_app_max: usize,
    /// Events of one app's tracking plan.
    pub planned_events_per_app_max: usize,
    /// Attributes that one planned event lists.
    pub attributes_per_event_max: usize,
    /// Values that one attribute lists as allowed.
    pub allowed_values_max: usize,
    /// Characters of an allowed value or an end of a range.
    pub allowed_value_chars_max: usize,
    /// Characters of an attribute's pattern.
    pub pattern_chars_max: usize,
    /// Web pages' origins that one app allows.
    pub origins_per_app_max: usize,
    /// Rules of one app that are not deleted.
    pub rules_per_app_max: usize,
    /// Deleted rules of one app that can be restored; the oldest go.
    pub deleted_rules_kept: usize,
    /// Versions of one rule.
    pub rule_versions_max: usize,
    /// Bytes of a rule's body.
    pub rule_body_bytes_max: usize,
    /// Characters of the name of an attribute or a rule.
    pub name_chars_max: usize,
    /// Characters of a title.
    pub title_chars_max: usize,
    /// Characters of a description.
    pub description_chars_max: usize,
}

impl Default for CatalogLimits {
    fn default() -> Self {
        Self {
            apps_max: 10_000,
            keys_per_app_max: 100,
            revoked_keys_kept: 100,
            attributes_per_app_max: 1000,
            planned_events_per_app_max: 1000,
            attributes_per_event_max: 255,
            allowed_values_max: 200,
            allowed_value_chars_max: 200,
            pattern_chars_max: 500,
            origins_per_app_max: 100,
            rules_per_app_max: 1000,
            deleted_rules_kept: 100,
            rule_versions_max: 1000,
            rule_body_bytes_max: 64 * 1024,
            name_chars_max: 128,
            title_chars_max: 200,
            description_chars_max: 2000,
        }
    }
}

impl CatalogLimits {
    pub(crate) fn check_name(&self, name: &str) -> Result<()> {
        if name.trim().is_empty() {
            return Err(CatalogError::invalid("name", "a name has at least one visible character"));
        }
        check_text("name", name, self.name_chars_max)
    }

    pub(crate) fn check_title(&self, title: &str) -> Result<()> {
        check_text("title", title, self.title_chars_max)
    }

    /// A built-in attribute's name can't be taken; a plan may have it from before it was built in.
    pub(crate) fn check_attribute(&self, new: &NewAttribute, is_new: bool) -> Result<()> {
        self.check_name(&new.name)?;
        if is_new && built_in(&new.name).is_some() {
            let message = format!("{:?} is a built-in attribute, which every event has", new.name);
            return Err(CatalogError::invalid("name", message));
        }
        self.check_title(&new.title)?;
        let terms = &new.terms;
        self.check_description(&terms.description)?;
        if terms.allowed.len() > self.allowed_values_max {
            return Err(CatalogError::LimitReached {
                limit: "allowed_values_max",
                max: self.allowed_values_max,
            });
        }
        let ends = [("min", &terms.min), ("max", &terms.max)];
        let ends = ends.iter().filter_map(|(field, end)| Some((*field, end.as_ref()?)));
        for (field, value) in terms.allowed.iter().map(|value| ("allowed", value)).chain(ends) {
            if let PlanValue::Text(text) = value {
                check_text(field, text, self.allowed_value_chars_max)?;
            }
        }
        check_text("pattern", terms.pattern.as_deref().unwrap_or_default(), self.pattern_chars_max)?;
        terms.check(new.kind).map_err(|fault| CatalogError::invalid(fault.field, fault.message))
    }

    /// Whether its attributes exist is for the caller to check.
    pub(crate) fn check_event(&self, event: &PlannedEvent) -> Result<()> {
        self.check_name(&event.name)?;
        self.check_title(&event.title)?;
        self.check_description(&event.description)?;
        if event.attributes.len() > self.attributes_per_event_max {
            let max = self.attributes_per_event_max;
            return Err(CatalogError::LimitReached { limit: "attributes_per_event_max", max });
        }
        Ok(())
    }

    /// Several lines are allowed.
    fn check_description(&self, description: &str) -> Result<()> {
        let one_line = description.replace(['\n', '\r', '\t'], " ");
        check_text("description", &one_line, self.description_chars_max)
    }
}

fn check_text(field: &'static str, text: &str, chars_max: usize) -> Result<()> {
    let chars = text.chars().count();
    if chars > chars_max {
        return Err(CatalogError::invalid(field, format!("{chars} characters are more than {chars_max}")));
    }
    match text.chars().find(|c| c.is_control()) {
        Some(c) => Err(CatalogError::invalid(field, format!("control character {c:?} is not allowed"))),
        None => Ok(()),
    }
}

/// There is room for one more beside `present`.
pub(crate) fn check_room(present: i64, limit: &'static str, max: usize) -> Result<()> {
    let full = usize::try_from(present).is_ok_and(|n| n >= max);
    if full { Err(CatalogError::LimitReached { limit, max }) } else { Ok(()) }
}
