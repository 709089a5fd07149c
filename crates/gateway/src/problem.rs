use std::borrow::Cow;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use suanpan_wire::Unreadable;

/// An error answer: RFC 9457 `application/problem+json` with a stable `code` and a sentence that
/// says what to do. Every HTTP error of Suanpan is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    #[serde(serialize_with = "as_number")]
    status: StatusCode,
    /// Stable name of the error, for programs.
    code: &'static str,
    /// What happened, and what to do about it.
    detail: String,
    /// The limit that was hit, if one was.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<Cow<'static, str>>,
    /// More about the error, as the code defines.
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<Box<serde_json::Value>>,
    #[serde(skip)]
    retry_after_s: Option<u32>,
}

fn as_number<S: serde::Serializer>(status: &StatusCode, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_u16(status.as_u16())
}

impl Problem {
    /// A problem with this status, stable code and sentence.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), limit: None, errors: None, retry_after_s: None }
    }

    /// Names the setting whose limit was hit, as the configuration calls it.
    #[must_use]
    pub fn limit(mut self, setting: impl Into<Cow<'static, str>>) -> Self {
        self.limit = Some(setting.into());
        self
    }

    /// Asks the client to come again after this many seconds.
    #[must_use]
    pub fn retry_after_s(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// Adds details for programs.
    #[must_use]
    pub fn errors(mut self, errors: serde_json::Value) -> Self {
        self.errors = Some(Box::new(errors));
        self
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The sentence.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Seconds after which the client should come again.
    pub fn retry_after(&self) -> Option<u32> {
        self.retry_after_s
    }

    /// The body of its answer.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a problem is always JSON")
    }

    /// The headers that belong to it.
    pub(crate) fn add_headers(&self, headers: &mut HeaderMap) {
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer, Basic realm=\"suanpan\""),
            );
        }
    }
}

impl From<Unreadable> for Problem {
    fn from(unreadable: Unreadable) -> Self {
        let status = StatusCode::from_u16(unreadable.status).unwrap_or(StatusCode::BAD_REQUEST);
        let problem = Self::new(status, unreadable.code, unreadable.detail);
        match unreadable.limit {
            Some(limit) => problem.limit(limit),
            None => problem,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.to_json()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        self.add_headers(headers);
        response
    }
}
