use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Serialize;
use suanpan_gateway::Problem;
use suanpan_warehouse::Warehouse;
use utoipa::ToSchema;

use crate::problem::Reply;

/// What a process needs to do all that its roles ask of it.
#[derive(Clone)]
pub(crate) struct Needs {
    /// Absent where no role speaks to it.
    pub warehouse: Option<Warehouse>,
}

/// The state of the process.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`.
    status: &'static str,
}

/// The process runs.
#[utoipa::path(get, path = "/health/live", tag = "health", responses((status = 200, body = Health)))]
pub(crate) async fn live() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// The process can do what its roles ask of it.
#[utoipa::path(get, path = "/health/ready", tag = "health",
    responses((status = 200, body = Health), (status = 503, description = "The warehouse does not answer.")))]
pub(crate) async fn ready(Extension(needs): Extension<Needs>) -> Reply<Json<Health>> {
    let Some(warehouse) = needs.warehouse else { return Ok(Json(Health { status: "ok" })) };
    match warehouse.ping().await {
        Ok(()) => Ok(Json(Health { status: "ok" })),
        Err(error) => {
            let detail = format!("the warehouse does not answer; events are accepted all the same: {error}");
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", detail).retry_after_s(1))
        }
    }
}
