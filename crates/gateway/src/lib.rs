//! The untrusted edge: HTTP bodies in, durable acknowledgements out.
//!
//! ```text
//! POST /v1/events → authenticate → read → decode → admit → append → reply
//! ```
//!
//! Invariants: 200 is answered only after every event that the reply calls `ok` or `warning` is
//! on disk; any other status means that nothing of the request was kept. Each event of a request
//! gets its own result. This crate does not know the warehouse: events are accepted while it is
//! down.

mod admit;
mod auth;
mod body;
mod limits;
pub mod metrics;
mod native;
mod problem;
mod reply;
mod report;

pub use auth::credentials;
pub use limits::GatewayLimits;
pub use problem::Problem;
pub use reply::{EventResult, Report, Status};
pub use report::{Clock, Gateway, router, system_clock};
