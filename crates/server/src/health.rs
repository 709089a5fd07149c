use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use suanpan_gateway::Problem;
use utoipa::ToSchema;

use crate::api::Api;
use crate::problem::Reply;

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

/// Events are accepted and questions can be answered.
#[utoipa::path(get, path = "/health/ready", tag = "health",
    responses((status = 200, body = Health), (status = 503, description = "The warehouse does not answer.")))]
pub(crate) async fn ready(State(api): State<Api>) -> Reply<Json<Health>> {
    match api.warehouse.ping().await {
        Ok(()) => Ok(Json(Health { status: "ok" })),
        Err(error) => {
            let detail = format!("events are accepted, but the warehouse does not answer: {error}");
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", detail).retry_after_s(1))
        }
    }
}
