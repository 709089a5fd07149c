//! What clients send, and what they want to hear. Pure: no socket, no clock, no file.
//!
//! ```text
//! head + body → payload (transport encodings off) → decode → drafts → admit → events
//!                                                     report → reply, in the client's own words
//! ```
//!
//! Each client family is one [`Format`]. All end in the same [`Draft`], so that limits, ids,
//! times, mending and the tracking plan are the same for all: see [`admit`].
//!
//! Invariants: memory and time are linear in the body and bounded by [`WireLimits`]; no input
//! panics; a wrong event never spoils its neighbours; an event that its client sends again gets
//! the same id, if the client gives anything to tell it by.

mod admit;
mod batch;
mod elements;
mod encoding;
mod formats;
mod head;
mod names;
mod object;
mod page;
mod reply;
mod routes;

pub use admit::{Admission, admit, clock_correction_ms};
pub use batch::{Batch, Draft, Identifier, Refused, SentAt};
pub use encoding::{is_gzip, plain as unpack};
pub use formats::Format;
pub use formats::amplitude::AMPLITUDE;
pub use formats::mixpanel::MIXPANEL;
pub use formats::native::NATIVE;
pub use formats::plausible::PLAUSIBLE;
pub use formats::posthog::POSTHOG;
pub use formats::posthog_v1::POSTHOG_V1;
pub use formats::segment::SEGMENT;
pub use formats::sensors::SENSORS;
pub use formats::snowplow::SNOWPLOW;
pub use formats::umami::UMAMI;
pub use head::Head;
pub use reply::{EventResult, Note, Refusal, Reply, Report, Status, Unreadable};
pub use routes::{ROUTES, Route, WireLimits, route};
