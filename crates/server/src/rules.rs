use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use suanpan_answers::Answers;
use suanpan_catalog::{NewRule, StoredRule};
use suanpan_rules::{Rule, parse_within};
use utoipa::ToSchema;

use crate::api::Api;
use crate::json::JsonBody;
use crate::path::Path;
use crate::problem::{Reply, ask, catalog, rule};

/// A saved rule.
#[derive(Serialize, ToSchema)]
pub(crate) struct RuleBody {
    /// Its name within the app.
    name: String,
    /// What people call it.
    title: String,
    /// Grows with every change of the rule.
    version: u32,
    /// When this version was saved, in milliseconds since 1970.
    created_ms: i64,
    /// The rule, see `/api/rule.schema.json`.
    #[schema(value_type = Object)]
    rule: Box<RawValue>,
}

impl From<StoredRule> for RuleBody {
    fn from(stored: StoredRule) -> Self {
        Self {
            name: stored.name,
            title: stored.title,
            version: stored.version,
            created_ms: stored.created_ms,
            rule: RawValue::from_string(stored.body).expect("only rules that parse are saved"),
        }
    }
}

/// A rule to save.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SaveRule {
    /// What people call it.
    #[serde(default)]
    title: String,
    /// The rule, see `/api/rule.schema.json`.
    #[schema(value_type = Object)]
    rule: Box<RawValue>,
}

/// The newest version of each rule.
#[utoipa::path(get, path = "/api/apps/{app}/rules", tag = "rules", security(("read" = [])),
    params(("app" = String, Path)), responses((status = 200, body = Vec<RuleBody>)))]
pub(crate) async fn list(
    State(api): State<Api>,
    Path(app): Path<String>,
    headers: HeaderMap,
) -> Reply<Json<Vec<RuleBody>>> {
    let app = api.access.read(&headers, &app)?;
    let rules = api.catalog().rules(&app).await.map_err(catalog)?;
    Ok(Json(rules.into_iter().map(RuleBody::from).collect()))
}

/// Saves a rule after checking it against the tracking plan; a changed rule is a new version.
#[utoipa::path(put, path = "/api/apps/{app}/rules/{name}", tag = "rules", security(("admin" = [])),
    params(("app" = String, Path), ("name" = String, Path)), request_body = SaveRule,
    responses((status = 200, body = RuleBody), (status = 422, description = "The rule is wrong; `errors` says where.")))]
pub(crate) async fn save(
    State(api): State<Api>,
    Path((app, name)): Path<(String, String)>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<SaveRule>,
) -> Reply<Json<RuleBody>> {
    let app = api.access.admin_of(&headers, &app)?;
    let body = body?;
    let parsed = parse(&api.answers, body.rule.get())?;
    api.answers.check(&app, &parsed).map_err(ask)?;
    let new = NewRule { name, title: body.title, body: body.rule.get().to_owned() };
    let stored = api.catalog().save_rule(&app, new).await.map_err(catalog)?;
    Ok(Json(stored.into()))
}

/// The newest version of a rule.
#[utoipa::path(get, path = "/api/apps/{app}/rules/{name}", tag = "rules", security(("read" = [])),
    params(("app" = String, Path), ("name" = String, Path)), responses((status = 200, body = RuleBody)))]
pub(crate) async fn get(
    State(api): State<Api>,
    Path((app, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Reply<Json<RuleBody>> {
    let app = api.access.read(&headers, &app)?;
    let stored = api.catalog().rule(&app, &name, None).await.map_err(catalog)?;
    Ok(Json(stored.into()))
}

/// All versions of a rule.
#[utoipa::path(get, path = "/api/apps/{app}/rules/{name}/versions", tag = "rules", security(("read" = [])),
    params(("app" = String, Path), ("name" = String, Path)), responses((status = 200, body = Vec<RuleBody>)))]
pub(crate) async fn versions(
    State(api): State<Api>,
    Path((app, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Reply<Json<Vec<RuleBody>>> {
    let app = api.access.read(&headers, &app)?;
    let versions = api.catalog().rule_versions(&app, &name).await.map_err(catalog)?;
    Ok(Json(versions.into_iter().map(RuleBody::from).collect()))
}

/// Deletes a rule; it can be restored.
#[utoipa::path(delete, path = "/api/apps/{app}/rules/{name}", tag = "rules", security(("admin" = [])),
    params(("app" = String, Path), ("name" = String, Path)), responses((status = 204)))]
pub(crate) async fn delete(
    State(api): State<Api>,
    Path((app, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Reply<StatusCode> {
    let app = api.access.admin_of(&headers, &app)?;
    api.catalog().delete_rule(&app, &name).await.map_err(catalog)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Restores a deleted rule.
#[utoipa::path(post, path = "/api/apps/{app}/rules/{name}/restore", tag = "rules", security(("admin" = [])),
    params(("app" = String, Path), ("name" = String, Path)), responses((status = 200, body = RuleBody)))]
pub(crate) async fn restore(
    State(api): State<Api>,
    Path((app, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Reply<Json<RuleBody>> {
    let app = api.access.admin_of(&headers, &app)?;
    let stored = api.catalog().restore_rule(&app, &name).await.map_err(catalog)?;
    Ok(Json(stored.into()))
}

/// Reads a rule's text within the limits.
pub(crate) fn parse(answers: &Answers, text: &str) -> Reply<Rule> {
    parse_within(text, answers.rule_limits()).map_err(|errors| rule(&errors))
}
