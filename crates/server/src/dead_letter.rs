use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use suanpan_event::RejectionCode;
use suanpan_gateway::Problem;
use suanpan_warehouse::{
    DEAD_LETTER_PAGE_MAX, DeadLetterBy, DeadLetterCount, DeadLetterFilter, DeadLetterPlace, StoredDead,
};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::api::Api;
use crate::path::Path;
use crate::problem::{Reply, warehouse};
use crate::query::{QueryOf, fields, instant, invalid};

/// Dead events of one answer, unless the query says otherwise.
const PAGE_DEFAULT: usize = 50;

/// Which dead events are meant: those that fit all that is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct Choice {
    /// Refused for this reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Of this event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// Of this user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Of this device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Whose text as it was sent holds this, in any case of letters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Received at or after this: RFC 3339 with an offset, milliseconds since 1970, or a date.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Received before this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

impl Choice {
    /// The filter of the same meaning.
    pub fn filter(&self) -> Result<DeadLetterFilter, Problem> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        Ok(DeadLetterFilter {
            code: given(&self.code),
            event: given(&self.event),
            user_id: given(&self.user),
            device_id: given(&self.device),
            text: given(&self.text),
            from_ms: instant("from", self.from.as_deref())?,
            to_ms: instant("to", self.to.as_deref())?,
            ..DeadLetterFilter::default()
        })
    }
}

/// A search.
#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct Search {
    /// Refused for this reason.
    code: Option<String>,
    /// Of this event.
    event: Option<String>,
    /// Of this user.
    user: Option<String>,
    /// Of this device.
    device: Option<String>,
    /// Whose text as it was sent holds this, in any case of letters.
    text: Option<String>,
    /// Received at or after this: RFC 3339 with an offset, milliseconds since 1970, or a date.
    from: Option<String>,
    /// Received before this.
    to: Option<String>,
    /// Whether a replay was tried.
    replayed: Option<bool>,
    /// Goes on behind a page: its `next`.
    before: Option<String>,
    /// How many, 1 to 1000; 50 if absent.
    limit: Option<usize>,
}

impl Search {
    fn filter(&self) -> Result<DeadLetterFilter, Problem> {
        let Self { code, event, user, device, text, from, to, .. } = self;
        let [code, event, user, device, text, from, to] =
            [code, event, user, device, text, from, to].map(Clone::clone);
        let choice = Choice { code, event, user, device, text, from, to };
        Ok(DeadLetterFilter { replayed: self.replayed, ..choice.filter()? })
    }
}

/// A page of dead events, the newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeadPage {
    /// The dead events.
    events: Vec<DeadBody>,
    /// Where the next page goes on; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A refused event.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeadBody {
    /// Names it within the app.
    #[schema(value_type = String)]
    id: Uuid,
    /// When it was received, in milliseconds since 1970.
    received_ms: i64,
    /// The wire format it came in.
    format: String,
    /// Why it was refused.
    code: String,
    /// What a developer can do about it.
    hint: &'static str,
    /// The field that the refusal is about; empty for the event as a whole.
    field: String,
    /// The refusal in a sentence.
    message: String,
    /// The event's name, as far as it could be read.
    event: String,
    /// The user, likewise.
    user_id: String,
    /// The device, likewise.
    device_id: String,
    /// The event as it was sent; where the plan marks personal data, with those masked.
    raw: String,
    /// The event in Suanpan's own format, if it came in another one.
    #[serde(skip_serializing_if = "String::is_empty")]
    native: String,
    /// Whether it can be tried again.
    is_replayable: bool,
    /// Where it came from, as far as that is known.
    #[schema(value_type = Object)]
    origin: Value,
    /// What became of it when it was last tried again; absent if it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    replay: Option<ReplayBody>,
}

/// What became of a dead event that was tried again.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReplayBody {
    /// When, in milliseconds since 1970.
    time_ms: i64,
    /// `accepted`, `rejected` or `unreadable`.
    outcome: String,
    /// If it was refused again, why.
    #[serde(skip_serializing_if = "String::is_empty")]
    code: String,
    /// That in a sentence.
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
}

impl From<StoredDead> for DeadBody {
    fn from(dead: StoredDead) -> Self {
        let origin = serde_json::from_str(&dead.origin).unwrap_or_default();
        let replay = dead.replay_time_ms.map(|time_ms| ReplayBody {
            time_ms,
            outcome: dead.replay_outcome,
            code: dead.replay_code,
            message: dead.replay_message,
        });
        Self {
            id: dead.id,
            received_ms: dead.received_time_ms,
            format: dead.format,
            hint: RejectionCode::named(&dead.code).map_or("", RejectionCode::hint),
            code: dead.code,
            field: dead.field,
            message: dead.message,
            event: dead.event,
            user_id: dead.user_id,
            device_id: dead.device_id,
            raw: dead.raw,
            native: dead.draft,
            is_replayable: dead.is_replayable,
            origin,
            replay,
        }
    }
}

/// How much is refused, why, and what is kept of it.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeadCounts {
    /// By reason, the most frequent first.
    codes: Vec<CodeCount>,
    /// By the event's name, the most frequent first; at most 1,000.
    events: Vec<EventCount>,
    /// The bounds of what is kept.
    bounds: DeadBounds,
}

/// One reason.
#[derive(Serialize, ToSchema)]
pub(crate) struct CodeCount {
    /// The reason.
    code: String,
    /// What a developer can do about it.
    hint: &'static str,
    /// Events refused, in the whole minutes of the range. A record that was sent again counts again.
    refused: u64,
    /// Records kept: fewer, if some were sent again or the bound of a day was reached.
    kept: u64,
    /// Of those, accepted by a replay.
    accepted: u64,
    /// Of those, records that a replay can try.
    replayable: u64,
}

impl CodeCount {
    /// Of which nothing is kept.
    fn new(code: String, refused: u64) -> Self {
        let hint = RejectionCode::named(&code).map_or("", RejectionCode::hint);
        Self { code, hint, refused, kept: 0, accepted: 0, replayable: 0 }
    }
}

/// One name.
#[derive(Serialize, ToSchema)]
pub(crate) struct EventCount {
    /// The name; empty where it could not be read.
    event: String,
    /// Records kept.
    kept: u64,
    /// Of those, accepted by a replay.
    accepted: u64,
    /// Of those, records that a replay can try.
    replayable: u64,
}

/// What is kept at most.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeadBounds {
    /// Days.
    retention_days: u32,
    /// Records of an app and day; the rest is counted and not kept.
    events_per_app_per_day_max: u64,
    /// Bytes on disk of all apps; beyond it the oldest days go.
    bytes_max: u64,
}

/// Searches the events that were refused.
#[utoipa::path(get, path = "/api/apps/{app}/dead-letter", tag = "dead letter", security(("read" = [])),
    params(("app" = String, Path), Search), responses((status = 200, body = DeadPage)))]
pub(crate) async fn search(
    State(api): State<Api>,
    Path(app): Path<String>,
    query: QueryOf<Search>,
    headers: HeaderMap,
) -> Reply<Json<DeadPage>> {
    let app = api.access.read(&headers, &app)?;
    api.app_view(&app)?;
    let search = fields(query)?;
    let filter = search.filter()?;
    let before = search.before.as_deref().map(place).transpose()?;
    let limit = search.limit.unwrap_or(PAGE_DEFAULT);
    if !(1..=DEAD_LETTER_PAGE_MAX).contains(&limit) {
        return Err(invalid(format!("limit: {limit} is not between 1 and {DEAD_LETTER_PAGE_MAX}")));
    }
    let found = api.warehouse.dead_letter(&app, &filter, before, limit).await.map_err(|e| warehouse(&e))?;
    let next = found.last().filter(|_| found.len() == limit).map(|last| place_text(last.place()));
    Ok(Json(DeadPage { events: found.into_iter().map(DeadBody::from).collect(), next }))
}

/// One refused event.
#[utoipa::path(get, path = "/api/apps/{app}/dead-letter/{id}", tag = "dead letter", security(("read" = [])),
    params(("app" = String, Path), ("id" = String, Path)), responses((status = 200, body = DeadBody)))]
pub(crate) async fn get(
    State(api): State<Api>,
    Path((app, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Reply<Json<DeadBody>> {
    let app = api.access.read(&headers, &app)?;
    api.app_view(&app)?;
    let found = match Uuid::try_parse(&id) {
        Ok(id) => api.warehouse.dead_event(&app, id).await.map_err(|e| warehouse(&e))?,
        Err(_no_id) => None,
    };
    found.map(|dead| Json(dead.into())).ok_or_else(|| {
        let detail = format!("there is no refused event {id:?}, or it is kept no longer");
        Problem::new(StatusCode::NOT_FOUND, "not_found", detail)
    })
}

/// Counts the events that were refused, by reason and by name.
#[utoipa::path(get, path = "/api/apps/{app}/dead-letter/counts", tag = "dead letter", security(("read" = [])),
    params(("app" = String, Path), Choice), responses((status = 200, body = DeadCounts)))]
pub(crate) async fn counts(
    State(api): State<Api>,
    Path(app): Path<String>,
    query: QueryOf<Choice>,
    headers: HeaderMap,
) -> Reply<Json<DeadCounts>> {
    let app = api.access.read(&headers, &app)?;
    api.app_view(&app)?;
    let choice = fields(query)?;
    let filter = choice.filter()?;
    let (from_ms, to_ms) = (filter.from_ms.unwrap_or(0), filter.to_ms.unwrap_or(i64::MAX));
    let (refused, by_code, by_event) = tokio::try_join!(
        api.warehouse.refused(&app, from_ms, to_ms),
        api.warehouse.dead_letter_counts(&app, &filter, DeadLetterBy::Code),
        api.warehouse.dead_letter_counts(&app, &filter, DeadLetterBy::Event),
    )
    .map_err(|e| warehouse(&e))?;
    // The ledger knows reasons, not names or people: what is not kept fits only if all is meant.
    let is_of_all =
        choice == Choice { from: choice.from.clone(), to: choice.to.clone(), ..Choice::default() };
    let kept_of = |code: &str| by_code.iter().any(|count| count.value == code);
    let not_kept = refused.iter().filter(|refused| is_of_all && !kept_of(&refused.code));
    let not_kept: Vec<CodeCount> = not_kept.map(|r| CodeCount::new(r.code.clone(), r.events)).collect();
    let mut codes: Vec<CodeCount> = Vec::with_capacity(by_code.len() + not_kept.len());
    for DeadLetterCount { value, kept, accepted, replayable } in by_code {
        let refused = refused.iter().filter(|refused| refused.code == value).map(|r| r.events).sum();
        codes.push(CodeCount { kept, accepted, replayable, ..CodeCount::new(value, refused) });
    }
    codes.extend(not_kept);
    let events = by_event.into_iter().map(|count| EventCount {
        event: count.value,
        kept: count.kept,
        accepted: count.accepted,
        replayable: count.replayable,
    });
    let bounds = &api.bounds.dead_letter;
    Ok(Json(DeadCounts {
        codes,
        events: events.collect(),
        bounds: DeadBounds {
            retention_days: bounds.retention_days,
            events_per_app_per_day_max: bounds.events_per_app_per_day_max,
            bytes_max: bounds.bytes_max,
        },
    }))
}

fn place_text(place: DeadLetterPlace) -> String {
    format!("{}.{}", place.received_time_ms, place.id.simple())
}

fn place(text: &str) -> Result<DeadLetterPlace, Problem> {
    let read = || {
        let (received, id) = text.split_once('.')?;
        Some(DeadLetterPlace { received_time_ms: received.parse().ok()?, id: Uuid::try_parse(id).ok()? })
    };
    read().ok_or_else(|| invalid(format!("before: {text:?} is no `next` of a page")))
}
