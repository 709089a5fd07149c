use std::convert::Infallible;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use serde::Deserialize;
use suanpan_event::AppId;
use suanpan_gateway::{Heard, LiveFilter, LiveHub, LiveListener};
use suanpan_wire::Status;
use tokio::time::{Interval, MissedTickBehavior, interval};
use utoipa::IntoParams;

use crate::access::Access;
use crate::path::Path;
use crate::problem::Reply;
use crate::query::{QueryOf, fields, invalid};

/// How often a silent stream says that it is alive, and whether its key still works is looked up.
const HEARTBEAT: Duration = Duration::from_secs(15);

const STATUSES: [(&str, Status); 4] = [
    ("ok", Status::Ok),
    ("warning", Status::Warning),
    ("duplicate", Status::Duplicate),
    ("rejected", Status::Rejected),
];

/// Which events to show.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LiveQuery {
    /// A user's or a device's id.
    #[serde(default)]
    person: Option<String>,
    /// A device's id.
    #[serde(default)]
    device: Option<String>,
    /// An event's name.
    #[serde(default)]
    event: Option<String>,
    /// Outcomes, separated by commas: `ok`, `warning`, `duplicate`, `rejected`.
    #[serde(default)]
    status: Option<String>,
    /// Whether the client says that it is being debugged.
    #[serde(default)]
    debug: Option<bool>,
}

impl LiveQuery {
    fn filter(self) -> Reply<LiveFilter> {
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let named = self.status.as_deref().unwrap_or_default();
        let statuses = named.split(',').map(str::trim).filter(|name| !name.is_empty()).map(status);
        Ok(LiveFilter {
            person: given(self.person),
            device: given(self.device),
            event: given(self.event),
            statuses: statuses.collect::<Reply<_>>()?,
            is_debug: self.debug,
        })
    }
}

fn status(name: &str) -> Reply<Status> {
    let known = STATUSES.iter().find(|(known, _)| *known == name);
    known.map(|(_, status)| *status).ok_or_else(|| {
        invalid(format!("status: {name:?} is no outcome; there are ok, warning, duplicate and rejected"))
    })
}

/// Events as they arrive, as server-sent events: `ready` once, then `event` with what arrived and
/// what became of it, and `missed` with how many came too fast to be shown. Ends when the server
/// stops or the key no longer works.
#[utoipa::path(get, path = "/api/apps/{app}/live", tag = "operation", security(("read" = [])),
    params(("app" = String, Path), LiveQuery),
    responses(
        (status = 200, description = "See docs/live-view.md.", content_type = "text/event-stream", body = String),
        (status = 429, description = "Too many are watching; the limit is named."),
        (status = 503, description = "The server is stopping.")))]
pub(crate) async fn watch(
    State(access): State<Access>,
    Extension(hub): Extension<LiveHub>,
    Path(app): Path<String>,
    headers: HeaderMap,
    query: QueryOf<LiveQuery>,
) -> Reply<Response> {
    let app = access.read(&headers, &app)?;
    access.app_view(&app)?;
    let listener = hub.listen(&app, fields(query)?.filter()?)?;
    let mut heartbeat = interval(HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let watch = Watch { access, app, headers, listener, heartbeat, is_new: true };
    let told = stream::unfold(watch, |mut watch| async move {
        let event = watch.next().await?;
        Some((Ok::<_, Infallible>(event), watch))
    });
    let mut response = Sse::new(told).into_response();
    // nginx would gather events and send them by the kilobyte.
    let unbuffered = (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response.headers_mut().extend([unbuffered]);
    Ok(response)
}

/// One stream.
struct Watch {
    access: Access,
    app: AppId,
    headers: HeaderMap,
    listener: LiveListener,
    heartbeat: Interval,
    is_new: bool,
}

impl Watch {
    async fn next(&mut self) -> Option<Event> {
        if self.is_new {
            self.is_new = false;
            // The first tick is at once.
            self.heartbeat.tick().await;
            return Some(Event::default().event("ready").data("{}"));
        }
        tokio::select! {
            heard = self.listener.next() => heard.map(|heard| told(&heard)),
            _ = self.heartbeat.tick() => self.may_watch().then(|| Event::default().comment("")),
        }
    }

    /// A key that was revoked meanwhile, or whose app was deleted, shows nothing more.
    fn may_watch(&self) -> bool {
        self.access.read(&self.headers, self.app.as_str()).is_ok() && self.access.app_view(&self.app).is_ok()
    }
}

fn told(heard: &Heard) -> Event {
    match heard {
        Heard::Event(event) => {
            let text = serde_json::to_string(event.as_ref()).expect("an event is always JSON");
            // JSON has no line breaks but those between its parts, which properties may have been
            // sent with; a frame may hold none.
            Event::default().event("event").data(text.replace(['\r', '\n'], " "))
        }
        Heard::Missed(count) => Event::default().event("missed").data(format!("{{\"missed\":{count}}}")),
    }
}
