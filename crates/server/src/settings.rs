use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use suanpan_catalog::{AppSettings, SettingsChange};
use utoipa::ToSchema;

use crate::api::Api;
use crate::json::{JsonBody, given};
use crate::path::Path;
use crate::problem::{Reply, catalog};
use crate::words::Addresses;

/// What an app chooses about the events it reports.
#[derive(Serialize, ToSchema)]
pub(crate) struct SettingsBody {
    /// What becomes of the addresses that events come from.
    ip: Addresses,
    /// Web pages that may report: `*` for all, origins such as `https://shop.example`, and
    /// `https://*.example` for every host below one.
    allowed_origins: Vec<String>,
    /// Events a second over all keys; null is no limit.
    events_per_second: Option<u32>,
    /// Events a day; null is no limit.
    events_per_day: Option<u64>,
    /// Events a month; null is no limit.
    events_per_month: Option<u64>,
    /// Days that events are kept; null is for ever.
    retention_days: Option<u32>,
}

impl From<&AppSettings> for SettingsBody {
    fn from(settings: &AppSettings) -> Self {
        Self {
            ip: settings.ip.into(),
            allowed_origins: settings.allowed_origins.clone(),
            events_per_second: settings.events_per_second,
            events_per_day: settings.events_per_day,
            events_per_month: settings.events_per_month,
            retention_days: settings.retention_days,
        }
    }
}

/// A change of settings; what is absent stays, and null lifts a limit.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SettingsChangeBody {
    /// What becomes of the addresses that events come from.
    #[serde(default)]
    ip: Option<Addresses>,
    /// Web pages that may report; an empty list is none.
    #[serde(default)]
    allowed_origins: Option<Vec<String>>,
    /// Events a second over all keys.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>)]
    events_per_second: Option<Option<u32>>,
    /// Events a day.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u64>)]
    events_per_day: Option<Option<u64>>,
    /// Events a month.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u64>)]
    events_per_month: Option<Option<u64>>,
    /// Days that events are kept.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>)]
    retention_days: Option<Option<u32>>,
}

/// An app's settings.
#[utoipa::path(get, path = "/api/apps/{app}/settings", tag = "apps", security(("read" = [])),
    params(("app" = String, Path)), responses((status = 200, body = SettingsBody)))]
pub(crate) async fn get(
    State(api): State<Api>,
    Path(app): Path<String>,
    headers: HeaderMap,
) -> Reply<Json<SettingsBody>> {
    let app = api.access.read(&headers, &app)?;
    Ok(Json(SettingsBody::from(&api.app_view(&app)?.settings)))
}

/// Changes an app's settings.
#[utoipa::path(patch, path = "/api/apps/{app}/settings", tag = "apps", security(("admin" = [])),
    params(("app" = String, Path)), request_body = SettingsChangeBody,
    responses((status = 200, body = SettingsBody), (status = 422, description = "Names the field and why.")))]
pub(crate) async fn change(
    State(api): State<Api>,
    Path(app): Path<String>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<SettingsChangeBody>,
) -> Reply<Json<SettingsBody>> {
    let app = api.access.admin_of(&headers, &app)?;
    let body = body?;
    let change = SettingsChange {
        ip: body.ip.map(Addresses::into),
        allowed_origins: body.allowed_origins,
        events_per_second: body.events_per_second,
        events_per_day: body.events_per_day,
        events_per_month: body.events_per_month,
        retention_days: body.retention_days,
    };
    let settings = api.catalog().update_settings(&app, change).await.map_err(catalog)?;
    Ok(Json(SettingsBody::from(&settings)))
}
