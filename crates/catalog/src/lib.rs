//! What the stations know about their tenants: apps, keys, tracking plans and rules, in SQLite.
//!
//! A [`Catalog`] changes the file; other stations read a [`Snapshot`], which is whole, immutable
//! and never more than about a second behind any process that shares the file. A change takes its
//! turn, runs in one transaction, is committed to disk, then published, then returned.
//!
//! Invariants: a snapshot shows only what is committed; a slot belongs to one attribute of an app
//! at a time, and [`suanpan_event::AssignedSlot::since`] is above every slot map version under
//! which another attribute could have been written to it; a key's text is nowhere but in the hands
//! of the person it was shown to. This crate knows neither HTTP nor ClickHouse.

mod apps;
mod attributes;
mod catalog;
mod error;
mod key_text;
mod keys;
mod limits;
mod load;
mod load_plan;
mod origin;
mod plan;
mod replays;
mod rules;
mod salts;
mod settings;
mod snapshot;
mod usage;
mod zone;

pub use apps::{App, AppChange, NewApp};
pub use attributes::NewAttribute;
pub use catalog::{Catalog, REFRESH_PERIOD};
pub use error::{CatalogError, Result};
pub use key_text::{KeyKind, KeyTextError, SecretText, recognise_key};
pub use keys::{KeyId, KeyInfo, NewKey};
pub use limits::CatalogLimits;
pub use plan::{NameChanges, PlanChanges, PlanDefinition};
pub use replays::{REPLAY_JOBS_KEPT, ReplayCounts, ReplayJob, ReplayState};
pub use rules::{NewRule, StoredRule};
pub use salts::Salt;
pub use settings::{AppSettings, IpPolicy, SettingsChange};
pub use snapshot::{AppView, KeyGrant, Snapshot};
pub use usage::{USAGE_DAYS_KEPT, Usage};
