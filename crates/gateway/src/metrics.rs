//! The gateway's metrics. Labels are closed sets: never an app, a person or an event's name.

use metrics::{counter, gauge, histogram};

/// Names, units and meanings, for the metrics reference.
pub const METRICS: &[(&str, &str)] = &[
    (
        "suanpan_gateway_requests_total",
        "Report requests by wire format and result code (`ok` or the problem's code).",
    ),
    ("suanpan_gateway_events_total", "Events by wire format and result: ok, warning, duplicate, rejected."),
    ("suanpan_gateway_rejections_total", "Rejected events by code."),
    ("suanpan_gateway_warnings_total", "Warnings about accepted events by code."),
    (
        "suanpan_gateway_over_quota_total",
        "Reports refused by a quota, by limit: app.events_per_second, key.events_per_second, app.events_per_day, app.events_per_month.",
    ),
    ("suanpan_gateway_live_listeners", "Gauge: who watches arriving events now."),
    ("suanpan_gateway_live_missed_total", "Events that a listener was too slow to see."),
    (
        "suanpan_gateway_refused_sources_forgotten_total",
        "Sources of refused requests that were forgotten because there were too many.",
    ),
    ("suanpan_gateway_body_bytes", "Histogram: bytes of a report's body, unpacked."),
    ("suanpan_gateway_request_seconds", "Histogram: seconds from the request's head to its answer."),
];

pub(crate) fn request(format: &'static str, code: &'static str, elapsed: std::time::Duration) {
    counter!("suanpan_gateway_requests_total", "format" => format, "code" => code).increment(1);
    histogram!("suanpan_gateway_request_seconds").record(elapsed.as_secs_f64());
}

pub(crate) fn body(bytes: usize) {
    // A body's size is far below 2^53.
    histogram!("suanpan_gateway_body_bytes").record(bytes as f64);
}

pub(crate) fn events(format: &'static str, result: &'static str, count: usize) {
    if count > 0 {
        counter!("suanpan_gateway_events_total", "format" => format, "result" => result)
            .increment(count as u64);
    }
}

pub(crate) fn rejection(code: &'static str) {
    counter!("suanpan_gateway_rejections_total", "code" => code).increment(1);
}

pub(crate) fn warning(code: &'static str) {
    counter!("suanpan_gateway_warnings_total", "code" => code).increment(1);
}

pub(crate) fn over_quota(limit: &'static str) {
    counter!("suanpan_gateway_over_quota_total", "limit" => limit).increment(1);
}

pub(crate) fn live_listeners(count: usize) {
    gauge!("suanpan_gateway_live_listeners").set(count as f64);
}

pub(crate) fn live_missed() {
    counter!("suanpan_gateway_live_missed_total").increment(1);
}

pub(crate) fn refused_source_forgotten() {
    counter!("suanpan_gateway_refused_sources_forgotten_total").increment(1);
}
