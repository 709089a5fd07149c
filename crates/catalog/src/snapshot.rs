use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use jiff::tz::TimeZone;
use suanpan_event::{AppId, Attribute, SlotMap, TrackingPlan};

use crate::key_text::KeyHash;
use crate::{AppSettings, KeyId, KeyKind};

/// Everything the stations need to know, at one moment. Look-ups take constant time and no lock.
///
/// Neighbouring snapshots share the apps that did not change; making the next one copies two
/// tables of pointers. Measured with 10,000 apps of 4 keys and 20 attributes: a change takes 5 ms
/// in all (0.5 ms with one app), opening the catalog 0.7 s, looking a key up 0.2 µs.
#[derive(Clone, Default)]
pub struct Snapshot {
    pub(crate) version: u64,
    pub(crate) apps: HashMap<AppId, Arc<AppView>>,
    pub(crate) keys: HashMap<KeyHash, Arc<KeyGrant>>,
}

impl Snapshot {
    /// Grows with every published change, also across restarts.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The app, unless it is unknown or deleted.
    pub fn app(&self, id: &AppId) -> Option<&Arc<AppView>> {
        self.apps.get(id)
    }

    /// All apps, in no particular order.
    pub fn apps(&self) -> impl Iterator<Item = &Arc<AppView>> {
        self.apps.values()
    }

    /// What this key allows; none if it is unknown or revoked, or its app deleted.
    ///
    /// The text is hashed, then its hash looked up. The time this takes can tell at most something
    /// about the SHA-256 of a text the caller chose; it gets no one nearer to a text whose hash is
    /// in the table, so no constant-time comparison is needed.
    pub fn key(&self, secret: &str) -> Option<&KeyGrant> {
        self.keys.get(&KeyHash::of(secret)?).map(Arc::as_ref)
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Snapshot({}: {} apps, {} keys)", self.version, self.apps.len(), self.keys.len())
    }
}

/// What a key allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyGrant {
    /// Names the key in listings and logs; no secret.
    pub key_id: KeyId,
    /// The one app it is for.
    pub app_id: AppId,
    /// Report or ask.
    pub kind: KeyKind,
    /// Events may be older than the limit on lateness: for imports.
    pub may_report_old: bool,
    /// Events it may report a second; none is no limit of its own.
    pub events_per_second: Option<u32>,
}

/// An app with its tracking plan.
#[derive(Debug, Clone)]
pub struct AppView {
    /// The app.
    pub id: AppId,
    /// What people call it.
    pub title: String,
    /// The IANA name of the zone its days begin in.
    pub time_zone: String,
    /// The zone itself.
    pub zone: TimeZone,
    /// When it was created, in milliseconds since 1970-01-01 UTC.
    pub created_ms: i64,
    /// The attributes of its tracking plan, sorted by name.
    pub attributes: Vec<Attribute>,
    /// The columns its attributes are written to.
    pub slots: Arc<SlotMap>,
    /// The tracking plan, ready to check events.
    pub plan: Arc<TrackingPlan>,
    /// What it chose about addresses, web pages and quotas.
    pub settings: AppSettings,
}

impl AppView {
    /// The attribute of this name, if the app defined one. Built-in ones are not among them.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        let at = self.attributes.binary_search_by(|a| a.name.as_str().cmp(name)).ok()?;
        self.attributes.get(at)
    }
}
