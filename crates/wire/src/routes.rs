use crate::formats::amplitude::AMPLITUDE;
use crate::formats::mixpanel::MIXPANEL;
use crate::formats::native::NATIVE;
use crate::formats::plausible::PLAUSIBLE;
use crate::formats::posthog::POSTHOG;
use crate::formats::posthog_documents::{
    posthog_config, posthog_config_script, posthog_decide, posthog_flags,
};
use crate::formats::posthog_v1::POSTHOG_V1;
use crate::formats::segment::SEGMENT;
use crate::formats::segment_settings::{rudder_source_config, segment_settings};
use crate::formats::sensors::{self, SENSORS};
use crate::formats::shared_paths;
use crate::formats::snowplow::SNOWPLOW;
use crate::formats::umami::UMAMI;
use crate::{Format, Head, Reply};

/// What a request may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WireLimits {
    /// Bytes of a body after all transport encodings are taken off.
    pub unpacked_bytes_max: usize,
    /// Events of one request.
    pub events_per_request_max: usize,
}

impl Default for WireLimits {
    fn default() -> Self {
        Self { unpacked_bytes_max: 8 * 1024 * 1024, events_per_request_max: 1000 }
    }
}

/// What answers at a path.
#[derive(Clone, Copy)]
pub enum Route {
    /// Events of one format.
    Events(&'static dyn Format),
    /// Events of a format that the body tells, where clients of several share the path. The body
    /// comes as sent, gzip taken off.
    Told(fn(&Head<'_>, &[u8]) -> &'static dyn Format),
    /// A document that clients ask for before they report. The body comes as sent.
    Document(fn(&Head<'_>, &[u8]) -> Reply),
}

/// Every path at which clients report or ask, and what answers. A `{name}` stands for one part of
/// a path.
pub const ROUTES: &[(&str, Route)] = &[
    ("/v1/events", Route::Events(&NATIVE)),
    // Segment and RudderStack.
    ("/v1/batch", Route::Events(&SEGMENT)),
    ("/v1/b", Route::Events(&SEGMENT)),
    ("/v1/import", Route::Events(&SEGMENT)),
    // The client for Java.
    ("/v1/import/", Route::Events(&SEGMENT)),
    ("/v1/track", Route::Events(&SEGMENT)),
    ("/v1/t", Route::Events(&SEGMENT)),
    ("/v1/identify", Route::Events(&SEGMENT)),
    ("/v1/i", Route::Events(&SEGMENT)),
    ("/v1/page", Route::Events(&SEGMENT)),
    ("/v1/p", Route::Events(&SEGMENT)),
    ("/v1/screen", Route::Events(&SEGMENT)),
    ("/v1/s", Route::Events(&SEGMENT)),
    ("/v1/group", Route::Events(&SEGMENT)),
    ("/v1/g", Route::Events(&SEGMENT)),
    ("/v1/alias", Route::Events(&SEGMENT)),
    ("/v1/a", Route::Events(&SEGMENT)),
    ("/v1/projects/{key}/settings", Route::Document(segment_settings)),
    ("/beacon/v1/batch", Route::Events(&SEGMENT)),
    ("/sourceConfig", Route::Document(rudder_source_config)),
    ("/sourceConfig/", Route::Document(rudder_source_config)),
    // PostHog, with a slash and without: clients differ.
    ("/batch/", Route::Events(&POSTHOG)),
    ("/capture", Route::Events(&POSTHOG)),
    ("/capture/", Route::Events(&POSTHOG)),
    ("/e", Route::Events(&POSTHOG)),
    ("/e/", Route::Events(&POSTHOG)),
    ("/i/v0/e", Route::Events(&POSTHOG)),
    ("/i/v0/e/", Route::Events(&POSTHOG)),
    ("/i/v1/analytics/events", Route::Events(&POSTHOG_V1)),
    ("/flags", Route::Document(posthog_flags)),
    ("/flags/", Route::Document(posthog_flags)),
    ("/decide", Route::Document(posthog_decide)),
    ("/decide/", Route::Document(posthog_decide)),
    ("/array/{key}/config", Route::Document(posthog_config)),
    ("/array/{key}/config.js", Route::Document(posthog_config_script)),
    // Amplitude.
    ("/2/httpapi", Route::Events(&AMPLITUDE)),
    ("/batch", Route::Told(shared_paths::batch)),
    // SensorsData.
    ("/sa", Route::Events(&SENSORS)),
    ("/sa.gif", Route::Events(&SENSORS)),
    ("/debug", Route::Events(&SENSORS)),
    ("/mp_login", Route::Document(sensors::mini_program_login)),
    ("/config/visualized/Web.conf", Route::Document(sensors::visual_tags)),
    // Mixpanel. Its client for browsers ends paths with a slash.
    ("/track", Route::Told(shared_paths::track)),
    ("/track/", Route::Told(shared_paths::track)),
    ("/engage", Route::Events(&MIXPANEL)),
    ("/groups", Route::Events(&MIXPANEL)),
    ("/import", Route::Events(&MIXPANEL)),
    ("/engage/", Route::Events(&MIXPANEL)),
    ("/groups/", Route::Events(&MIXPANEL)),
    // Snowplow, Umami, Plausible.
    ("/com.snowplowanalytics.snowplow/tp2", Route::Events(&SNOWPLOW)),
    ("/i", Route::Events(&SNOWPLOW)),
    ("/api/send", Route::Events(&UMAMI)),
    ("/api/event", Route::Events(&PLAUSIBLE)),
];

/// What answers at this path, as [`ROUTES`] spells it.
pub fn route(path: &str) -> Option<Route> {
    ROUTES.iter().find(|(known, _)| *known == path).map(|(_, route)| *route)
}
