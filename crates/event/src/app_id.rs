use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Names an app (a tenant): 1 to 64 characters of `a-z`, `0-9`, `-` and `_`, starting with a
/// letter or digit. Cheap to clone.
///
/// The narrow alphabet lets an id stand in URLs, query ids and file names unescaped; the
/// warehouse's row filter relies on the absence of `|`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AppId(Arc<str>);

/// Why a text is no [`AppId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "app id {given:?} is not 1 to 64 characters of a-z, 0-9, '-' and '_' starting with a letter or digit"
)]
pub struct AppIdError {
    given: String,
}

impl AppId {
    /// Stands for the app of a record that can't be read. No app can be called so, since ids
    /// don't start with `_`.
    pub fn unknown() -> Self {
        Self("_unknown".into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AppId {
    type Err = AppIdError;

    fn from_str(text: &str) -> Result<Self, AppIdError> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        let starts_well = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if starts_well && text.len() <= 64 && text.bytes().all(allowed) {
            Ok(Self(text.into()))
        } else {
            Err(AppIdError { given: text.chars().take(80).collect() })
        }
    }
}

impl TryFrom<String> for AppId {
    type Error = AppIdError;

    fn try_from(text: String) -> Result<Self, AppIdError> {
        text.parse()
    }
}

impl From<AppId> for String {
    fn from(id: AppId) -> Self {
        id.as_str().to_owned()
    }
}

impl AsRef<str> for AppId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AppId({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_narrow_alphabet_is_an_app_id() {
        let check = |text: &str, valid: bool| assert_eq!(text.parse::<AppId>().is_ok(), valid, "{text:?}");
        for good in ["a", "shop", "shop-2", "9_lives", &"x".repeat(64)] {
            check(good, true);
        }
        for bad in ["", "-a", "_a", "Shop", "a|b", "a b", "店", "a/b", &"x".repeat(65)] {
            check(bad, false);
        }
    }
}
