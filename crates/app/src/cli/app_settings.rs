//! What `apps set` changes.

use std::str::FromStr;

use clap::{Args, ValueEnum};

use super::DaysKept;

/// What becomes of the addresses that events come from.
#[derive(Clone, Copy, ValueEnum)]
pub enum IpName {
    /// Stored whole
    Store,
    /// Stored without the part that names one machine
    Truncate,
    /// Not stored
    Drop,
}

/// A number of events, or none for no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventsMax(pub Option<u64>);

impl FromStr for EventsMax {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self(None)),
            number => number
                .parse()
                .map(|n| Self(Some(n)))
                .map_err(|_no_number| format!("{number:?} is neither a number of events nor \"none\"")),
        }
    }
}

/// Changes of an app's settings.
#[derive(Args)]
pub struct SettingsArgs {
    /// What becomes of the addresses that events come from
    #[arg(long)]
    pub ip: Option<IpName>,
    /// A web page that may report: `*`, `https://shop.example` or `https://*.example`; may be given many
    /// times, and empty for none
    #[arg(long, value_name = "ORIGIN")]
    pub allow_origin: Vec<String>,
    /// Events a second over all keys, or none
    #[arg(long, value_name = "EVENTS")]
    pub events_per_second: Option<EventsMax>,
    /// Events a day, or none
    #[arg(long, value_name = "EVENTS")]
    pub events_per_day: Option<EventsMax>,
    /// Events a month, or none
    #[arg(long, value_name = "EVENTS")]
    pub events_per_month: Option<EventsMax>,
    /// Days that events are kept, or forever; what is older is removed for good
    #[arg(long, value_name = "DAYS")]
    pub retention_days: Option<DaysKept>,
}
