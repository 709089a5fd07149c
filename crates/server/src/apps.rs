use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use suanpan_catalog::{AppChange, AppView, NewApp};
use suanpan_gateway::Problem;
use utoipa::ToSchema;

use crate::api::Api;
use crate::json::JsonBody;
use crate::path::Path;
use crate::problem::{Reply, catalog};

/// An app.
#[derive(Serialize, ToSchema)]
pub(crate) struct AppBody {
    /// 1 to 64 characters of `a-z`, `0-9`, `-` and `_`.
    id: String,
    /// What people call it.
    title: String,
    /// IANA name of the zone its days begin in.
    time_zone: String,
    /// Attributes in its tracking plan.
    attributes: usize,
}

impl From<&AppView> for AppBody {
    fn from(app: &AppView) -> Self {
        Self {
            id: app.id.to_string(),
            title: app.title.clone(),
            time_zone: app.time_zone.clone(),
            attributes: app.attributes.len(),
        }
    }
}

/// A new app.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAppBody {
    /// 1 to 64 characters of `a-z`, `0-9`, `-` and `_`; can't be changed later.
    id: String,
    /// What people call it; the id if absent.
    #[serde(default)]
    title: Option<String>,
    /// IANA name of the zone its days begin in; `UTC` if absent.
    #[serde(default)]
    time_zone: Option<String>,
}

/// A change of an app; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AppChangeBody {
    /// What people call it.
    #[serde(default)]
    title: Option<String>,
    /// IANA name of the zone its days begin in.
    #[serde(default)]
    time_zone: Option<String>,
}

/// All apps.
#[utoipa::path(get, path = "/api/apps", tag = "apps", security(("admin" = [])),
    responses((status = 200, body = Vec<AppBody>)))]
pub(crate) async fn list(State(api): State<Api>, headers: HeaderMap) -> Reply<Json<Vec<AppBody>>> {
    api.access.admin(&headers)?;
    let snapshot = api.catalog().snapshot();
    let mut apps: Vec<AppBody> = snapshot.apps().map(|app| AppBody::from(app.as_ref())).collect();
    apps.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(Json(apps))
}

/// Creates an app.
#[utoipa::path(post, path = "/api/apps", tag = "apps", security(("admin" = [])), request_body = NewAppBody,
    responses((status = 201, body = AppBody), (status = 409, description = "The id is taken.")))]
pub(crate) async fn create(
    State(api): State<Api>,
    headers: HeaderMap,
    JsonBody(new): JsonBody<NewAppBody>,
) -> Reply<(StatusCode, Json<AppBody>)> {
    api.access.admin(&headers)?;
    let new = new?;
    let id = new
        .id
        .parse()
        .map_err(|e| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", format!("id: {e}")))?;
    let title = new.title.unwrap_or_else(|| new.id.clone());
    let time_zone = new.time_zone.unwrap_or_else(|| "UTC".to_owned());
    let app = api.catalog().create_app(NewApp { id, title, time_zone }).await.map_err(catalog)?;
    Ok((StatusCode::CREATED, Json(api.app_body(&app.id)?)))
}

/// One app.
#[utoipa::path(get, path = "/api/apps/{app}", tag = "apps", security(("read" = [])),
    params(("app" = String, Path)), responses((status = 200, body = AppBody)))]
pub(crate) async fn get(
    State(api): State<Api>,
    Path(app): Path<String>,
    headers: HeaderMap,
) -> Reply<Json<AppBody>> {
    let app = api.access.read(&headers, &app)?;
    Ok(Json(api.app_body(&app)?))
}

/// Changes an app's title or time zone.
#[utoipa::path(patch, path = "/api/apps/{app}", tag = "apps", security(("admin" = [])),
    params(("app" = String, Path)), request_body = AppChangeBody, responses((status = 200, body = AppBody)))]
pub(crate) async fn change(
    State(api): State<Api>,
    Path(app): Path<String>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<AppChangeBody>,
) -> Reply<Json<AppBody>> {
    let app = api.access.admin_of(&headers, &app)?;
    let body = body?;
    let change = AppChange { title: body.title, time_zone: body.time_zone };
    api.catalog().update_app(&app, change).await.map_err(catalog)?;
    Ok(Json(api.app_body(&app)?))
}

/// Deletes an app: its keys stop working at once. Its events stay, and it can be restored.
#[utoipa::path(delete, path = "/api/apps/{app}", tag = "apps", security(("admin" = [])),
    params(("app" = String, Path)), responses((status = 204)))]
pub(crate) async fn delete(
    State(api): State<Api>,
    Path(app): Path<String>,
    headers: HeaderMap,
) -> Reply<StatusCode> {
    let app = api.access.admin_of(&headers, &app)?;
    api.catalog().delete_app(&app).await.map_err(catalog)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Restores a deleted app.
#[utoipa::path(post, path = "/api/apps/{app}/restore", tag = "apps", security(("admin" = [])),
    params(("app" = String, Path)), responses((status = 200, body = AppBody)))]
pub(crate) async fn restore(
    State(api): State<Api>,
    Path(app): Path<String>,
    headers: HeaderMap,
) -> Reply<Json<AppBody>> {
    let app = api.access.admin_of(&headers, &app)?;
    api.catalog().restore_app(&app).await.map_err(catalog)?;
    Ok(Json(api.app_body(&app)?))
}
