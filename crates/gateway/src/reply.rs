use serde::Serialize;
use suanpan_event::{RejectionCode, WarningCode};
use uuid::Uuid;

/// The answer to a report: one result for each event, in the order they were sent.
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
    /// What was odd about an accepted event.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
}

/// One oddity of an accepted event.
#[derive(Debug, Serialize)]
pub struct Note {
    /// What.
    pub code: WarningCode,
    /// Where.
    pub field: String,
    /// What was found and what was done.
    pub message: String,
}
