use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use suanpan_catalog::Catalog;
use suanpan_event::{Rejection, Warning};
use suanpan_log::{LogError, RecordBatch, SegmentLog};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use crate::admit::{Circumstances, admit, clock_correction_ms};
use crate::native::Batch;
use crate::reply::Note;
use crate::{EventResult, GatewayLimits, Problem, Report, Status, auth, body, metrics, native};

/// Milliseconds since 1970-01-01 UTC; injected, so that tests can choose the day.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The machine's clock.
pub fn system_clock() -> Clock {
    Arc::new(|| jiff::Timestamp::now().as_millisecond())
}

/// The unit in which `inflight_bytes_max` is handed out: a semaphore counts to 2^29 at least on
/// every platform, so KiB reach far enough.
const INFLIGHT_UNIT_BYTES: usize = 1024;

/// The gateway's parts. Cheap to clone.
#[derive(Clone)]
pub struct Gateway {
    catalog: Catalog,
    log: SegmentLog,
    limits: Arc<GatewayLimits>,
    clock: Clock,
    inflight: Arc<Semaphore>,
}

impl Gateway {
    /// A gateway that checks against the catalog's snapshots and appends to the log.
    pub fn new(catalog: Catalog, log: SegmentLog, limits: GatewayLimits, clock: Clock) -> Self {
        let units = (limits.inflight_bytes_max / INFLIGHT_UNIT_BYTES).clamp(1, Semaphore::MAX_PERMITS);
        Self { catalog, log, limits: Arc::new(limits), clock, inflight: Arc::new(Semaphore::new(units)) }
    }

    async fn report(&self, headers: &HeaderMap, body: &mut Body) -> Result<Report, Problem> {
        let snapshot = self.catalog.snapshot();
        let grant = auth::write_key(&snapshot, headers)?;
        let gzipped = body::check_head(headers, &self.limits)?;
        let announced = body::announced_length(headers).unwrap_or(self.limits.body_bytes_max as u64);
        let _wire =
            self.hold(usize::try_from(announced).unwrap_or(usize::MAX).min(self.limits.body_bytes_max))?;
        let packed = body::collect(body, &self.limits).await?;
        // Beside the body stand its records, which are about as large. Held only from here on, so
        // that slow uploads of small bodies don't keep others out.
        let _unpacked = self.hold(if gzipped { 2 * self.limits.unpacked_bytes_max } else { packed.len() })?;
        let body = if gzipped { body::unpack(&packed, &self.limits)? } else { packed };
        metrics::body(body.len());
        let batch = native::decode(&body, &self.limits)?;
        let received_time_ms = (self.clock)();
        let about = Circumstances {
            app_id: &grant.app_id,
            may_report_old: grant.may_report_old,
            received_time_ms,
            clock_correction_ms: clock_correction_ms(batch.sent_at_ms, received_time_ms, &self.limits.event),
            limits: &self.limits.event,
        };
        let (report, records) = admit_all(&batch, &about);
        if !records.is_empty() {
            self.log.append(records).await.map_err(log_problem)?;
        }
        count(&report);
        Ok(report)
    }

    /// Reserves memory for a request, so that many large ones at once are refused, not swapped.
    fn hold(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Problem> {
        let units = u32::try_from(bytes.div_ceil(INFLIGHT_UNIT_BYTES).max(1)).unwrap_or(u32::MAX);
        Arc::clone(&self.inflight).try_acquire_many_owned(units).map_err(|_all_taken| {
            let detail = "too many reports at once; send it again in a second";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail)
                .limit("gateway.inflight_bytes_max")
                .retry_after_s(1)
        })
    }
}

/// The reporting endpoints.
pub fn router(gateway: Gateway) -> Router {
    Router::new().route("/v1/events", post(post_events)).with_state(gateway)
}

async fn post_events(State(gateway): State<Gateway>, headers: HeaderMap, mut body: Body) -> Response {
    let started = Instant::now();
    let reported = gateway.report(&headers, &mut body).await;
    if reported.is_err() {
        body::drain(&mut body, &gateway.limits).await;
    }
    match reported {
        Ok(report) => {
            metrics::request("ok", started.elapsed());
            Json(report).into_response()
        }
        Err(problem) => {
            metrics::request(problem.code(), started.elapsed());
            problem.into_response()
        }
    }
}

fn admit_all(batch: &Batch<'_>, about: &Circumstances<'_>) -> (Report, RecordBatch) {
    let mut report = Report { results: Vec::with_capacity(batch.events.len()), ..Report::default() };
    let bytes: usize = batch.events.iter().map(|raw| raw.get().len() + 160).sum();
    let mut records = RecordBatch::with_capacity(batch.events.len(), bytes);
    let mut ids = HashSet::with_capacity(batch.events.len());
    for raw in &batch.events {
        let result = match admit(raw, about) {
            Ok((event, _)) if !ids.insert(event.event_id) => {
                report.duplicate += 1;
                plain(Status::Duplicate, event.event_id)
            }
            Ok((event, warnings)) => {
                report.accepted += 1;
                records.push_with(|buffer| event.encode_into(buffer));
                accepted(event.event_id, warnings)
            }
            Err(rejection) => {
                report.rejected += 1;
                rejected(rejection)
            }
        };
        report.results.push(result);
    }
    (report, records)
}

fn plain(status: Status, id: Uuid) -> EventResult {
    EventResult {
        status,
        id: Some(id),
        code: None,
        field: String::new(),
        message: String::new(),
        notes: Vec::new(),
    }
}

fn accepted(id: Uuid, warnings: Vec<Warning>) -> EventResult {
    let status = if warnings.is_empty() { Status::Ok } else { Status::Warning };
    let notes = warnings.into_iter().map(|w| Note { code: w.code, field: w.field, message: w.message });
    EventResult { notes: notes.collect(), ..plain(status, id) }
}

fn rejected(rejection: Rejection) -> EventResult {
    EventResult {
        status: Status::Rejected,
        id: None,
        code: Some(rejection.code),
        field: rejection.field,
        message: rejection.message,
        notes: Vec::new(),
    }
}

/// Counted only once the batch is on disk: a refused request leaves no trace but its own count.
fn count(report: &Report) {
    let warned = report.results.iter().filter(|r| r.status == Status::Warning).count();
    metrics::events("ok", report.accepted - warned);
    metrics::events("warning", warned);
    metrics::events("duplicate", report.duplicate);
    metrics::events("rejected", report.rejected);
    for result in &report.results {
        if let Some(code) = result.code {
            metrics::rejection(code.name());
        }
        for note in &result.notes {
            metrics::warning(note.code.name());
        }
    }
}

fn log_problem(error: LogError) -> Problem {
    let unavailable = |code, detail, seconds| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).retry_after_s(seconds)
    };
    match error {
        LogError::Overloaded { .. } => {
            unavailable("overloaded", "the log is behind; send it again in a second", 1)
                .limit("log.append_queue_bytes_max")
        }
        LogError::Full { .. } | LogError::DiskFull { .. } => {
            tracing::error!(%error, "the log takes no more events");
            unavailable("log_full", "the server's disk is full; nothing of this request was kept", 30)
        }
        // Sending it again would not help: the log's limits are set below the gateway's.
        LogError::RecordTooLarge { .. } => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", error.to_string())
                .limit("gateway.event_bytes_max")
        }
        LogError::BatchTooLarge { option, .. } => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", error.to_string())
                .limit(format!("log.{option}"))
        }
        _ => {
            tracing::error!(%error, "the log refused an append");
            let detail = "the server can't write to its log; nothing of this request was kept";
            unavailable("log_unavailable", detail, 10)
        }
    }
}
