//! From the words of a format to an HTTP response.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header, request};
use axum::response::{IntoResponse as _, Response};
use suanpan_wire::{Format, Head, Refusal, Reply};

use crate::{CloseConnection, Problem};

/// A reply as a response.
pub(crate) fn http(reply: Reply) -> Response {
    match reply {
        Reply::Http { status, media_type, body } => {
            let mut response = Response::new(Body::from(body));
            *response.status_mut() =
                StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
            // A cached pixel would swallow the next event.
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
        Reply::Reset => {
            let mut response = StatusCode::SERVICE_UNAVAILABLE.into_response();
            response.extensions_mut().insert(CloseConnection);
            response
        }
    }
}

/// A problem in the words of the client's format.
pub(crate) fn refusal(format: &dyn Format, head: &Head<'_>, problem: &Problem) -> Response {
    let refusal = Refusal {
        status: problem.status().as_u16(),
        code: problem.code(),
        detail: problem.detail(),
        retry_after_s: problem.retry_after(),
        problem_json: &problem.to_json(),
    };
    let mut response = http(format.refuse(head, &refusal));
    problem.add_headers(response.headers_mut());
    response
}

/// Events come by GET or POST.
pub(crate) fn wrong_method(parts: &request::Parts) -> Response {
    let detail = format!("{} takes GET, POST and OPTIONS", parts.uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail).into_response()
}
