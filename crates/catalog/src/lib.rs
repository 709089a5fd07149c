//! What the stations know about their tenants: apps, keys, tracking plans and rules, in SQLite or
//! PostgreSQL; and what processes must agree on: leases, jobs, usage.
//!
//! A [`Catalog`] changes the database; other stations read a [`Snapshot`], which is whole, immutable
//! and never more than about a second behind any process that shares the database. A change takes its
//! turn among those of all processes, runs in one transaction, is committed to disk, then published, then
//! returned. While the database is away, snapshots stay as they are and changes fail.
//!
//! Invariants: a snapshot shows only what is committed; a slot belongs to one attribute of an app
//! at a time, and [`suanpan_event::AssignedSlot::since`] is above every slot map version under
//! which another attribute could have been written to it; a key's text is nowhere but in the hands
//! of the person it was shown to; a lease has one holder. This crate knows neither HTTP nor ClickHouse.

mod apps;
mod attributes;
mod back_up;
mod catalog;
mod database;
mod deletions;
mod error;
mod file;
mod key_text;
mod keys;
mod leases;
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
mod tables;
mod usage;
mod zone;

pub use apps::{App, AppChange, NewApp};
pub use attributes::NewAttribute;
pub use catalog::{Catalog, REFRESH_PERIOD};
pub use deletions::{DELETIONS_KEPT, DELETIONS_OPEN_MAX, DeletionCounts, DeletionJob, DeletionState};
pub use error::{CatalogError, Result};
pub use key_text::{KeyKind, KeyTextError, SecretText, recognise_key};
pub use keys::{KeyId, KeyInfo, NewKey};
pub use leases::{LEASE_DURATION, Lease};
pub use limits::CatalogLimits;
pub use plan::{NameChanges, PlanChanges, PlanDefinition};
pub use replays::{REPLAY_JOBS_KEPT, ReplayCounts, ReplayJob, ReplayState};
pub use rules::{NewRule, StoredRule};
pub use salts::Salt;
pub use settings::{AppSettings, IpPolicy, RETENTION_DAYS_MAX, SettingsChange};
pub use snapshot::{AppView, KeyGrant, Snapshot};
pub use usage::{USAGE_DAYS_KEPT, Usage};
