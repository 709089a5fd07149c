//! What is known of a client.

use super::proxy::Fault;

/// A client library, run by a driver in `tests/clients`.
#[derive(Debug, Clone, Copy)]
pub struct Client {
    /// Its name in the tests and in docs/clients.md.
    pub name: &'static str,
    /// What runs its driver, and the driver's name.
    pub program: Program,
    /// What the driver is told besides.
    pub mode: &'static str,
    /// Whose words it speaks.
    pub family: Family,
    /// Events that it is given in a short run.
    pub events: usize,
    /// What it holds at once without dropping any.
    pub events_max: usize,
    /// The calls that are made on it, in turn; the first is made most.
    pub calls: &'static [Call],
    /// Calls for which it takes the time itself.
    pub times_itself: &'static [Call],
    /// What becomes of the people of the calls.
    pub people: People,
    /// Which JSON values it can carry.
    pub values: Values,
    /// How it writes a date.
    pub dates: Dates,
    /// What it does when something goes wrong.
    pub after_faults: AfterFaults,
    /// Whether it ends when it is told to, since it can't tell when all is sent.
    pub is_told_to_end: bool,
    /// Events that it reports of its own accord.
    pub extras: &'static [&'static str],
}

/// What runs a driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    Node(&'static str),
    /// A page in Chromium.
    Page,
    Python(&'static str),
    Go(&'static str),
    Java(&'static str),
}

/// Clients that speak alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    Segment,
    PostHog,
    Sensors,
    Mixpanel,
    Amplitude,
    Snowplow,
    Umami,
    Plausible,
}

/// What is called on a client, by the name that drivers know it under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    Track,
    Page,
    Screen,
    Identify,
    Group,
    Alias,
    SetOnce,
    Increment,
    Append,
    Unset,
    Delete,
    ItemSet,
    Struct,
}

/// How the person and the device of a call arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum People {
    /// Each where it belongs.
    Both,
    /// One id, the known person's if there is one; it counts as a known person.
    OneId,
    /// One id, the known person's if there is one; the client says which it is.
    OneIdOfEither,
    /// One id, of which the client does not say that it is a known person's.
    OneIdOfDevice,
    /// All events are of the client's one person, who logs in midway.
    Own,
    /// Nobody is named: one device for all.
    Visitor,
}

/// Which values arrive as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// All of JSON, and integers of any size exactly.
    Exact,
    /// All of JSON but null, and integers of any size exactly.
    ExactButNull,
    /// All of JSON, numbers as JavaScript knows them.
    JavaScript,
    /// Texts, numbers as JavaScript knows them, booleans, dates, lists of texts.
    FlatJavaScript,
    /// Texts, integers of any size, booleans, dates, lists of texts.
    FlatExact,
}

/// How a date that is given as such is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dates {
    /// With an offset, to the millisecond.
    Instant,
    /// The time on a clock in Shanghai, to the millisecond.
    ShanghaiClock,
    /// The time on a clock in UTC, to the millisecond.
    UtcClock,
    /// The time on a clock in UTC, to the second.
    UtcClockSeconds,
}

/// What a client does when something goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterFaults {
    /// It keeps its events through these and sends them again: every one arrives once.
    Keeps(&'static [Fault]),
    /// It keeps nothing, and tells its caller what was taken: that has arrived, and nothing twice.
    Tells(&'static [Fault]),
    /// It keeps nothing and sends each event by itself: what was passed on has arrived, once.
    Forgets(&'static [Fault]),
}

impl AfterFaults {
    /// The faults that its run meets.
    pub fn faults(self) -> &'static [Fault] {
        match self {
            Self::Keeps(faults) | Self::Tells(faults) | Self::Forgets(faults) => faults,
        }
    }
}
