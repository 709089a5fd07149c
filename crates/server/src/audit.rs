use std::convert::Infallible;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use suanpan_accounts::{AccountsError, AuditLine, AuditRequest};
use suanpan_warehouse::{ACCOUNT_LINES_MAX, AccountInterval, AccountLine};
use tokio::sync::mpsc;
use utoipa::{IntoParams, ToSchema};

use crate::api::Api;
use crate::path::Path;
use crate::problem::{Reply, accounts};
use crate::query::{QueryOf, fields, instant, invalid};

const DAY_MS: i64 = 86_400_000;
/// Days that one audit, or one list of sums, covers at most.
const DAYS_MAX: i64 = 400;
/// Lines of an audit that wait for a slow reader.
const LINES_WAITING_MAX: usize = 64;

/// What is audited.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    /// Events received since: RFC 3339 with an offset, milliseconds since 1970, or a date, which begins in UTC; a
    /// day ago, if absent. Cut down to the minute.
    #[serde(default)]
    from: Option<String>,
    /// Events received before; now, if absent.
    #[serde(default)]
    to: Option<String>,
    /// This app alone.
    #[serde(default)]
    app: Option<String>,
    /// Whether the records that are still in the log are compared one by one; true, if absent.
    #[serde(default)]
    log: Option<bool>,
}

/// Compares log, ledger and tables, and names every difference. The answer is lines of JSON that come while it
/// is going on: `progress`, `note`, `difference`, and at the end `summary`, or `failed`.
#[utoipa::path(get, path = "/api/audit", tag = "operation", security(("admin" = [])), params(AuditQuery),
    responses((status = 200, description = "See docs/audit.md.", content_type = "application/x-ndjson", body = String)))]
pub(crate) async fn audit(
    State(api): State<Api>,
    headers: HeaderMap,
    query: QueryOf<AuditQuery>,
) -> Reply<Response> {
    api.access.admin(&headers)?;
    let AuditQuery { from, to, app, log } = fields(query)?;
    let (from_ms, to_ms) = range(from.as_deref(), to.as_deref())?;
    let app = match app.filter(|app| !app.is_empty()) {
        Some(app) => Some(app.parse().map_err(|error| invalid(format!("app: {error}")))?),
        None => None,
    };
    let request = AuditRequest { from_ms, to_ms, app, with_log: log.unwrap_or(true) };
    let (lines, told) = mpsc::channel(LINES_WAITING_MAX);
    let auditing = api.accounts.clone();
    tokio::spawn(async move {
        let last = lines.clone();
        if let Err(error) = auditing.audit(request, lines).await
            && !matches!(error, AccountsError::Unheard)
        {
            tracing::warn!(%error, "an audit was not carried to its end");
            let failed = AuditLine::Failed { message: error.to_string() };
            // Whoever asked may have gone meanwhile.
            let _gone = last.send(failed).await;
        }
    });
    let lines = stream::unfold(told, |mut told| async move {
        let line = told.recv().await?;
        let mut text = serde_json::to_vec(&line).expect("a line is always JSON");
        text.push(b'\n');
        Some((Ok::<_, Infallible>(Bytes::from(text)), told))
    });
    let mut response = Body::from_stream(lines).into_response();
    let media = (header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    // nginx would gather lines and send them by the kilobyte.
    let unbuffered = (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response.headers_mut().extend([media, unbuffered]);
    Ok(response)
}

/// What an app's accounts are summed by.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AccountsQuery {
    /// Events received since: RFC 3339 with an offset, milliseconds since 1970, or a date, which begins in UTC; a
    /// day ago, if absent. Cut down to the minute.
    #[serde(default)]
    from: Option<String>,
    /// Events received before; now, if absent.
    #[serde(default)]
    to: Option<String>,
    /// `minute`, `hour` or `day`, which begin in UTC; `hour`, if absent.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    interval: AccountInterval,
}

/// What became of an app's events. In every line received = accepted + refused, accepted = stored + duplicate +
/// rejected + lost, and present = stored − removed.
#[derive(Serialize, ToSchema)]
pub(crate) struct AccountsBody {
    /// In order of time; intervals without events are left out.
    lines: Vec<AccountBody>,
    /// Whether there are more lines than the 20,000 that are given.
    is_cut: bool,
}

/// The events received in one interval.
#[derive(Serialize, ToSchema)]
pub(crate) struct AccountBody {
    /// The interval's start, in milliseconds since 1970.
    start_ms: i64,
    /// Events that reached the pipeline.
    received: u64,
    /// Refused at the door; the reply said so.
    refused: u64,
    /// Acknowledged.
    accepted: u64,
    /// Stored, those that were removed since included.
    stored: u64,
    /// Reported before under the same id.
    duplicate: u64,
    /// Refused after they were accepted.
    rejected: u64,
    /// Damaged on disk.
    lost: u64,
    /// Of the stored ones, removed because they were older than the app keeps them.
    removed_by_retention: u64,
    /// Of the stored ones, removed with their person's data.
    removed_with_person: u64,
    /// Stored and not removed.
    present: u64,
}

impl From<AccountLine> for AccountBody {
    fn from(line: AccountLine) -> Self {
        let accepted = line.stored + line.duplicate + line.rejected + line.lost;
        let removed = line.removed_by_retention + line.removed_with_person;
        Self {
            start_ms: line.start_ms,
            received: accepted + line.refused,
            refused: line.refused,
            accepted,
            stored: line.stored,
            duplicate: line.duplicate,
            rejected: line.rejected,
            lost: line.lost,
            removed_by_retention: line.removed_by_retention,
            removed_with_person: line.removed_with_person,
            present: line.stored.saturating_sub(removed),
        }
    }
}

/// What became of an app's events, by minute, hour or day of receipt.
#[utoipa::path(get, path = "/api/apps/{app}/accounts", tag = "operation", security(("read" = [])),
    params(("app" = String, Path), AccountsQuery), responses((status = 200, body = AccountsBody)))]
pub(crate) async fn sums(
    State(api): State<Api>,
    Path(app): Path<String>,
    headers: HeaderMap,
    query: QueryOf<AccountsQuery>,
) -> Reply<Json<AccountsBody>> {
    let app = api.access.read(&headers, &app)?;
    api.app_view(&app)?;
    let AccountsQuery { from, to, interval } = fields(query)?;
    let range = range(from.as_deref(), to.as_deref())?;
    let lines = api.accounts.sums(&app, range, interval).await.map_err(accounts)?;
    let is_cut = lines.len() >= ACCOUNT_LINES_MAX;
    Ok(Json(AccountsBody { lines: lines.into_iter().map(AccountBody::from).collect(), is_cut }))
}

/// A range of receipts, not empty and not too long, from a full minute on.
fn range(from: Option<&str>, to: Option<&str>) -> Reply<(i64, i64)> {
    let to_ms = instant("to", to)?.unwrap_or_else(|| Timestamp::now().as_millisecond());
    let from_ms = instant("from", from)?.unwrap_or(to_ms - DAY_MS).div_euclid(60_000) * 60_000;
    if from_ms >= to_ms {
        return Err(invalid("from: it is not before to"));
    }
    if to_ms - from_ms > DAYS_MAX * DAY_MS {
        return Err(invalid(format!(
            "from: it is more than {DAYS_MAX} days before to; ask for less at once"
        )));
    }
    Ok((from_ms, to_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_a_beginning_an_end_and_a_bound() {
        assert_eq!(range(Some("61000"), Some("2024-01-01")).ok(), None);
        assert_eq!(
            range(Some("2024-01-01"), Some("2024-01-02")).ok(),
            Some((1_704_067_200_000, 1_704_153_600_000))
        );
        assert_eq!(range(Some("61000"), Some("90000")).ok(), Some((60_000, 90_000)));
        assert!(range(Some("2024-01-02"), Some("2024-01-02")).is_err());
        let (from, to) = range(None, None).unwrap_or_default();
        assert!((DAY_MS..DAY_MS + 60_000).contains(&(to - from)));
    }
}
