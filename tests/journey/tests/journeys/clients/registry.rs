//! The clients, and what is known of each: docs/clients.md says how they are set up.

use super::client::{AfterFaults, Call, Client, Dates, Family, People, Program, Values};
use super::proxy::Fault::{self, CutAfter, CutBefore, Delay, Overloaded};

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
    // Browsers take 64 KiB of beacons at a time and drop the rest.
    Client { name: "sensors-web-beacon", mode: "sensors beacon", events_max: 60, ..SENSORS_WEB },
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
        events_max: 450,
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
        // Its pauses grow from 15 s for each batch of 250, one after the other.
        events: 240,
        events_max: 240,
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
