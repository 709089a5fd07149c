use std::borrow::Cow;

use serde::Serialize;
use suanpan_event::{Rejection, RejectionCode, Warning, WarningCode};
use uuid::Uuid;

/// What became of a request's events: one result for each, in the order they were sent.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Events on disk, with or without a warning.
    pub accepted: usize,
    /// Events that came twice in this request; counted once.
    pub duplicate: usize,
    /// Events refused.
    pub rejected: usize,
    /// One for each event.
    pub results: Vec<EventResult>,
}

/// What became of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// On disk.
    Ok,
    /// On disk; `notes` says what was odd.
    Warning,
    /// The same id came before in this request.
    Duplicate,
    /// Refused; `code`, `field` and `message` say why.
    Rejected,
}

/// The result of one event.
#[derive(Debug, Serialize)]
pub struct EventResult {
    /// What became of it.
    pub status: Status,
    /// The id it is stored under: the client's if that was a UUID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<RejectionCode>,
    /// The field the refusal is about.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
    /// The refusal in a sentence.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// What the field should have been.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub expected: Cow<'static, str>,
    /// What was found.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub got: String,
    /// What can be done about it.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub hint: &'static str,
    /// What was odd about an accepted event.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
}

/// One oddity of an accepted event.
#[derive(Debug, Clone, Serialize)]
pub struct Note {
    /// What.
    pub code: WarningCode,
    /// Where.
    pub field: String,
    /// What was found and what was done.
    pub message: String,
    /// What the field should have been.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub expected: Cow<'static, str>,
    /// What was found.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub got: String,
    /// What can be done about it.
    pub hint: &'static str,
}

impl From<Warning> for Note {
    fn from(warning: Warning) -> Self {
        let Warning { code, field, message, expected, got } = warning;
        Self { code, field, message, expected, got, hint: code.hint() }
    }
}

impl EventResult {
    fn plain(status: Status, id: Option<Uuid>) -> Self {
        Self {
            status,
            id,
            code: None,
            field: String::new(),
            message: String::new(),
            expected: "".into(),
            got: String::new(),
            hint: "",
            notes: Vec::new(),
        }
    }
}

impl Report {
    /// Room for this many results.
    pub fn with_capacity(events: usize) -> Self {
        Self { results: Vec::with_capacity(events), ..Self::default() }
    }

    /// Adds an event that is on disk once the request is answered.
    pub fn accept(&mut self, id: Uuid, warnings: Vec<Warning>) {
        self.accepted += 1;
        let status = if warnings.is_empty() { Status::Ok } else { Status::Warning };
        let notes = warnings.into_iter().map(Note::from).collect();
        self.results.push(EventResult { notes, ..EventResult::plain(status, Some(id)) });
    }

    /// Adds an event that came twice in the request.
    pub fn repeat(&mut self, id: Uuid) {
        self.duplicate += 1;
        self.results.push(EventResult::plain(Status::Duplicate, Some(id)));
    }

    /// Adds a refused event.
    pub fn reject(&mut self, rejection: Rejection) {
        self.rejected += 1;
        let Rejection { code, field, message, expected, got } = rejection;
        let plain = EventResult::plain(Status::Rejected, None);
        let hint = code.hint();
        self.results.push(EventResult { code: Some(code), field, message, expected, got, hint, ..plain });
    }
}

/// Why a request as a whole can't be read: nothing of it was kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Unreadable {
    /// The HTTP status that says so, 400 to 415.
    pub status: u16,
    /// Stable name of the error.
    pub code: &'static str,
    /// What is wrong, in a sentence.
    pub detail: String,
    /// The setting whose limit was hit.
    pub limit: Option<&'static str>,
}

impl Unreadable {
    /// A body that can't be read, status 400.
    pub fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self { status: 400, code, detail: detail.into(), limit: None }
    }

    /// A payload that is not what the format wants.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new("malformed_json", detail)
    }

    /// A body over a limit, status 413.
    pub fn too_large(limit: &'static str, max: usize) -> Self {
        let detail = format!("the body is larger than {limit}, {max} bytes; send fewer events a request");
        Self { status: 413, code: "body_too_large", detail, limit: Some(limit) }
    }

    /// More events than one request may hold, status 413.
    pub fn too_many_events(count: usize, max: usize) -> Self {
        let detail = format!("{count} events in one request; the limit events_per_request_max is {max}");
        let limit = Some("gateway.events_per_request_max");
        Self { status: 413, code: "too_many_events", detail, limit }
    }
}

/// A request of which nothing was kept, for whatever reason: what [`crate::Format::refuse`] words.
#[derive(Debug, Clone, Copy)]
pub struct Refusal<'a> {
    /// The HTTP status of the native format's answer.
    pub status: u16,
    /// Stable name of the error.
    pub code: &'a str,
    /// What happened and what to do.
    pub detail: &'a str,
    /// Seconds after which the client should come again: the server is at fault, the data is good.
    pub retry_after_s: Option<u32>,
    /// The native answer's body, `application/problem+json`.
    pub problem_json: &'a [u8],
}

impl Refusal<'_> {
    /// Whether the same request may succeed later.
    pub fn is_temporary(&self) -> bool {
        self.retry_after_s.is_some() || matches!(self.status, 408 | 429 | 500..=599)
    }

    /// The status for clients of which some forget their data on 408 or 429: 503 for whatever may
    /// succeed later.
    pub(crate) fn status_or_503(&self) -> u16 {
        if self.is_temporary() { 503 } else { self.status }
    }
}

/// An answer in the client's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// An HTTP answer.
    Http {
        /// The status.
        status: u16,
        /// `Content-Type`.
        media_type: &'static str,
        /// The body.
        body: Vec<u8>,
    },
    /// No answer: the connection is closed. For clients that take any answer at all for success.
    Reset,
}

impl Reply {
    /// A JSON answer.
    pub fn json(status: u16, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).expect("a reply is always JSON");
        Self::Http { status, media_type: "application/json", body }
    }

    /// A plain text answer.
    pub fn text(status: u16, body: &str) -> Self {
        Self::Http { status, media_type: "text/plain; charset=utf-8", body: body.into() }
    }

    /// The transparent picture of one pixel that an image beacon loads.
    pub fn pixel() -> Self {
        Self::Http { status: 200, media_type: "image/gif", body: PIXEL.to_vec() }
    }

    /// The refusal as JSON for clients that look for something in the body of an error. Each looks
    /// for a word of its own, so all are there.
    pub(crate) fn refused(status: u16, refusal: &Refusal<'_>) -> Self {
        #[derive(Serialize)]
        struct Refused<'r> {
            status: u8,
            code: &'r str,
            error: &'r str,
            message: &'r str,
            detail: &'r str,
        }
        let Refusal { code, detail, .. } = *refusal;
        Self::json(status, &Refused { status: 0, code, error: detail, message: detail, detail })
    }

    /// The refusal as the native format has it.
    pub fn problem(refusal: &Refusal<'_>) -> Self {
        let body = refusal.problem_json.to_vec();
        Self::Http { status: refusal.status, media_type: "application/problem+json", body }
    }
}

/// GIF, 1 × 1, transparent: 43 bytes.
const PIXEL: &[u8] =
    b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";
