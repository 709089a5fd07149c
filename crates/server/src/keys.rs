use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use suanpan_catalog::{KeyId, KeyInfo, KeyKind, NewKey};
use suanpan_gateway::Problem;
use utoipa::ToSchema;

use crate::api::Api;
use crate::json::JsonBody;
use crate::path::Path;
use crate::problem::{Reply, catalog};

/// What a key is for.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum KeyUse {
    /// Reporting events.
    Write,
    /// Asking about them.
    Read,
}

/// A key, without its text.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeyBody {
    /// Its number.
    id: u32,
    /// What it is for.
    kind: KeyUse,
    /// What people call it.
    title: String,
    /// The first characters of its text, to tell keys apart.
    first_characters: String,
    /// Whether it may report events older than `late_days_max`.
    may_report_old: bool,
    /// Events it may report a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    events_per_second: Option<u32>,
    /// When it was made, in milliseconds since 1970.
    created_ms: i64,
    /// When it was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_ms: Option<i64>,
}

impl From<KeyInfo> for KeyBody {
    fn from(key: KeyInfo) -> Self {
        Self {
            id: key.id.0,
            kind: if key.kind == KeyKind::Write { KeyUse::Write } else { KeyUse::Read },
            title: key.title,
            first_characters: key.first_characters,
            may_report_old: key.may_report_old,
            events_per_second: key.events_per_second,
            created_ms: key.created_ms,
            revoked_ms: key.revoked_ms,
        }
    }
}

/// A new key's wishes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewKeyBody {
    /// What it is for.
    kind: KeyUse,
    /// What people call it.
    #[serde(default)]
    title: String,
    /// Whether it may report events older than `late_days_max`; for imports.
    #[serde(default)]
    may_report_old: bool,
    /// Events it may report a second; no limit of its own if absent.
    #[serde(default)]
    events_per_second: Option<u32>,
}

/// A new key with its text, which is shown this once.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreatedKeyBody {
    /// The text to send. It can't be shown again.
    secret: String,
    /// The key.
    #[serde(flatten)]
    key: KeyBody,
}

/// An app's keys, revoked ones included.
#[utoipa::path(get, path = "/api/apps/{app}/keys", tag = "keys", security(("admin" = [])),
    params(("app" = String, Path)), responses((status = 200, body = Vec<KeyBody>)))]
pub(crate) async fn list(
    State(api): State<Api>,
    Path(app): Path<String>,
    headers: HeaderMap,
) -> Reply<Json<Vec<KeyBody>>> {
    let app = api.access.admin_of(&headers, &app)?;
    let keys = api.catalog().keys(&app).await.map_err(catalog)?;
    Ok(Json(keys.into_iter().map(KeyBody::from).collect()))
}

/// Makes a key. Its text is in this answer and nowhere else.
#[utoipa::path(post, path = "/api/apps/{app}/keys", tag = "keys", security(("admin" = [])),
    params(("app" = String, Path)), request_body = NewKeyBody, responses((status = 201, body = CreatedKeyBody)))]
pub(crate) async fn create(
    State(api): State<Api>,
    Path(app): Path<String>,
    headers: HeaderMap,
    JsonBody(new): JsonBody<NewKeyBody>,
) -> Reply<(StatusCode, Json<CreatedKeyBody>)> {
    let app = api.access.admin_of(&headers, &app)?;
    let new = new?;
    let kind = match new.kind {
        KeyUse::Write => KeyKind::Write,
        KeyUse::Read => KeyKind::Read,
    };
    let new = NewKey {
        kind,
        title: new.title,
        may_report_old: new.may_report_old,
        events_per_second: new.events_per_second,
    };
    let (key, secret) = api.catalog().create_key(&app, new).await.map_err(catalog)?;
    let body = CreatedKeyBody { secret: secret.expose().to_owned(), key: key.into() };
    Ok((StatusCode::CREATED, Json(body)))
}

/// Revokes a key: it stops working at once, for good.
#[utoipa::path(delete, path = "/api/apps/{app}/keys/{key}", tag = "keys", security(("admin" = [])),
    params(("app" = String, Path), ("key" = u32, Path)), responses((status = 200, body = KeyBody)))]
pub(crate) async fn revoke(
    State(api): State<Api>,
    Path((app, key)): Path<(String, String)>,
    headers: HeaderMap,
) -> Reply<Json<KeyBody>> {
    let app = api.access.admin_of(&headers, &app)?;
    let key: KeyId = key.parse().map_err(|_not_a_number| {
        Problem::new(StatusCode::NOT_FOUND, "not_found", "a key is named by its number, as the list shows it")
    })?;
    let revoked = api.catalog().revoke_key(&app, key).await.map_err(catalog)?;
    Ok(Json(revoked.into()))
}
