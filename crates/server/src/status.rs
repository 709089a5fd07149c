use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Serialize;
use suanpan_event::Outcome;
use suanpan_log::PartitionPosition;
use utoipa::ToSchema;

use crate::api::Api;
use crate::path::Path;
use crate::problem::{Reply, log, warehouse};

/// How far the stations are.
#[derive(Serialize, ToSchema)]
pub(crate) struct StatusBody {
    /// The program's version.
    version: &'static str,
    /// Events acknowledged since the log was made, over all partitions.
    log_end_offset: u64,
    /// Of these, events whose outcome is in the ledger.
    committed_offset: u64,
    /// Acknowledged events that can't be asked about yet.
    lag: u64,
    /// Bytes of the log on disk, where the log knows them.
    log_bytes: Option<u64>,
    /// Each partition of the log.
    partitions: Vec<PartitionBody>,
}

/// Where a partition of the log stands.
#[derive(Serialize, ToSchema)]
pub(crate) struct PartitionBody {
    /// Its number.
    partition: u32,
    /// Tells its offsets from those of a log that was there before; a text, as it has more than 53 bits.
    epoch: String,
    /// The oldest offset that is kept.
    first_offset: u64,
    /// The first offset that is not in the ledger.
    committed_offset: u64,
    /// The offset behind the last acknowledged event.
    end_offset: u64,
}

impl From<&PartitionPosition> for PartitionBody {
    fn from(position: &PartitionPosition) -> Self {
        Self {
            partition: position.partition,
            epoch: position.epoch.to_string(),
            first_offset: position.first_offset,
            committed_offset: position.committed,
            end_offset: position.end_offset,
        }
    }
}

/// What became of an app's events: received = accepted + refused, and accepted = stored + duplicate
/// + rejected + lost.
#[derive(Serialize, ToSchema)]
pub(crate) struct OutcomesBody {
    /// Sum of all outcomes: events that reached the pipeline.
    received: u64,
    /// Those of them that were accepted.
    accepted: u64,
    /// Events by outcome.
    outcomes: Vec<OutcomeBody>,
}

/// One outcome.
#[derive(Serialize, ToSchema)]
pub(crate) struct OutcomeBody {
    /// `stored`, `duplicate`, `rejected`, `refused` or `lost`.
    outcome: String,
    /// Why, where the outcome has reasons.
    code: String,
    /// Events.
    events: u64,
}

/// How far the stations are.
#[utoipa::path(get, path = "/api/status", tag = "operation", security(("admin" = [])),
    responses((status = 200, body = StatusBody)))]
pub(crate) async fn status(State(api): State<Api>, headers: HeaderMap) -> Reply<Json<StatusBody>> {
    api.access.admin(&headers)?;
    let positions = api.log.positions().await.map_err(log)?;
    let sum = |of: fn(&PartitionPosition) -> u64| positions.iter().map(of).sum();
    Ok(Json(StatusBody {
        version: env!("CARGO_PKG_VERSION"),
        log_end_offset: sum(|at| at.end_offset),
        committed_offset: sum(|at| at.committed),
        lag: sum(PartitionPosition::lag),
        log_bytes: positions.iter().map(|at| at.bytes).sum(),
        partitions: positions.iter().map(PartitionBody::from).collect(),
    }))
}

/// What became of an app's events, from the ledger.
#[utoipa::path(get, path = "/api/apps/{app}/outcomes", tag = "operation", security(("read" = [])),
    params(("app" = String, Path)), responses((status = 200, body = OutcomesBody)))]
pub(crate) async fn outcomes(
    State(api): State<Api>,
    Path(app): Path<String>,
    headers: HeaderMap,
) -> Reply<Json<OutcomesBody>> {
    let app = api.access.read(&headers, &app)?;
    api.app_view(&app)?;
    let totals = api.warehouse.outcome_totals(&app).await.map_err(|e| warehouse(&e))?;
    let outcomes: Vec<OutcomeBody> = totals
        .into_iter()
        .map(|t| OutcomeBody { outcome: t.outcome, code: t.code, events: t.events })
        .collect();
    let received: u64 = outcomes.iter().map(|o| o.events).sum();
    let refused: u64 =
        outcomes.iter().filter(|o| o.outcome == Outcome::Refused.name()).map(|o| o.events).sum();
    Ok(Json(OutcomesBody { received, accepted: received - refused, outcomes }))
}
