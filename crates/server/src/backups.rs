use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use suanpan_accounts::{Backup, BackupState};
use utoipa::ToSchema;

use crate::api::Api;
use crate::json::JsonBody;
use crate::path::Path;
use crate::problem::{Reply, accounts};

/// A backup to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewBackupBody {
    /// 1 to 64 letters, digits, `-`, `_` and `.`; the time, if absent.
    #[serde(default)]
    name: Option<String>,
}

/// A backup.
#[derive(Serialize, ToSchema)]
pub(crate) struct BackupBody {
    /// Its name.
    name: String,
    /// `running`, `finished` or `failed`.
    #[schema(value_type = String)]
    state: BackupState,
    /// Its folder on the machine of the server.
    folder: String,
    /// Why it failed.
    #[serde(skip_serializing_if = "String::is_empty")]
    problem: String,
    /// When it was begun, in milliseconds since 1970: what was acknowledged later is not in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    begun_ms: Option<i64>,
    /// When it was whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_ms: Option<i64>,
    /// Rows of events in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<u64>,
    /// Whether the catalog is in it; one in PostgreSQL is copied by `pg_dump`.
    #[serde(skip_serializing_if = "Option::is_none")]
    has_catalog: Option<bool>,
}

impl From<Backup> for BackupBody {
    fn from(backup: Backup) -> Self {
        let manifest = backup.manifest.as_ref();
        let events = |m: &suanpan_accounts::Manifest| {
            m.sizes.iter().filter(|size| size.table == "events_local").map(|size| size.rows).sum()
        };
        Self {
            begun_ms: manifest.map(|m| m.begun_ms),
            ended_ms: manifest.map(|m| m.ended_ms),
            events: manifest.map(events),
            has_catalog: manifest.map(|m| m.has_catalog),
            name: backup.name,
            state: backup.state,
            folder: backup.folder.display().to_string(),
            problem: backup.problem,
        }
    }
}

/// Begins a backup of tables and catalog, in a folder of the server's machine. Events are taken and stored
/// meanwhile.
#[utoipa::path(post, path = "/api/backups", tag = "operation", security(("admin" = [])),
    request_body = NewBackupBody, responses((status = 202, body = BackupBody),
        (status = 409, description = "The name is taken, or a backup is being made.")))]
pub(crate) async fn start(
    State(api): State<Api>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<NewBackupBody>,
) -> Reply<(StatusCode, Json<BackupBody>)> {
    api.access.admin(&headers)?;
    let backup = api.accounts.start_backup(body?.name.as_deref()).map_err(accounts)?;
    Ok((StatusCode::ACCEPTED, Json(backup.into())))
}

/// The backups in the server's folder, by name.
#[utoipa::path(get, path = "/api/backups", tag = "operation", security(("admin" = [])),
    responses((status = 200, body = Vec<BackupBody>)))]
pub(crate) async fn list(State(api): State<Api>, headers: HeaderMap) -> Reply<Json<Vec<BackupBody>>> {
    api.access.admin(&headers)?;
    let backups = api.accounts.backups().map_err(accounts)?;
    Ok(Json(backups.into_iter().map(BackupBody::from).collect()))
}

/// How far a backup is.
#[utoipa::path(get, path = "/api/backups/{name}", tag = "operation", security(("admin" = [])),
    params(("name" = String, Path)), responses((status = 200, body = BackupBody)))]
pub(crate) async fn get(
    State(api): State<Api>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Reply<Json<BackupBody>> {
    api.access.admin(&headers)?;
    Ok(Json(api.accounts.backup(&name).map_err(accounts)?.into()))
}
