//! Keeps the accounts of all events: compares log, ledger and tables, removes what must go, and backs up.
//!
//! [`Accounts::audit`] names every difference between what was received and what is there.
//! [`Accounts::watch_once`] is one round of what must be done from time to time by one process: deletions of
//! persons' data, retention, and a look at the accounts of the last hour. [`Accounts::back_up`] copies tables
//! and catalog; [`restore()`] makes an installation of the copy.
//!
//! Invariants: rows = stored − removed, for each app and minute of receipt, before, during and after a
//! removal; every step of a removal can be repeated; a backup's ledger counts nothing that is not in the
//! backup. This crate knows neither HTTP nor SQL.

mod accounts;
mod audit;
mod backup;
mod checksums;
mod config;
mod deletion;
mod error;
mod gauge;
pub mod metrics;
mod restore;
mod retention;

pub use accounts::Accounts;
pub use audit::{AuditLine, AuditRequest, AuditSummary, Check, Difference};
pub use backup::{Backup, BackupState, Commit, Manifest};
pub use checksums::FileSum;
pub use config::AccountsConfig;
pub use error::{AccountsError, Result};
pub use restore::{Restored, read_manifest, restore, verify};
pub use retention::{PersonSummary, RetentionPreview};
