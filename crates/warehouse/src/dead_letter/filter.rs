use suanpan_event::{AppId, report_date};
use uuid::Uuid;

use crate::lookup::Lookup;

/// Which dead events of an app are meant: those that fit all that is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadLetterFilter {
    /// Refused for this reason.
    pub code: Option<String>,
    /// Of this event.
    pub event: Option<String>,
    /// Of this user.
    pub user_id: Option<String>,
    /// Of this device.
    pub device_id: Option<String>,
    /// Whose text holds this, in any case of letters.
    pub text: Option<String>,
    /// Received at or after this, in milliseconds since 1970-01-01 UTC.
    pub from_ms: Option<i64>,
    /// Received before this.
    pub to_ms: Option<i64>,
    /// Whether a replay was tried.
    pub replayed: Option<bool>,
    /// These ones; all if empty.
    pub ids: Vec<Uuid>,
}

/// A dead event's place in the order of receipt: where a page ends, the next one begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeadLetterPlace {
    /// When it was received, in milliseconds since 1970-01-01 UTC.
    pub received_time_ms: i64,
    /// Its id.
    pub id: Uuid,
}

/// Conditions of a statement and the values in them.
pub(super) struct Conditions {
    parts: Vec<String>,
    values: Vec<(&'static str, String)>,
    is_limited: bool,
}

impl Conditions {
    pub fn new(app: &AppId, filter: &DeadLetterFilter) -> Self {
        let mut this = Self { parts: Vec::new(), values: Vec::new(), is_limited: false };
        this.text("app", "app_id = {app:String}", Some(app.as_str()));
        this.text("code", "code = {code:String}", filter.code.as_deref());
        this.text("event", "event = {event:String}", filter.event.as_deref());
        this.text("user", "user_id = {user:String}", filter.user_id.as_deref());
        this.text("device", "device_id = {device:String}", filter.device_id.as_deref());
        this.text("text", "positionCaseInsensitiveUTF8(raw, {text:String}) > 0", filter.text.as_deref());
        if let Some(from_ms) = filter.from_ms {
            this.parts.push(format!(
                "received_date >= '{}' AND toUnixTimestamp64Milli(received_time) >= {from_ms}",
                report_date(from_ms)
            ));
        }
        if let Some(to_ms) = filter.to_ms {
            this.parts.push(format!(
                "received_date <= '{}' AND toUnixTimestamp64Milli(received_time) < {to_ms}",
                report_date(to_ms)
            ));
        }
        match filter.replayed {
            Some(true) => this.parts.push("replay_outcome != ''".to_owned()),
            Some(false) => this.parts.push("replay_outcome = ''".to_owned()),
            None => {}
        }
        if !filter.ids.is_empty() {
            let ids: Vec<String> = filter.ids.iter().map(|id| format!("'{id}'")).collect();
            this.parts.push(format!("id IN ({})", ids.join(", ")));
        }
        this
    }

    /// Binds the statement to the limits of questions.
    pub fn limited(self) -> Self {
        Self { is_limited: true, ..self }
    }

    /// Adds a condition without values.
    pub fn and(&mut self, condition: impl Into<String>) {
        self.parts.push(condition.into());
    }

    fn text(&mut self, name: &'static str, condition: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.parts.push(condition.to_owned());
            self.values.push((name, value.to_owned()));
        }
    }

    /// The text behind `WHERE`.
    pub fn sql(&self) -> String {
        self.parts.join(" AND ")
    }

    /// A statement with the values of these conditions.
    pub fn lookup(&self, sql: String) -> Lookup {
        let lookup = if self.is_limited { Lookup::new(sql).limited() } else { Lookup::new(sql) };
        self.values.iter().fold(lookup, |lookup, (name, value)| lookup.text(name, value))
    }
}
