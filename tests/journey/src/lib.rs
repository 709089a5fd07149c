//! Drives the real binary `suanpan` from outside, as people and clients do: by its command line
//! and over HTTP.
//!
//! ```text
//! journey → App (report, ask) → Server (start, stop, kill, start again) → suanpan
//! ```
//!
//! Invariants: a server's processes and folder are gone when its [`Server`] is dropped, and also
//! when the tests themselves are killed; every wait has a limit; ports are free ones of 127.0.0.1.
//! Everything here panics with a sentence when something is not as it must be: that is a failed
//! test. `SUANPAN_BIN` names the binary, else it is built. With `SUANPAN_TEST_CLICKHOUSE_URL`
//! servers use that ClickHouse instead of an engine of their own, but for those that faults strike.

mod app;
mod binary;
mod calls;
mod caretaker;
mod disks;
mod external;
mod moments;
mod outside;
mod process;
mod relay;
mod runtime;
mod server;
mod store;
mod wait;

pub use app::{App, measure, rule};
pub use binary::{Finished, command, run, run_with_input, suanpan};
pub use calls::{Calls, Reply};
pub use moments::{DAY_MS, HOUR_MS, MINUTE_MS, ago, instant, instant_text, now_ms};
pub use outside::Outside;
pub use process::Process;
pub use relay::{CutAt, Relay};
pub use runtime::runtime;
pub use server::{Refused, Server, Setup};
pub use store::Store;
pub use wait::eventually;
