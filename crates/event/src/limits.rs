use serde::{Deserialize, Serialize};

/// What one event may be. Every limit is checked at the gateway and named when it is hit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventLimits {
    /// Bytes of one event's JSON text.
    pub event_bytes_max: usize,
    /// Properties of one event, counted at the top level.
    pub properties_max: usize,
    /// Levels of nested objects and arrays in the properties, the properties object being the first.
    pub depth_max: usize,
    /// Characters of an event's or a property's name.
    pub name_chars_max: usize,
    /// Characters of an id: event, user, device, session.
    pub id_chars_max: usize,
    /// Days an event may be late, unless its key may report old events.
    pub late_days_max: u32,
    /// Minutes an event's time may lie ahead of the server's clock.
    pub future_minutes_max: u32,
    /// Minutes a client's clock may differ from the server's before event times are corrected.
    pub clock_skew_minutes_max: u32,
}

impl Default for EventLimits {
    fn default() -> Self {
        Self {
            event_bytes_max: 32 * 1024,
            properties_max: 255,
            depth_max: 8,
            name_chars_max: 128,
            id_chars_max: 255,
            late_days_max: 30,
            future_minutes_max: 24 * 60,
            clock_skew_minutes_max: 10,
        }
    }
}
