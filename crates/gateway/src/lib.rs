//! The untrusted edge: HTTP bodies in, durable acknowledgements out.
//!
//! ```text
//! request → read → decode (crates/wire) → authenticate → quota → admit → append → show → reply
//! ```
//!
//! Invariants: 200 is answered only after every event that the reply calls `ok` or `warning` is
//! on disk; any other status means that nothing of the request was kept. Each event of a request
//! gets its own result. This crate does not know the warehouse: events are accepted while it is
//! down.

mod address;
mod admission;
mod answer;
mod auth;
mod body;
mod bucket;
mod connection;
mod cors;
mod dead;
mod fairness;
mod gateway;
mod geography;
mod limits;
mod live;
mod live_event;
pub mod metrics;
mod origin;
mod problem;
mod quota;
mod quota_day;
mod readmit;
mod refused;
mod report;
mod user_agent;
mod user_agent_names;
mod visitors;

pub use address::{ProxyHeader, TrustedProxies, truncated};
pub use auth::credentials;
pub use connection::{CloseConnection, Peer};
pub use fairness::{Fairness, Share};
pub use gateway::{Clock, Gateway, GatewayParts, system_clock};
pub use geography::PlaceLanguage;
pub use limits::GatewayLimits;
pub use live::{Heard, LiveFilter, LiveHub, LiveLimits, LiveListener, Seen};
pub use live_event::{LiveEvent, PROPERTIES_SHOWN_BYTES_MAX};
pub use origin::{OriginConfig, OriginError, Origins, user_agent};
pub use problem::Problem;
pub use quota::Quotas;
pub use readmit::Readmitted;
pub use refused::{RefusedRequest, RefusedRequests, RefusedSource};
pub use report::router;
pub use visitors::Visitors;
