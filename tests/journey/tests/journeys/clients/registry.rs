//! The clients, and what is known of each: docs/clients.md says how they are set up.

use super::proxy::Fault::{self, CutAfter, CutBefore, Delay, Overloaded};

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

const ALL: &[Fault] = &[Overloaded, CutBefore, CutAfter, Delay];
/// SensorsData's clients take any status as an end, so that the server cuts connections instead.
const CUTS: &[Fault] = &[CutBefore, CutAfter, Delay];
/// A request without an answer makes Amplitude's client forget what it sent.
const STATUSES: &[Fault] = &[Overloaded, Delay];

const FULL: &[Call] = &[Call::Track, Call::Page, Call::Screen, Call::Identify, Call::Group, Call::Alias];
const PROFILES: &[Call] =
    &[Call::Track, Call::Identify, Call::SetOnce, Call::Increment, Call::Append, Call::Unset, Call::Delete];
/// Most are called at times that the client takes itself.
const PROFILE_CALLS: &[Call] = &[
    Call::Identify,
    Call::SetOnce,
    Call::Increment,
    Call::Append,
    Call::Unset,
    Call::Delete,
    Call::Group,
    Call::Alias,
    Call::ItemSet,
];
const EVERY_CALL: &[Call] = &[
    Call::Track,
    Call::Page,
    Call::Identify,
    Call::SetOnce,
    Call::Increment,
    Call::Append,
    Call::Unset,
    Call::Delete,
    Call::Alias,
];

/// What most have in common.
const SEGMENT: Client = Client {
    name: "",
    program: Program::Node(""),
    mode: "",
    family: Family::Segment,
    events: 300,
    events_max: 900,
    calls: FULL,
    times_itself: &[],
    people: People::Both,
    values: Values::JavaScript,
    dates: Dates::Instant,
    after_faults: AfterFaults::Keeps(ALL),
    is_told_to_end: false,
    extras: &[],
};
const POSTHOG: Client = Client { family: Family::PostHog, people: People::OneId, ..SEGMENT };
const SENSORS: Client = Client {
    family: Family::Sensors,
    calls: PROFILES,
    values: Values::FlatJavaScript,
    dates: Dates::ShanghaiClock,
    after_faults: AfterFaults::Keeps(CUTS),
    ..SEGMENT
};
/// SensorsData's client of browsers: one person, its own clock, and it reports logging in.
const SENSORS_WEB: Client = Client {
    program: Program::Page,
    events: 60,
    calls: &[Call::Track, Call::Identify, Call::SetOnce, Call::Increment, Call::Append, Call::Unset],
    times_itself: EVERY_CALL,
    people: People::Own,
    extras: &["$identify", "$profile_set_once"],
    after_faults: AfterFaults::Forgets(CUTS),
    ..SENSORS
};
const MIXPANEL: Client = Client {
    family: Family::Mixpanel,
    calls: PROFILES,
    times_itself: PROFILE_CALLS,
    people: People::OneId,
    ..SEGMENT
};

/// All clients, those that take longest first.
pub const CLIENTS: &[Client] = &[
    Client { name: "sensors-web-image", mode: "sensors image", ..SENSORS_WEB },
    Client { name: "sensors-web-ajax", mode: "sensors ajax", ..SENSORS_WEB },
    Client { name: "sensors-web-beacon", mode: "sensors beacon", ..SENSORS_WEB },
    Client {
        name: "sensors-web-batch",
        mode: "sensors batch",
        events: 150,
        events_max: 180,
        after_faults: AfterFaults::Keeps(ALL),
        is_told_to_end: true,
        ..SENSORS_WEB
    },
    Client {
        name: "posthog-web",
        program: Program::Page,
        mode: "posthog",
        calls: &[Call::Track, Call::Page, Call::Identify],
        times_itself: &[Call::Identify],
        people: People::Own,
        after_faults: AfterFaults::Keeps(ALL),
        is_told_to_end: true,
        extras: &["$identify"],
        ..POSTHOG
    },
    Client {
        name: "segment-web",
        program: Program::Page,
        mode: "segment",
        events: 100,
        calls: &[Call::Track, Call::Page, Call::Screen, Call::Identify, Call::Group],
        people: People::Own,
        is_told_to_end: true,
        extras: &["$identify"],
        ..SEGMENT
    },
    Client {
        name: "plausible-web",
        program: Program::Page,
        mode: "plausible",
        family: Family::Plausible,
        events: 60,
        calls: &[Call::Track, Call::Page],
        times_itself: EVERY_CALL,
        people: People::Visitor,
        after_faults: AfterFaults::Forgets(ALL),
        ..SEGMENT
    },
    Client {
        name: "sensors-miniprogram",
        program: Program::Node("sensors-miniprogram.js"),
        events_max: 480,
        calls: &[Call::Track, Call::Page, Call::Identify, Call::SetOnce, Call::Increment, Call::Append],
        times_itself: PROFILE_CALLS,
        people: People::Own,
        is_told_to_end: true,
        extras: &["$identify", "$profile_set_once", "$MPLaunch", "$MPShow"],
        ..SENSORS
    },
    Client {
        name: "segment-java",
        program: Program::Java("SegmentJava"),
        values: Values::ExactButNull,
        ..SEGMENT
    },
    Client {
        name: "sensors-java",
        program: Program::Java("SensorsJava"),
        times_itself: UNTIMED,
        people: People::OneIdOfEither,
        values: Values::FlatExact,
        ..SENSORS
    },
    Client {
        name: "posthog-java",
        program: Program::Java("PostHogJava"),
        calls: &[Call::Track, Call::Identify, Call::SetOnce, Call::Alias],
        times_itself: EVERY_CALL,
        values: Values::ExactButNull,
        ..POSTHOG
    },
    Client {
        name: "mixpanel-java",
        program: Program::Java("MixpanelJava"),
        events: 60,
        values: Values::ExactButNull,
        after_faults: AfterFaults::Tells(ALL),
        ..MIXPANEL
    },
    Client { name: "segment-node", program: Program::Node("segment-node.js"), ..SEGMENT },
    Client { name: "segment-node-legacy", program: Program::Node("segment-node-legacy.js"), ..SEGMENT },
    Client { name: "rudder-node", program: Program::Node("rudder-node.js"), ..SEGMENT },
    Client {
        name: "posthog-node",
        program: Program::Node("posthog-node.js"),
        times_itself: &[Call::Identify, Call::Group, Call::Alias],
        ..POSTHOG
    },
    Client {
        name: "posthog-node-v1",
        program: Program::Node("posthog-node.js"),
        mode: "v1",
        times_itself: &[Call::Identify, Call::Group, Call::Alias],
        ..POSTHOG
    },
    Client {
        name: "sensors-node",
        program: Program::Node("sensors-node.js"),
        calls: &[
            Call::Track,
            Call::Identify,
            Call::SetOnce,
            Call::Increment,
            Call::Append,
            Call::Unset,
            Call::Alias,
        ],
        times_itself: UNTIMED,
        people: People::OneIdOfDevice,
        after_faults: AfterFaults::Tells(CUTS),
        ..SENSORS
    },
    Client {
        name: "sensors-node-network",
        program: Program::Node("sensors-node-network.js"),
        calls: &[
            Call::Track,
            Call::Identify,
            Call::SetOnce,
            Call::Increment,
            Call::Append,
            Call::Unset,
            Call::Alias,
        ],
        times_itself: UNTIMED,
        people: People::OneIdOfDevice,
        after_faults: AfterFaults::Keeps(ALL),
        is_told_to_end: true,
        ..SENSORS
    },
    Client {
        name: "mixpanel-node",
        program: Program::Node("mixpanel-node.js"),
        calls: &[
            Call::Track,
            Call::Identify,
            Call::SetOnce,
            Call::Increment,
            Call::Append,
            Call::Unset,
            Call::Delete,
            Call::Group,
            Call::Alias,
        ],
        after_faults: AfterFaults::Tells(ALL),
        ..MIXPANEL
    },
    Client {
        name: "amplitude-node",
        program: Program::Node("amplitude-node.js"),
        family: Family::Amplitude,
        calls: &[Call::Track, Call::Identify, Call::SetOnce, Call::Increment, Call::Append, Call::Unset],
        after_faults: AfterFaults::Keeps(STATUSES),
        ..SEGMENT
    },
    Client {
        name: "snowplow-node",
        program: Program::Node("snowplow-node.js"),
        family: Family::Snowplow,
        calls: &[Call::Track, Call::Page, Call::Screen, Call::Struct],
        ..SEGMENT
    },
    Client {
        name: "umami-node",
        program: Program::Node("umami-node.js"),
        family: Family::Umami,
        events: 60,
        calls: &[Call::Track, Call::Page, Call::Identify],
        times_itself: EVERY_CALL,
        people: People::Visitor,
        after_faults: AfterFaults::Forgets(ALL),
        ..SEGMENT
    },
    Client {
        name: "segment-python",
        program: Program::Python("segment_python.py"),
        values: Values::Exact,
        ..SEGMENT
    },
    Client {
        name: "rudder-python",
        program: Program::Python("rudder_python.py"),
        values: Values::Exact,
        ..SEGMENT
    },
    Client {
        name: "posthog-python",
        program: Program::Python("posthog_python.py"),
        values: Values::Exact,
        ..POSTHOG
    },
    Client {
        name: "posthog-python-v1",
        program: Program::Python("posthog_python.py"),
        mode: "v1",
        values: Values::Exact,
        ..POSTHOG
    },
    Client {
        name: "sensors-python-batch",
        program: Program::Python("sensors_python.py"),
        mode: "batch",
        calls: SENSORS_PYTHON,
        times_itself: UNTIMED,
        people: People::OneIdOfEither,
        values: Values::FlatExact,
        dates: Dates::UtcClock,
        ..SENSORS
    },
    Client {
        name: "sensors-python-default",
        program: Program::Python("sensors_python.py"),
        mode: "default",
        events: 60,
        calls: SENSORS_PYTHON,
        times_itself: UNTIMED,
        people: People::OneIdOfEither,
        values: Values::FlatExact,
        dates: Dates::UtcClock,
        after_faults: AfterFaults::Tells(CUTS),
        ..SENSORS
    },
    Client {
        name: "sensors-python-async",
        program: Program::Python("sensors_python.py"),
        mode: "async",
        calls: SENSORS_PYTHON,
        times_itself: UNTIMED,
        people: People::OneIdOfEither,
        values: Values::FlatExact,
        dates: Dates::UtcClock,
        // Its thread dies of the first failure of any kind, and the process then never ends.
        after_faults: AfterFaults::Keeps(&[Delay]),
        ..SENSORS
    },
    Client {
        name: "mixpanel-python",
        program: Program::Python("mixpanel_python.py"),
        calls: &[
            Call::Track,
            Call::Identify,
            Call::SetOnce,
            Call::Increment,
            Call::Append,
            Call::Unset,
            Call::Delete,
            Call::Group,
        ],
        values: Values::Exact,
        dates: Dates::UtcClockSeconds,
        ..MIXPANEL
    },
    Client { name: "segment-go", program: Program::Go("segment"), values: Values::Exact, ..SEGMENT },
    Client { name: "posthog-go", program: Program::Go("posthog"), values: Values::Exact, ..POSTHOG },
];

/// Calls to which SensorsData's servers' clients take no time.
const UNTIMED: &[Call] = &[Call::Increment, Call::Append, Call::Unset, Call::Delete, Call::ItemSet];
const SENSORS_PYTHON: &[Call] = &[
    Call::Track,
    Call::Identify,
    Call::SetOnce,
    Call::Increment,
    Call::Append,
    Call::Unset,
    Call::Delete,
    Call::Alias,
    Call::ItemSet,
];
