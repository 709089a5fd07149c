use std::io::Read as _;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use crate::{GatewayLimits, Problem};

/// Longest time that a refused body is read on for.
const DRAIN_MS: u64 = 1_000;

/// Refuses by the head alone what can't be read; says whether the body is gzipped.
pub(crate) fn check_head(headers: &HeaderMap, limits: &GatewayLimits) -> Result<bool, Problem> {
    check_content_type(headers)?;
    let gzipped = is_gzipped(headers)?;
    if announced_length(headers).is_some_and(|length| length > limits.body_bytes_max as u64) {
        return Err(too_large("gateway.body_bytes_max", limits.body_bytes_max));
    }
    Ok(gzipped)
}

/// Reads on in a body that was refused, within bounds: a client that writes all of its request
/// before it reads would otherwise see a broken connection instead of the answer.
pub(crate) async fn drain(body: &mut Body, limits: &GatewayLimits) {
    let rest = async {
        let mut left = limits.body_bytes_max.saturating_mul(8);
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                break;
            }
        }
    };
    // Whoever is slower than that gets the answer or not, as the network has it.
    let _in_time = tokio::time::timeout(Duration::from_millis(DRAIN_MS), rest).await;
}

/// The length that the client announced, which bounds what the request may hold.
pub(crate) fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn is_gzipped(headers: &HeaderMap) -> Result<bool, Problem> {
    match headers.get(header::CONTENT_ENCODING).map(|v| v.as_bytes().to_ascii_lowercase()).as_deref() {
        None | Some(b"" | b"identity") => Ok(false),
        Some(b"gzip" | b"x-gzip") => Ok(true),
        Some(other) => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "content_encoding",
            format!("Content-Encoding {:?}; this server unpacks gzip", String::from_utf8_lossy(other)),
        )),
    }
}

fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    let media_type = given.split(';').next().unwrap_or("").trim();
    if media_type.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let detail = format!("Content-Type {given:?}; send application/json");
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type", detail))
}

/// Reads the body as it comes over the wire.
pub(crate) async fn collect(body: &mut Body, limits: &GatewayLimits) -> Result<Bytes, Problem> {
    let reading = Limited::new(body, limits.body_bytes_max).collect();
    match tokio::time::timeout(Duration::from_millis(limits.body_timeout_ms), reading).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(e)) if e.is::<LengthLimitError>() => {
            Err(too_large("gateway.body_bytes_max", limits.body_bytes_max))
        }
        Ok(Err(e)) => {
            let detail = format!("the body ended before it was complete: {e}");
            Err(Problem::new(StatusCode::BAD_REQUEST, "body_incomplete", detail))
        }
        Err(_elapsed) => {
            let detail = format!("the body took longer than {} ms", limits.body_timeout_ms);
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", detail)
                .limit("gateway.body_timeout_ms"))
        }
    }
}

/// Unpacks at most one byte more than the limit, so that a gzip bomb costs no more than that.
pub(crate) fn unpack(packed: &[u8], limits: &GatewayLimits) -> Result<Bytes, Problem> {
    let max = limits.unpacked_bytes_max;
    let mut unpacked = Vec::with_capacity((packed.len() * 4).min(max));
    let read = MultiGzDecoder::new(packed).take(max as u64 + 1).read_to_end(&mut unpacked);
    if unpacked.len() > max {
        return Err(too_large("gateway.unpacked_bytes_max", max));
    }
    match read {
        Ok(_) => Ok(unpacked.into()),
        Err(e) => {
            let detail = format!("Content-Encoding is gzip, but the body is no complete gzip stream: {e}");
            Err(Problem::new(StatusCode::BAD_REQUEST, "gzip_invalid", detail))
        }
    }
}

fn too_large(limit: &'static str, max: usize) -> Problem {
    let detail = format!("the body is larger than {limit}, {max} bytes; send fewer events a request");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail).limit(limit)
}
