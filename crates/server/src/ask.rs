use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use suanpan_answers::{Answered, Explained};

use crate::api::Asking;
use crate::json::TextBody;
use crate::path::Path;
use crate::problem::{Reply, ask as problem, catalog};
use crate::rules::parse;

/// Answers a rule given in the body.
#[utoipa::path(post, path = "/api/apps/{app}/ask", tag = "ask", security(("read" = [])),
    params(("app" = String, Path)),
    request_body(content = Object, content_type = "application/json", description = "A rule, see /api/rule.schema.json."),
    responses((status = 200, body = Object, description = "Series and totals, how fresh they are, and whether they came from the cache."),
        (status = 422, description = "The rule is wrong (`rule_invalid`; `errors` says where), or a limit was hit (`query_limit`)."),
        (status = 503, description = "Too many questions wait, or the warehouse does not answer.")))]
pub(crate) async fn ask(
    State(asking): State<Asking>,
    Path(app): Path<String>,
    headers: HeaderMap,
    TextBody(rule): TextBody,
) -> Reply<Json<Answered>> {
    let app = asking.access.read(&headers, &app)?;
    let rule = rule?;
    let rule = parse(&asking.answers, &rule)?;
    Ok(Json(asking.answers.ask(&app, &rule).await.map_err(problem)?))
}

/// Says how a rule would be answered: plan, SQL, typed columns used, rows to read.
#[utoipa::path(post, path = "/api/apps/{app}/explain", tag = "ask", security(("read" = [])),
    params(("app" = String, Path)),
    request_body(content = Object, content_type = "application/json", description = "A rule, see /api/rule.schema.json."),
    responses((status = 200, body = Object, description = "Plan, statements with parameters, slots, rows to read.")))]
pub(crate) async fn explain(
    State(asking): State<Asking>,
    Path(app): Path<String>,
    headers: HeaderMap,
    TextBody(rule): TextBody,
) -> Reply<Json<Explained>> {
    let app = asking.access.read(&headers, &app)?;
    let rule = rule?;
    let rule = parse(&asking.answers, &rule)?;
    Ok(Json(asking.answers.explain(&app, &rule).await.map_err(problem)?))
}

/// Answers the newest version of a saved rule.
#[utoipa::path(get, path = "/api/apps/{app}/rules/{name}/answer", tag = "ask", security(("read" = [])),
    params(("app" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = Object, description = "As of /ask.")))]
pub(crate) async fn answer(
    State(asking): State<Asking>,
    Path((app, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Reply<Json<Answered>> {
    let app = asking.access.read(&headers, &app)?;
    let stored = asking.access.catalog.rule(&app, &name, None).await.map_err(catalog)?;
    let rule = parse(&asking.answers, &stored.body)?;
    Ok(Json(asking.answers.ask(&app, &rule).await.map_err(problem)?))
}
