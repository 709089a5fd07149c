//! The body of a whole tracking plan, larger than other bodies, in one of two forms.

use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use suanpan_catalog::PlanDefinition;
use suanpan_gateway::Problem;

use crate::plan_body::PlanBody;
use crate::plan_csv;

/// Bytes of a tracking plan. Read only after it is known who sends it.
const PLAN_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Time a client may take to send one.
const PLAN_TIMEOUT: Duration = Duration::from_secs(30);

/// Reads a plan from a request's body: JSON, or CSV if its `Content-Type` says so.
pub(crate) async fn read(request: Request) -> Result<PlanDefinition, Problem> {
    let kind =
        request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_csv = match kind.as_str() {
        "text/csv" | "application/csv" => true,
        "" | "application/json" | "text/json" => false,
        other => {
            let detail = format!("Content-Type {other:?}; a plan is application/json or text/csv");
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type", detail));
        }
    };
    let reading = to_bytes(request.into_body(), PLAN_BYTES_MAX);
    let Ok(body) = tokio::time::timeout(PLAN_TIMEOUT, reading).await else {
        let detail = format!("the body took longer than {} s", PLAN_TIMEOUT.as_secs());
        return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", detail));
    };
    let body = body.map_err(|error| {
        tracing::debug!(%error, "a plan's body could not be read");
        let detail =
            format!("the body broke off, or has more than {PLAN_BYTES_MAX} bytes, the limit of a plan");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail).limit("plan_bytes_max")
    })?;
    let text = std::str::from_utf8(&body).map_err(|error| {
        let detail =
            format!("the body is not UTF-8: the first wrong byte is at offset {}", error.valid_up_to());
        Problem::new(StatusCode::BAD_REQUEST, "body_unreadable", detail)
    })?;
    if is_csv { from_csv(text) } else { from_json(text) }
}

fn from_json(text: &str) -> Result<PlanDefinition, Problem> {
    let plan: PlanBody = serde_json::from_str(text).map_err(|error| {
        let detail = format!("the body is not the tracking plan expected: {error}");
        Problem::new(StatusCode::BAD_REQUEST, "malformed_json", detail)
    })?;
    Ok(plan.into())
}

fn from_csv(text: &str) -> Result<PlanDefinition, Problem> {
    let plan = plan_csv::read(text)
        .map_err(|fault| Problem::new(StatusCode::BAD_REQUEST, "malformed_csv", fault.to_string()))?;
    Ok(plan.into())
}
