use serde::{Deserialize, Serialize};

use crate::{CatalogError, Result};

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
}

impl Default for CatalogLimits {
    fn default() -> Self {
        Self {
            apps_max: 10_000,
            keys_per_app_max: 100,
            revoked_keys_kept: 100,
            attributes_per_app_max: 1000,
            rules_per_app_max: 1000,
            deleted_rules_kept: 100,
            rule_versions_max: 1000,
            rule_body_bytes_max: 64 * 1024,
            name_chars_max: 128,
            title_chars_max: 200,
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
