//! Metrics of the process: the recorder, and the page that Prometheus reads.

use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};

/// Names, units and meanings, for the metrics reference.
pub const METRICS: &[(&str, &str)] = &[(
    "suanpan_server_connections_closed_for_others_total",
    "Connections closed because they waited for their client while others waited for a place.",
)];

/// Seconds, for latencies from tens of microseconds to minutes.
const SECONDS: [f64; 16] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];
/// Bytes, in powers of four.
const BYTES: [f64; 10] = [
    256.0,
    1024.0,
    4096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];

/// How many shared something, in powers of four.
const COUNTS: [f64; 9] = [1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16_384.0, 65_536.0];

/// How often samples are folded into their buckets.
const UPKEEP: Duration = Duration::from_secs(5);

/// Renders what was recorded. Cheap to clone.
#[derive(Clone)]
pub struct MetricsHandle(PrometheusHandle);

/// Installs the recorder of this process. Call once.
///
/// # Errors
/// A recorder was installed before.
pub fn install_recorder() -> Result<MetricsHandle, BuildError> {
    use metrics_exporter_prometheus::Matcher::Suffix;
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Suffix("_seconds".to_owned()), &SECONDS)?
        .set_buckets_for_metric(Suffix("_bytes".to_owned()), &BYTES)?
        .set_buckets_for_metric(Suffix("_group_records".to_owned()), &COUNTS)?
        .set_buckets_for_metric(Suffix("_group_batches".to_owned()), &COUNTS)?;
    let handle = builder.install_recorder()?;
    let upkeep = handle.clone();
    // Histograms keep every sample until somebody looks; where nobody scrapes, this thread does.
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(UPKEEP);
            upkeep.run_upkeep();
        }
    });
    Ok(MetricsHandle(handle))
}

pub(crate) async fn page(State(handle): State<MetricsHandle>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], handle.0.render()).into_response()
}
