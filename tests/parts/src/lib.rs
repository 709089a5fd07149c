//! Starts the real components that tests need beside the engine, on free ports of 127.0.0.1 and in folders
//! of their own.
//!
//! ```text
//! test → Kafka, Postgres, ZooKeeper, OldClickHouse (start, kill, restart, pause) → Part (one process) ← Caretaker
//! ```
//!
//! Invariants: processes and folders are gone when the component is dropped, and also when the tests are
//! killed or leave it in a `static`; every wait has a limit; calls block, and panic with a sentence when a
//! component can't be had: that is a failed test. `SUANPAN_CACHE` names the folder that the fetching scripts
//! fill.

mod cache;
mod caretaker;
mod kafka;
mod kafka_guard;
mod old_clickhouse;
mod part;
mod ports;
mod postgres;
mod zookeeper;

pub use cache::cache_dir;
pub use caretaker::Caretaker;
pub use kafka::Kafka;
pub use old_clickhouse::OldClickHouse;
pub use part::{Part, Started};
pub use ports::free_ports;
pub use postgres::Postgres;
pub use zookeeper::ZooKeeper;
