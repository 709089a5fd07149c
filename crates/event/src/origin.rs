use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// Where a report came from: what its address and its `User-Agent` tell. Texts that are not known
/// are empty. All events of a request share one, unless a server reports for its visitors.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Origin<'a> {
    /// The client's address, whole or truncated, as the app chose; empty if it chose to drop it.
    #[serde(borrow, skip_serializing_if = "str::is_empty")]
    pub ip: Cow<'a, str>,
    /// ISO 3166-1 code of the country, two letters.
    #[serde(borrow, skip_serializing_if = "str::is_empty")]
    pub country: Cow<'a, str>,
    /// Name of the first-level subdivision.
    #[serde(borrow, skip_serializing_if = "str::is_empty")]
    pub region: Cow<'a, str>,
    /// Name of the city.
    #[serde(borrow, skip_serializing_if = "str::is_empty")]
    pub city: Cow<'a, str>,
    /// Name of the browser, for example `Chrome` or `WeChat`.
    #[serde(borrow, skip_serializing_if = "str::is_empty")]
    pub browser: Cow<'a, str>,
    /// The browser's version.
    #[serde(borrow, skip_serializing_if = "str::is_empty")]
    pub browser_version: Cow<'a, str>,
    /// Name of the operating system.
    #[serde(borrow, skip_serializing_if = "str::is_empty")]
    pub os: Cow<'a, str>,
    /// The operating system's version.
    #[serde(borrow, skip_serializing_if = "str::is_empty")]
    pub os_version: Cow<'a, str>,
    /// `desktop`, `mobile`, `tablet`, `server` and the like.
    #[serde(borrow, skip_serializing_if = "str::is_empty")]
    pub device_type: Cow<'a, str>,
    /// Whether the `User-Agent` is that of a crawler.
    #[serde(rename = "bot", skip_serializing_if = "std::ops::Not::not")]
    pub is_bot: bool,
}

impl Origin<'_> {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Origin::default()
    }
}
