use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use suanpan_catalog::ReplayJob;
use suanpan_gateway::Problem;
use suanpan_warehouse::{DEAD_LETTER_PAGE_MAX, DeadLetterFilter};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::Api;
use crate::dead_letter::Choice;
use crate::json::JsonBody;
use crate::path::Path;
use crate::problem::{Reply, catalog};
use crate::query::invalid;
use crate::replays::Replays;

/// Which dead events are to be tried again: those that fit all that is given, at least one thing.
/// Those that an earlier replay brought through are left out.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ReplayChoice {
    /// All of them.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    all: bool,
    /// These ones; at most 1,000.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    ids: Vec<Uuid>,
    /// Refused for this reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// Of this event.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<String>,
    /// Of this user.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    /// Of this device.
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    /// Whose text as it was sent holds this.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// Received at or after this: RFC 3339 with an offset, milliseconds since 1970, or a date.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    /// Received before this; before now, if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
}

impl ReplayChoice {
    fn filter(&self) -> Result<DeadLetterFilter, Problem> {
        let Self { code, event, user, device, text, from, to, .. } = self;
        let [code, event, user, device, text, from, to] =
            [code, event, user, device, text, from, to].map(Clone::clone);
        let filter = Choice { code, event, user, device, text, from, to }.filter()?;
        if self.ids.len() > DEAD_LETTER_PAGE_MAX {
            return Err(invalid(format!("ids: {} are more than {DEAD_LETTER_PAGE_MAX}", self.ids.len())));
        }
        if !self.all && self.ids.is_empty() && filter == DeadLetterFilter::default() {
            return Err(invalid("say what to replay: a code, ids, a range of time …, or \"all\": true"));
        }
        Ok(DeadLetterFilter { ids: self.ids.clone(), ..filter })
    }
}

/// A replay of refused events.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReplayJobBody {
    /// Its number.
    id: i64,
    /// `running`, `finished`, `cancelled`, `interrupted` (the server ended before it did) or `failed`.
    #[schema(value_type = String)]
    state: suanpan_catalog::ReplayState,
    /// What it replays.
    #[schema(value_type = ReplayChoice)]
    filter: Box<RawValue>,
    /// Dead events it tries in all.
    total: i64,
    /// Those it has tried.
    done: i64,
    /// Accepted now. Those that are stored already, the pipeline counts as duplicates.
    accepted: i64,
    /// Refused again.
    rejected: i64,
    /// Kept in a form that can't be tried.
    unreadable: i64,
    /// Those that fit but that an earlier replay brought through: they are not tried.
    duplicate: i64,
    /// Why it failed.
    #[serde(skip_serializing_if = "String::is_empty")]
    problem: String,
    /// When it was started, or went on, in milliseconds since 1970.
    started_ms: i64,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_ms: Option<i64>,
}

impl From<ReplayJob> for ReplayJobBody {
    fn from(job: ReplayJob) -> Self {
        let ReplayJob { id, state, counts, problem, started_ms, ended_ms, filter } = job;
        Self {
            id,
            state,
            filter: RawValue::from_string(filter).expect("filters are saved as JSON"),
            total: counts.total,
            done: counts.done(),
            accepted: counts.accepted,
            rejected: counts.rejected,
            unreadable: counts.unreadable,
            duplicate: counts.duplicate,
            problem,
            started_ms,
            ended_ms,
        }
    }
}

/// Tries refused events again, with what the tracking plan and the limits say now. One replay of an
/// app runs at a time.
#[utoipa::path(post, path = "/api/apps/{app}/dead-letter/replays", tag = "dead letter", security(("admin" = [])),
    params(("app" = String, Path)), request_body = ReplayChoice,
    responses((status = 202, body = ReplayJobBody), (status = 409, description = "One is running.")))]
pub(crate) async fn start(
    State(api): State<Api>,
    Extension(replays): Extension<Replays>,
    Path(app): Path<String>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<ReplayChoice>,
) -> Reply<(StatusCode, Json<ReplayJobBody>)> {
    let app = api.access.admin_of(&headers, &app)?;
    let mut choice = body?;
    choice.filter()?;
    // What is refused from now on is not meant: a replay has an end.
    choice.to.get_or_insert_with(|| Timestamp::now().as_millisecond().to_string());
    let text = serde_json::to_string(&choice).expect("a choice is always JSON");
    let job = replays.start(&app, choice.filter()?, &text).await.map_err(catalog)?;
    Ok((StatusCode::ACCEPTED, Json(job.into())))
}

/// The replays of an app, the newest first; at most 100.
#[utoipa::path(get, path = "/api/apps/{app}/dead-letter/replays", tag = "dead letter", security(("read" = [])),
    params(("app" = String, Path)), responses((status = 200, body = Vec<ReplayJobBody>)))]
pub(crate) async fn list(
    State(api): State<Api>,
    Path(app): Path<String>,
    headers: HeaderMap,
) -> Reply<Json<Vec<ReplayJobBody>>> {
    let app = api.access.read(&headers, &app)?;
    let jobs = api.catalog().replays(&app).await.map_err(catalog)?;
    Ok(Json(jobs.into_iter().map(ReplayJobBody::from).collect()))
}

/// How far a replay is.
#[utoipa::path(get, path = "/api/apps/{app}/dead-letter/replays/{job}", tag = "dead letter", security(("read" = [])),
    params(("app" = String, Path), ("job" = i64, Path)), responses((status = 200, body = ReplayJobBody)))]
pub(crate) async fn get(
    State(api): State<Api>,
    Path((app, job)): Path<(String, String)>,
    headers: HeaderMap,
) -> Reply<Json<ReplayJobBody>> {
    let app = api.access.read(&headers, &app)?;
    Ok(Json(api.catalog().replay(&app, number(&job)?).await.map_err(catalog)?.into()))
}

/// Lets a replay that was interrupted or cancelled, or that failed, go on where it ended.
#[utoipa::path(post, path = "/api/apps/{app}/dead-letter/replays/{job}/resume", tag = "dead letter",
    security(("admin" = [])), params(("app" = String, Path), ("job" = i64, Path)),
    responses((status = 202, body = ReplayJobBody), (status = 409, description = "One is running.")))]
pub(crate) async fn resume(
    State(api): State<Api>,
    Extension(replays): Extension<Replays>,
    Path((app, job)): Path<(String, String)>,
    headers: HeaderMap,
) -> Reply<(StatusCode, Json<ReplayJobBody>)> {
    let app = api.access.admin_of(&headers, &app)?;
    let job = api.catalog().replay(&app, number(&job)?).await.map_err(catalog)?;
    let choice: ReplayChoice = serde_json::from_str(&job.filter).expect("filters are saved as JSON");
    let job = replays.resume(&app, choice.filter()?, job.id).await.map_err(catalog)?;
    Ok((StatusCode::ACCEPTED, Json(job.into())))
}

/// Ends a replay. What it has brought through stays.
#[utoipa::path(delete, path = "/api/apps/{app}/dead-letter/replays/{job}", tag = "dead letter",
    security(("admin" = [])), params(("app" = String, Path), ("job" = i64, Path)),
    responses((status = 202, body = ReplayJobBody, description = "It ends within moments.")))]
pub(crate) async fn cancel(
    State(api): State<Api>,
    Extension(replays): Extension<Replays>,
    Path((app, job)): Path<(String, String)>,
    headers: HeaderMap,
) -> Reply<(StatusCode, Json<ReplayJobBody>)> {
    let app = api.access.admin_of(&headers, &app)?;
    let job = replays.cancel(&app, number(&job)?).await.map_err(catalog)?;
    Ok((StatusCode::ACCEPTED, Json(job.into())))
}

/// A job's number; a text that is none names no job.
fn number(job: &str) -> Reply<i64> {
    job.parse().map_err(|_no_number| {
        Problem::new(StatusCode::NOT_FOUND, "not_found", format!("there is no replay {job:?}"))
    })
}
