//! The only speaker of ClickHouse: finds or starts an engine, makes the tables, inserts, asks.
//!
//! [`Engine::start`] finds a ClickHouse (a configured server, a binary on PATH, or the embedded
//! library in a child process) and gives a [`Warehouse`]; [`Warehouse::migrate`] makes the tables.
//! The pipeline inserts batches of [`EventRow`]s and commits them in the ledger; at start it asks
//! what is stored already. Beside the events it keeps the dead letter, links between ids, and the names
//! that were learnt. The dispatcher asks questions, within [`AskLimits`]. [`Watermarks`] tell
//! when an answer has become old.
//!
//! Invariants: there is one way to speak to any engine, ClickHouse's HTTP protocol. A returned
//! insert is on disk. A batch repeated is stored once. The user that asks reads the rows of one app,
//! and nothing else, whatever the SQL. Every error says whether trying again can help.

mod access;
mod accounts;
mod arrow;
mod ask;
mod audit;
mod backup;
mod claim;
mod client;
mod cluster;
mod coverage;
mod dead_letter;
mod engine;
mod error;
mod external;
mod follow;
mod insert;
mod learnt;
mod links;
mod lookup;
pub mod metrics;
mod nodes;
mod person;
mod reconcile;
mod removal;
mod retention;
mod row_binary;
mod rows;
mod schema;
pub mod testing;
mod warehouse;
mod watermark;

pub use accounts::{ACCOUNT_LINES_MAX, AccountInterval, AccountLine};
pub use ask::{AskLimits, AskRequest, Column, Table, param_text};
pub use audit::{
    DeadDay, DoubledId, DoubledOffset, Found, LedgerPartition, MinuteDifference, OffsetsReceived, Receipts,
    StoredOffset, days_of,
};
pub use backup::{BackupPlace, BackupTable, TableSize};
pub use claim::Claim;
pub use cluster::{ClusterConfig, OnCluster, ShardAddresses};
pub use coverage::{OutcomeCount, OutcomeTotal};
pub use dead_letter::{
    DEAD_LETTER_PAGE_MAX, DeadLetterBy, DeadLetterCount, DeadLetterFilter, DeadLetterPlace, KeptDeadLetter,
    ReplayNote, ReplaySelection, ReplayTotal, StoredDead,
};
pub use engine::{
    ChildCommand, Engine, EngineChildArgs, EngineConfig, LIBRARY_VERSION, Secret, run_engine_child,
};
pub use error::{ErrorClass, Result, WarehouseError};
pub use insert::BATCH_ROWS_MAX;
pub use learnt::{LEARNT_SAMPLES_MAX, LEARNT_UNLISTED_MAX, Learnt, LearntTypes, NewLearnt};
pub use links::{LINKS_MAX, Link, NewLink};
pub use person::{Person, PersonEvents};
pub use reconcile::{RecentIds, StoredIdProbe};
pub use removal::{
    LogEnd, OpenRemoval, REMOVAL_APPS_MAX, REMOVAL_IDS_MAX, Removal, RemovalReason, RemovalStep, RemovedRows,
};
pub use retention::{Kept, TooOld};
pub use rows::{BatchId, EventRow, LedgerEntry, OffsetSet, SlotValue};
pub use schema::PlannedStep;
pub use warehouse::Warehouse;
pub use watermark::Watermarks;
