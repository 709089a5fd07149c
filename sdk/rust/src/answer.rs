use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Longest pause that a server can ask for: more is a mistake of something in between.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// What became of one event, as the server says. Fields that it does not send are empty.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct EventResult {
    /// Kept or not.
    pub status: Status,
    /// The id it is stored under.
    #[serde(default, deserialize_with = "text")]
    pub id: String,
    /// Stable name of the reason for a refusal.
    #[serde(default, deserialize_with = "text")]
    pub code: String,
    /// The field it is about.
    #[serde(default, deserialize_with = "text")]
    pub field: String,
    /// The reason in a sentence.
    #[serde(default, deserialize_with = "text")]
    pub message: String,
    /// What the field should have been.
    #[serde(default, deserialize_with = "text")]
    pub expected: String,
    /// What it was.
    #[serde(default, deserialize_with = "text")]
    pub got: String,
    /// What to do about it.
    #[serde(default, deserialize_with = "text")]
    pub hint: String,
    /// What was odd about an accepted event.
    #[serde(default)]
    pub notes: Vec<Note>,
}

/// Kept or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// On the server's disk.
    Ok,
    /// On the server's disk, with notes.
    Warning,
    /// Its id came before.
    Duplicate,
    /// Refused; the same event would be refused again.
    Rejected,
    /// The server refused the whole request that held this event alone, with a 4xx. No server says
    /// so of an event: it is what the [`Sender`](crate::Sender) concludes.
    #[serde(skip)]
    Refused,
    /// Not kept this time: send it again. A status that this version does not know counts as this.
    #[serde(other)]
    Retry,
}

/// Something odd about an accepted event.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Note {
    /// What.
    #[serde(default, deserialize_with = "text")]
    pub code: String,
    /// Where.
    #[serde(default, deserialize_with = "text")]
    pub field: String,
    /// What was found and what was done.
    #[serde(default, deserialize_with = "text")]
    pub message: String,
    /// What the field should have been.
    #[serde(default, deserialize_with = "text")]
    pub expected: String,
    /// What it was.
    #[serde(default, deserialize_with = "text")]
    pub got: String,
    /// What to do about it.
    #[serde(default, deserialize_with = "text")]
    pub hint: String,
}

/// What one request came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// One result for each event.
    Results { results: Vec<EventResult>, asked: Option<Duration> },
    /// 413: fewer events may fit.
    TooLarge(Problem),
    /// Another 4xx: something in it is wrong.
    Refused(Problem),
    /// 401 or 403.
    KeyRefused(Problem),
    /// The status or the body is not what a gateway answers.
    NotAGateway(String),
    /// Nothing was kept, and later it may be; after the pause that was asked for.
    Later { why: String, asked: Option<Duration> },
}

/// An error of a whole request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub status: u16,
    pub code: String,
    pub detail: String,
}

#[derive(Deserialize)]
struct Report {
    results: Vec<EventResult>,
}

impl EventResult {
    /// The result of an event whose request was refused for it alone.
    pub(crate) fn refused(problem: Problem) -> Self {
        Self {
            status: Status::Refused,
            id: String::new(),
            code: problem.code,
            field: String::new(),
            message: problem.detail,
            expected: String::new(),
            got: String::new(),
            hint: String::new(),
            notes: Vec::new(),
        }
    }
}

/// Says what an answer to a request of so many events means.
pub(crate) fn judge(status: StatusCode, asked: Option<Duration>, body: &[u8], events: usize) -> Answer {
    if status.is_success() {
        return match serde_json::from_slice::<Report>(body) {
            Ok(report) if report.results.len() == events => {
                Answer::Results { results: report.results, asked }
            }
            Ok(report) => {
                Answer::NotAGateway(format!("{} results for {events} events", report.results.len()))
            }
            Err(error) => Answer::NotAGateway(format!("{status} with another body ({error})")),
        };
    }
    match status.as_u16() {
        413 => Answer::TooLarge(problem(status, body)),
        401 | 403 => Answer::KeyRefused(problem(status, body)),
        408 | 425 | 429 | 500.. => Answer::Later { why: problem(status, body).detail, asked },
        // These speak of the address, not of the events: isolating one would blame it wrongly.
        ..=399 | 404 | 405 | 407 | 410 | 421 => Answer::NotAGateway(status.to_string()),
        _ => Answer::Refused(problem(status, body)),
    }
}

/// Reads `Retry-After`: seconds, or a date. Bounded by an hour.
pub(crate) fn retry_after(value: &str) -> Option<Duration> {
    let value = value.trim();
    let seconds = value.parse::<f64>().ok().filter(|seconds| *seconds >= 0.0);
    let asked = match seconds {
        Some(seconds) => Duration::try_from_secs_f64(seconds).unwrap_or(RETRY_AFTER_MAX),
        // A date that has passed asks for no pause.
        None => httpdate::parse_http_date(value).ok()?.duration_since(SystemTime::now()).unwrap_or_default(),
    };
    Some(asked.min(RETRY_AFTER_MAX))
}

fn problem(status: StatusCode, body: &[u8]) -> Problem {
    let document: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| document[name].as_str().map(str::to_owned);
    Problem {
        status: status.as_u16(),
        code: text("code").unwrap_or_else(|| "http_error".to_owned()),
        detail: text("detail").unwrap_or_else(|| format!("the server answered {status} without saying why")),
    }
}

/// A text, whatever it is: what a later server sends here must not spoil the whole answer.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Null => String::new(),
        Value::String(text) => text,
        other => other.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_decides_what_is_done() {
        let check = |status: u16, expected: &str| {
            let answer = format!("{:?}", judge(StatusCode::from_u16(status).unwrap(), None, b"oops", 1));
            assert!(answer.starts_with(expected), "{status}: {answer}");
        };
        check(200, "NotAGateway");
        check(204, "NotAGateway");
        check(302, "NotAGateway");
        check(400, "Refused");
        check(401, "KeyRefused");
        check(403, "KeyRefused");
        check(404, "NotAGateway");
        check(408, "Later");
        check(413, "TooLarge");
        check(415, "Refused");
        check(422, "Refused");
        check(429, "Later");
        check(500, "Later");
        check(503, "Later");
        check(599, "Later");
    }

    #[test]
    fn results_are_read_whatever_stands_beside_them() {
        let body = br#"{"accepted":1,"new":{},"results":[
            {"status":"rejected","id":null,"code":"wrong_type","expected":["number",1],"got":"text","hint":"h","x":1},
            {"status":"queued"},
            {"status":"warning","id":"a","notes":[{"code":"c","field":null,"more":2}]}]}"#;
        let Answer::Results { results, .. } = judge(StatusCode::OK, None, body, 3) else { panic!() };
        assert_eq!((results[0].status, results[0].code.as_str()), (Status::Rejected, "wrong_type"));
        assert_eq!((results[0].expected.as_str(), results[0].hint.as_str()), (r#"["number",1]"#, "h"));
        assert_eq!(results[1].status, Status::Retry);
        assert_eq!((results[2].status, results[2].notes[0].code.as_str()), (Status::Warning, "c"));
        assert!(matches!(judge(StatusCode::OK, None, body, 2), Answer::NotAGateway(_)));
        assert!(matches!(judge(StatusCode::OK, None, br#"{"results":3}"#, 1), Answer::NotAGateway(_)));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let check = |value: &str, expected: Option<u64>| {
            assert_eq!(retry_after(value), expected.map(Duration::from_secs), "{value}");
        };
        check("7", Some(7));
        check(" 0 ", Some(0));
        check("99999999999999999999999", Some(3600));
        check("1e300", Some(3600));
        check("-1", None);
        check("soon", None);
        check("Sun, 06 Nov 1994 08:49:37 GMT", Some(0));
        check("Tue, 01 Jan 2999 00:00:00 GMT", Some(3600));
    }
}
