//! The gateway's metrics. Labels are closed sets: never an app, a person or an event's name.

use metrics::{counter, histogram};

/// Names, units and meanings, for the metrics reference.
pub const METRICS: &[(&str, &str)] = &[
    ("suanpan_gateway_requests_total", "Report requests by result code (`ok` or the problem's code)."),
    ("suanpan_gateway_events_total", "Events by result: ok, warning, duplicate, rejected."),
    ("suanpan_gateway_rejections_total", "Rejected events by code."),
    ("suanpan_gateway_warnings_total", "Warnings about accepted events by code."),
    ("suanpan_gateway_body_bytes", "Histogram: bytes of a report's body, unpacked."),
    ("suanpan_gateway_request_seconds", "Histogram: seconds from the request's head to its answer."),
];

pub(crate) fn request(code: &'static str, elapsed: std::time::Duration) {
    counter!("suanpan_gateway_requests_total", "code" => code).increment(1);
    histogram!("suanpan_gateway_request_seconds").record(elapsed.as_secs_f64());
}

pub(crate) fn body(bytes: usize) {
    // A body's size is far below 2^53.
    histogram!("suanpan_gateway_body_bytes").record(bytes as f64);
}

pub(crate) fn events(result: &'static str, count: usize) {
    if count > 0 {
        counter!("suanpan_gateway_events_total", "result" => result).increment(count as u64);
    }
}

pub(crate) fn rejection(code: &'static str) {
    counter!("suanpan_gateway_rejections_total", "code" => code).increment(1);
}

pub(crate) fn warning(code: &'static str) {
    counter!("suanpan_gateway_warnings_total", "code" => code).increment(1);
}
