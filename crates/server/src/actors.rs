use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use suanpan_accounts::PersonSummary;
use suanpan_catalog::{DeletionJob, DeletionState};
use suanpan_gateway::Problem;
use utoipa::{IntoParams, ToSchema};

use crate::api::Api;
use crate::json::JsonBody;
use crate::path::Path;
use crate::problem::{Reply, accounts, catalog};
use crate::query::{QueryOf, fields, invalid};

/// Which person.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ActorQuery {
    /// The id of a user or device.
    id: String,
    /// Whether the ids that links join to it are meant too, and those joined to these, in at most ten steps; at
    /// most 101 ids.
    #[serde(default)]
    linked: bool,
}

/// What is kept of a person.
#[derive(Serialize, ToSchema)]
pub(crate) struct ActorBody {
    /// The ids it is about: the one given first, and those linked to it if they were asked for.
    ids: Vec<String>,
    /// Devices that these events came from and that are none of the ids. What they reported before anybody was
    /// known is not counted here. At most 101.
    devices: Vec<String>,
    /// Events by name, the most frequent first; at most 1,000 names.
    events: Vec<ActorEventsBody>,
    /// Refused events that are kept.
    dead_letters: u64,
    /// Links between ids.
    links: u64,
}

/// A person's events of one name.
#[derive(Serialize, ToSchema)]
pub(crate) struct ActorEventsBody {
    /// The name.
    event: String,
    /// How many.
    events: u64,
    /// The first one's time, in milliseconds since 1970.
    first_ms: i64,
    /// The last one's.
    last_ms: i64,
}

impl From<PersonSummary> for ActorBody {
    fn from(person: PersonSummary) -> Self {
        let PersonSummary { ids, devices, events, dead_letters, links } = person;
        let event = |e: suanpan_warehouse::PersonEvents| ActorEventsBody {
            event: e.event,
            events: e.events,
            first_ms: e.first_ms,
            last_ms: e.last_ms,
        };
        Self { ids, devices, events: events.into_iter().map(event).collect(), dead_letters, links }
    }
}

/// What is kept of a person: what a deletion would delete.
#[utoipa::path(get, path = "/api/apps/{app}/actors", tag = "people", security(("admin" = [])),
    params(("app" = String, Path), ActorQuery), responses((status = 200, body = ActorBody)))]
pub(crate) async fn show(
    State(api): State<Api>,
    Path(app): Path<String>,
    headers: HeaderMap,
    query: QueryOf<ActorQuery>,
) -> Reply<Json<ActorBody>> {
    let app = api.access.admin_of(&headers, &app)?;
    api.app_view(&app)?;
    let ActorQuery { id, linked } = fields(query)?;
    if id.is_empty() {
        return Err(invalid("id: an id has at least one character"));
    }
    Ok(Json(api.accounts.person(&app, &id, linked).await.map_err(accounts)?.into()))
}

/// Whose data are to be deleted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewDeletionBody {
    /// The id of a user or device.
    id: String,
    /// Further ids of the same person; at most 100.
    #[serde(default)]
    other_ids: Vec<String>,
    /// Whether the ids that links join to it now are meant too.
    #[serde(default)]
    linked: bool,
}

/// A deletion of a person's data.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeletionBody {
    /// Its number.
    id: i64,
    /// The person's id, until it has finished.
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<String>,
    /// Further ids of the same person, until it has finished.
    other_ids: Vec<String>,
    /// What is left of the id as proof: a keyed hash, in hex.
    actor_hash: String,
    /// `requested`, `running`, `finished` or `failed`.
    #[schema(value_type = String)]
    state: DeletionState,
    /// What is being done.
    step: String,
    /// Events deleted.
    events: i64,
    /// Refused events deleted.
    dead_letters: i64,
    /// Links between ids deleted.
    links: i64,
    /// Why it failed.
    #[serde(skip_serializing_if = "String::is_empty")]
    problem: String,
    /// When it was requested, in milliseconds since 1970.
    requested_ms: i64,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_ms: Option<i64>,
}

impl From<DeletionJob> for DeletionBody {
    fn from(job: DeletionJob) -> Self {
        Self {
            id: job.id,
            actor: job.actor,
            other_ids: job.other_ids,
            actor_hash: job.actor_hash,
            state: job.state,
            step: job.step,
            events: job.counts.rows,
            dead_letters: job.counts.dead_letters,
            links: job.counts.links,
            problem: job.problem,
            requested_ms: job.requested_ms,
            ended_ms: job.ended_ms,
        }
    }
}

/// Requests that a person's data be deleted: from the events, the dead letter, the links, the samples of what was
/// learnt, and the log. What is acknowledged before the deletion begins is deleted; what comes later is not.
/// The same person's deletion that has not ended is given instead of a second one.
#[utoipa::path(post, path = "/api/apps/{app}/actors/deletions", tag = "people", security(("admin" = [])),
    params(("app" = String, Path)), request_body = NewDeletionBody, responses((status = 202, body = DeletionBody)))]
pub(crate) async fn delete(
    State(api): State<Api>,
    Path(app): Path<String>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<NewDeletionBody>,
) -> Reply<(StatusCode, Json<DeletionBody>)> {
    let app = api.access.admin_of(&headers, &app)?;
    let NewDeletionBody { id, other_ids, linked } = body?;
    let job = api.accounts.request_deletion(&app, &id, (linked, other_ids)).await.map_err(accounts)?;
    Ok((StatusCode::ACCEPTED, Json(job.into())))
}

/// Of whom.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeletionsQuery {
    /// The id that a deletion was requested for; all deletions, if absent.
    #[serde(default)]
    of: Option<String>,
}

/// The deletions of an app's persons, the newest first: also those that have finished, as proof.
#[utoipa::path(get, path = "/api/apps/{app}/actors/deletions", tag = "people", security(("admin" = [])),
    params(("app" = String, Path), DeletionsQuery), responses((status = 200, body = Vec<DeletionBody>)))]
pub(crate) async fn deletions(
    State(api): State<Api>,
    Path(app): Path<String>,
    headers: HeaderMap,
    query: QueryOf<DeletionsQuery>,
) -> Reply<Json<Vec<DeletionBody>>> {
    let app = api.access.admin_of(&headers, &app)?;
    let jobs = match fields(query)?.of.filter(|of| !of.is_empty()) {
        Some(actor) => api.catalog().deletions_of(&app, &actor).await,
        None => api.catalog().deletions(&app).await,
    };
    Ok(Json(jobs.map_err(catalog)?.into_iter().map(DeletionBody::from).collect()))
}

/// How far a deletion is.
#[utoipa::path(get, path = "/api/apps/{app}/actors/deletions/{job}", tag = "people", security(("admin" = [])),
    params(("app" = String, Path), ("job" = i64, Path)), responses((status = 200, body = DeletionBody)))]
pub(crate) async fn deletion(
    State(api): State<Api>,
    Path((app, job)): Path<(String, String)>,
    headers: HeaderMap,
) -> Reply<Json<DeletionBody>> {
    let app = api.access.admin_of(&headers, &app)?;
    let number = job.parse().map_err(|_no_number| {
        Problem::new(StatusCode::NOT_FOUND, "not_found", format!("there is no deletion {job:?}"))
    })?;
    Ok(Json(api.catalog().deletion(&app, number).await.map_err(catalog)?.into()))
}

/// What would be kept.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RetentionQuery {
    /// Days that events would be kept, 1 to 36,500.
    days: u32,
}

/// What a retention would remove at once.
#[derive(Serialize, ToSchema)]
pub(crate) struct RetentionBody {
    /// Days that events are kept now; null is for ever.
    retention_days: Option<u32>,
    /// The first day that would be kept, UTC, such as `2026-03-01`.
    kept_from: String,
    /// Events that would go.
    events: u64,
    /// Days they are of.
    days: usize,
    /// The oldest of these days.
    oldest: Option<String>,
}

/// What would go at once if an app kept its events for so many days. Changes nothing.
#[utoipa::path(get, path = "/api/apps/{app}/retention", tag = "apps", security(("admin" = [])),
    params(("app" = String, Path), RetentionQuery), responses((status = 200, body = RetentionBody)))]
pub(crate) async fn retention(
    State(api): State<Api>,
    Path(app): Path<String>,
    headers: HeaderMap,
    query: QueryOf<RetentionQuery>,
) -> Reply<Json<RetentionBody>> {
    let app = api.access.admin_of(&headers, &app)?;
    let view = api.app_view(&app)?;
    let days = fields(query)?.days;
    if !(1..=36_500).contains(&days) {
        return Err(invalid("days: 1 to 36500"));
    }
    let preview = api.accounts.retention_preview(&app, days).await.map_err(accounts)?;
    Ok(Json(RetentionBody {
        retention_days: view.settings.retention_days,
        kept_from: preview.kept_from.to_string(),
        events: preview.events,
        days: preview.days,
        oldest: preview.oldest.map(|day| day.to_string()),
    }))
}
