use std::borrow::Cow;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use suanpan_catalog::PlanDefinition;
use suanpan_event::{EventLimits, PlanCheck, PlanMode, Rejection, Warning, WarningCode, properties};
use suanpan_gateway::Problem;
use utoipa::{IntoParams, ToSchema};

use crate::api::Api;
use crate::json::JsonBody;
use crate::path::Path;
use crate::plan_body::{EventBody, EventDefinition, PlanBody, PlanChangesBody};
use crate::problem::{Reply, catalog};
use crate::query::{QueryOf, fields};
use crate::words::Mode;
use crate::{plan_csv, plan_text};

/// The tracking plan.
#[utoipa::path(get, path = "/api/apps/{app}/plan", tag = "plan", security(("read" = [])),
    params(("app" = String, Path)), responses((status = 200, body = PlanBody)))]
pub(crate) async fn get(
    State(api): State<Api>,
    Path(app): Path<String>,
    headers: HeaderMap,
) -> Reply<Json<PlanBody>> {
    Ok(Json(plan_of(&api, &headers, &app)?))
}

/// The tracking plan as a file, which an import takes as it is.
#[utoipa::path(get, path = "/api/apps/{app}/plan.json", tag = "plan", security(("read" = [])),
    params(("app" = String, Path)), responses((status = 200, body = PlanBody)))]
pub(crate) async fn export_json(
    State(api): State<Api>,
    Path(app): Path<String>,
    headers: HeaderMap,
) -> Reply<impl IntoResponse> {
    let plan = plan_of(&api, &headers, &app)?;
    let mut text = serde_json::to_string_pretty(&plan).expect("a plan is JSON");
    text.push('\n');
    Ok(file("application/json", "plan.json", text))
}

/// The tracking plan as a table, which an import takes as it is.
#[utoipa::path(get, path = "/api/apps/{app}/plan.csv", tag = "plan", security(("read" = [])),
    params(("app" = String, Path)),
    responses((status = 200, body = String, content_type = "text/csv", description = "A header and a row for each \
        attribute, event, and attribute of an event.")))]
pub(crate) async fn export_csv(
    State(api): State<Api>,
    Path(app): Path<String>,
    headers: HeaderMap,
) -> Reply<impl IntoResponse> {
    let plan = plan_of(&api, &headers, &app)?;
    Ok(file("text/csv; charset=utf-8", "plan.csv", plan_csv::write(&plan)))
}

fn plan_of(api: &Api, headers: &HeaderMap, app: &str) -> Reply<PlanBody> {
    let app = api.access.read(headers, app)?;
    Ok(api.app_view(&app)?.plan_definition().into())
}

fn file(kind: &'static str, name: &'static str, text: String) -> impl IntoResponse + use<> {
    let disposition = format!("attachment; filename=\"{name}\"");
    ([(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, disposition)], text)
}

/// Whether an import is only tried.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ImportQuery {
    /// Says what would change, and changes nothing.
    #[serde(default)]
    dry_run: bool,
}

/// Puts a whole plan in place of the app's.
///
/// What is not in it goes; the mode stays if it is absent. Events that were accepted stay accepted.
#[utoipa::path(put, path = "/api/apps/{app}/plan", tag = "plan", security(("admin" = [])),
    params(("app" = String, Path)), request_body = PlanBody,
    responses((status = 200, body = PlanBody), (status = 400, description = "Not a plan; says where."),
        (status = 413, description = "Over 4 MiB."), (status = 422, description = "Names the definition and why.")))]
pub(crate) async fn put(
    State(api): State<Api>,
    Path(app): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Reply<Json<PlanBody>> {
    let app = api.access.admin_of(&headers, &app)?;
    let plan = plan_text::read(request).await?;
    api.catalog().replace_plan(&app, plan, false).await.map_err(catalog)?;
    Ok(Json(api.app_view(&app)?.plan_definition().into()))
}

/// Imports a whole plan, JSON or CSV by its `Content-Type`, and says what changed.
#[utoipa::path(post, path = "/api/apps/{app}/plan/import", tag = "plan", security(("admin" = [])),
    params(("app" = String, Path), ImportQuery),
    request_body(content((PlanBody = "application/json"), (String = "text/csv"))),
    responses((status = 200, body = PlanChangesBody), (status = 400, description = "Not a plan; says where."),
        (status = 413, description = "Over 4 MiB."), (status = 415, description = "Neither JSON nor CSV."),
        (status = 422, description = "Names the definition and why.")))]
pub(crate) async fn import(
    State(api): State<Api>,
    Path(app): Path<String>,
    headers: HeaderMap,
    query: QueryOf<ImportQuery>,
    request: Request,
) -> Reply<Json<PlanChangesBody>> {
    let app = api.access.admin_of(&headers, &app)?;
    let ImportQuery { dry_run } = fields(query)?;
    let plan: PlanDefinition = plan_text::read(request).await?;
    let changes = api.catalog().replace_plan(&app, plan, dry_run).await.map_err(catalog)?;
    Ok(Json(PlanChangesBody::new(changes, dry_run)))
}

/// A change of the plan as a whole.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlanModeBody {
    /// What it does from now on with events that don't fit.
    mode: Mode,
}

/// Changes what the plan does with events that don't fit it.
#[utoipa::path(patch, path = "/api/apps/{app}/plan", tag = "plan", security(("admin" = [])),
    params(("app" = String, Path)), request_body = PlanModeBody, responses((status = 200, body = PlanBody)))]
pub(crate) async fn set_mode(
    State(api): State<Api>,
    Path(app): Path<String>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<PlanModeBody>,
) -> Reply<Json<PlanBody>> {
    let app = api.access.admin_of(&headers, &app)?;
    let mode = body?.mode.into();
    api.catalog().set_plan_mode(&app, mode).await.map_err(catalog)?;
    Ok(Json(api.app_view(&app)?.plan_definition().into()))
}

/// Defines an event of the plan, or changes all that is said of it.
#[utoipa::path(put, path = "/api/apps/{app}/plan/events/{event}", tag = "plan", security(("admin" = [])),
    params(("app" = String, Path), ("event" = String, Path)), request_body = EventDefinition,
    responses((status = 200, body = EventBody), (status = 422, description = "Names the field and why.")))]
pub(crate) async fn define_event(
    State(api): State<Api>,
    Path((app, event)): Path<(String, String)>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<EventDefinition>,
) -> Reply<Json<EventBody>> {
    let app = api.access.admin_of(&headers, &app)?;
    let event = api.catalog().define_event(&app, body?.named(event)).await.map_err(catalog)?;
    Ok(Json(event.into()))
}

/// Removes an event from the plan. Events that were reported stay.
#[utoipa::path(delete, path = "/api/apps/{app}/plan/events/{event}", tag = "plan", security(("admin" = [])),
    params(("app" = String, Path), ("event" = String, Path)), responses((status = 204)))]
pub(crate) async fn remove_event(
    State(api): State<Api>,
    Path((app, event)): Path<(String, String)>,
    headers: HeaderMap,
) -> Reply<StatusCode> {
    let app = api.access.admin_of(&headers, &app)?;
    api.catalog().remove_event(&app, &event).await.map_err(catalog)?;
    Ok(StatusCode::NO_CONTENT)
}

/// An event to be tried.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TriedEvent {
    /// Its name.
    event: String,
    /// Its properties, an object.
    #[serde(default)]
    #[schema(value_type = Object)]
    properties: Option<Box<RawValue>>,
}

/// How a tried event fares.
#[derive(Serialize, ToSchema)]
pub(crate) struct PlanCheckBody {
    /// What the plan does with events that don't fit.
    mode: Mode,
    /// What a report of it would be answered: `ok`, `warning` or `rejected`.
    outcome: &'static str,
    /// Everything that does not fit, whatever the mode; at most 100 findings.
    findings: Vec<FindingBody>,
    /// Why it would be rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    rejection: Option<FindingBody>,
    /// What would be stored of its properties.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    properties: Option<Box<RawValue>>,
}

/// One thing that does not fit.
#[derive(Serialize, ToSchema)]
pub(crate) struct FindingBody {
    /// What; a stable name.
    code: &'static str,
    /// Where.
    field: String,
    /// What was found, in a sentence.
    message: String,
    /// What should have been there.
    #[serde(skip_serializing_if = "str::is_empty")]
    expected: Cow<'static, str>,
    /// What is there.
    #[serde(skip_serializing_if = "String::is_empty")]
    got: String,
    /// What can be done about it.
    hint: &'static str,
}

impl From<Warning> for FindingBody {
    fn from(w: Warning) -> Self {
        let (code, hint) = (w.code.name(), w.code.hint());
        Self { code, field: w.field, message: w.message, expected: w.expected, got: w.got, hint }
    }
}

impl From<Rejection> for FindingBody {
    fn from(r: Rejection) -> Self {
        let (code, hint) = (r.code.name(), r.code.hint());
        Self { code, field: r.field, message: r.message, expected: r.expected, got: r.got, hint }
    }
}

/// Whether a report's answer would have this warning.
fn is_told(mode: PlanMode, finding: &Warning) -> bool {
    mode != PlanMode::Observe && finding.code != WarningCode::PersonalData
}

/// Tries an event against the plan. Nothing is stored.
///
/// Its properties are checked as those of a reported event, with the default limits.
#[utoipa::path(post, path = "/api/apps/{app}/plan/check", tag = "plan", security(("read" = [])),
    params(("app" = String, Path)), request_body = TriedEvent, responses((status = 200, body = PlanCheckBody)))]
pub(crate) async fn check(
    State(api): State<Api>,
    Path(app): Path<String>,
    headers: HeaderMap,
    JsonBody(tried): JsonBody<TriedEvent>,
) -> Reply<Json<PlanCheckBody>> {
    let app = api.access.read(&headers, &app)?;
    let tried = tried?;
    let plan = api.app_view(&app)?.plan.clone();
    let raw = tried.properties.as_deref().map_or("{}", RawValue::get);
    let mut mended = Vec::new();
    let checked = match properties::admit(raw, &EventLimits::default(), &mut mended) {
        Ok(admitted) => plan.check(&tried.event, &admitted),
        Err(rejection) => PlanCheck { findings: Vec::new(), rejection: Some(rejection), properties: None },
    };
    let mode = plan.mode();
    let is_told = !mended.is_empty() || checked.findings.iter().any(|finding| is_told(mode, finding));
    let stored = checked.properties.map(RawValue::from_string).transpose();
    Ok(Json(PlanCheckBody {
        mode: mode.into(),
        outcome: match &checked.rejection {
            Some(_) => "rejected",
            None if is_told => "warning",
            None => "ok",
        },
        findings: mended.into_iter().chain(checked.findings).map(FindingBody::from).collect(),
        rejection: checked.rejection.map(FindingBody::from),
        properties: stored.map_err(|_not_json| {
            Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "the plan made no JSON of the properties",
            )
        })?,
    }))
}
