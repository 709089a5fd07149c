//! Cross-origin rules: browsers may report from the origins that the app allows, and every answer
//! says so, errors too. Without that, a browser takes a stored event for a failed one and sends it
//! again.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use suanpan_catalog::AppSettings;

use crate::Problem;

/// Seconds a browser may remember a preflight's answer; two hours is what Chromium allows at most.
const PREFLIGHT_SECONDS: HeaderValue = HeaderValue::from_static("7200");
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, OPTIONS");
/// What clients send when they are not asked which they may.
const USUAL_HEADERS: HeaderValue = HeaderValue::from_static("authorization, content-type, content-encoding");
/// What a browser's client may read of an answer.
const EXPOSED: HeaderValue = HeaderValue::from_static("retry-after");

const PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-request-private-network");
const ALLOW_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");

/// The answer to a browser that asks whether it may report. The key, and with it the app, is not
/// known yet, so every origin may ask; whether it may report is decided at the report itself.
pub(crate) fn preflight(asked: &HeaderMap) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let answer = response.headers_mut();
    answer.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    let wanted = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.unwrap_or(USUAL_HEADERS));
    answer.insert(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS);
    if asked.contains_key(PRIVATE_NETWORK) {
        answer.insert(ALLOW_PRIVATE_NETWORK, HeaderValue::from_static("true"));
    }
    allow(asked, answer);
    response
}

/// Lets the page that asked read the answer. Beacons are sent with credentials, for which browsers
/// refuse `*`, so the origin is named; no cookie is ever looked at here.
pub(crate) fn allow(asked: &HeaderMap, answer: &mut HeaderMap) {
    let origin = asked.get(header::ORIGIN).cloned();
    if origin.is_some() {
        answer.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    let allowed = origin.unwrap_or(HeaderValue::from_static("*"));
    answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    answer.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    answer.append(header::VARY, HeaderValue::from_static("Origin"));
}

/// Refuses a page of an origin that the app does not allow. A request without `Origin` comes from a
/// server or a mini-program.
pub(crate) fn check_origin(headers: &HeaderMap, settings: &AppSettings) -> Result<(), Problem> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or("");
    if settings.allows_origin(origin) {
        return Ok(());
    }
    let detail =
        format!("pages of {origin:?} may not report to this app; its allowed_origins name those that may");
    Err(Problem::new(StatusCode::FORBIDDEN, "origin_not_allowed", detail))
}
