use serde::Serialize;

/// Why a line of the file did not become an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// Stable name of the reason: the gateway's, or one of `csv_width`, `csv_quote`, `not_utf8`,
    /// `line_too_long`, `malformed`, `time_missing`, `time_invalid` and `wrong_type`.
    pub code: String,
    /// The column, or the gateway's field, if it is about one.
    pub field: String,
    /// The reason in a sentence.
    pub message: String,
}

impl BadLine {
    /// A bad line.
    pub fn new(code: &str, field: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), field: field.to_owned(), message: message.into() }
    }
}

/// A bad line as the rejects file shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reject {
    /// Its number, from 1.
    pub line: u64,
    /// Stable name of the reason.
    pub code: String,
    /// The column or field.
    pub field: String,
    /// The reason in a sentence.
    pub message: String,
    /// The line as it stands in the file.
    pub text: String,
}

impl Reject {
    /// A bad line with what it says; bytes that are not UTF-8 are shown as U+FFFD.
    pub fn new(line: u64, bad: BadLine, text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text).into_owned();
        Self { line, code: bad.code, field: bad.field, message: bad.message, text }
    }
}
