use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use crate::{GatewayLimits, Problem};

/// Longest time that a refused body is read on for.
const DRAIN_MS: u64 = 1_000;

/// Refuses by the head alone what can't be read.
pub(crate) fn check_head(headers: &HeaderMap, limits: &GatewayLimits) -> Result<(), Problem> {
    check_encoding(headers)?;
    if announced_length(headers).is_some_and(|length| length > limits.body_bytes_max as u64) {
        return Err(too_large(limits));
    }
    Ok(())
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

/// The most bytes that the body can have: what the client announced, none if it announced nothing, or
/// the limit if it sends until it ends.
pub(crate) fn most_bytes(headers: &HeaderMap, limits: &GatewayLimits) -> usize {
    let most = match announced_length(headers) {
        Some(length) => usize::try_from(length).unwrap_or(usize::MAX),
        None if headers.contains_key(header::TRANSFER_ENCODING) => usize::MAX,
        None => 0,
    };
    most.min(limits.body_bytes_max)
}

fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn check_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get(header::CONTENT_ENCODING).map(|v| v.as_bytes().to_ascii_lowercase()).as_deref() {
        None | Some(b"" | b"identity" | b"gzip" | b"x-gzip") => Ok(()),
        Some(other) => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "content_encoding",
            format!("Content-Encoding {:?}; this server unpacks gzip", String::from_utf8_lossy(other)),
        )),
    }
}

/// Reads the body as it comes over the wire.
pub(crate) async fn collect(body: &mut Body, limits: &GatewayLimits) -> Result<Bytes, Problem> {
    let reading = Limited::new(body, limits.body_bytes_max).collect();
    match tokio::time::timeout(Duration::from_millis(limits.body_timeout_ms), reading).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(e)) if e.is::<LengthLimitError>() => Err(too_large(limits)),
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

fn too_large(limits: &GatewayLimits) -> Problem {
    suanpan_wire::Unreadable::too_large("gateway.body_bytes_max", limits.body_bytes_max).into()
}
