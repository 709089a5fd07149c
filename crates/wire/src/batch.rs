use std::borrow::Cow;
use std::net::IpAddr;

use serde::Serialize;
use serde_json::value::RawValue;
use suanpan_event::{AppId, Rejection, RejectionCode, Warning, derived_id, named_id};
use uuid::Uuid;

/// What a request held, in the order it was sent.
#[derive(Debug, Default)]
pub struct Batch<'a> {
    /// The write key, where the format carries it in the payload; else it is in the head.
    pub key: Option<Cow<'a, str>>,
    /// Each event, or why it is none.
    pub events: Vec<Result<Draft<'a>, Refused<'a>>>,
    /// The client's clock when it sent the request.
    pub sent_at: Option<SentAt>,
    /// The client wants to know what would become of the events; nothing is stored.
    pub is_dry_run: bool,
    /// The client is being debugged: the live view can filter by it.
    pub is_debug: bool,
    /// The client asks for the longer of its format's two answers.
    pub is_verbose: bool,
}

impl<'a> Batch<'a> {
    /// A request that is one event: its record, what it holds, and the key if the record names one.
    pub(crate) fn of_one(raw: &'a str, key: Cow<'a, str>, draft: Result<Draft<'a>, Rejection>) -> Self {
        let event = draft.map_err(|rejection| Refused::new(raw, rejection));
        Self { key: Some(key).filter(|key| !key.is_empty()), events: vec![event], ..Self::default() }
    }
}

/// A client's clock when it sent a request or a record, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SentAt {
    /// The client's clock.
    pub ms: i64,
    /// Whether each try carries its own. Where some clients of a format resend the clock of their
    /// first try, the difference to ours may be the delay of that, and only a clock that is ahead
    /// is certainly wrong.
    pub is_fresh: bool,
}

/// By what a second report of the same event is known.
#[derive(Debug, Clone, Default)]
pub enum Identifier<'a> {
    /// The client's own id. An empty one counts as none.
    Named(Cow<'a, str>),
    /// The client gives none that can be trusted: this text, the record without what changes from
    /// try to try.
    Record(Cow<'a, str>),
    /// The record as a whole, if it has a time; else nothing.
    #[default]
    Whole,
}

/// One event as a client means it, before it is checked. Texts that were not sent are empty.
#[derive(Debug, Clone)]
pub struct Draft<'a> {
    /// The record as it was sent, JSON.
    pub raw: Cow<'a, str>,
    /// By what a second report of it is known.
    pub id: Identifier<'a>,
    /// What happened.
    pub event: Cow<'a, str>,
    /// When, by the client's clock, in milliseconds since 1970.
    pub time_ms: Option<i64>,
    /// The client's clock when it sent this record; none if the request's is meant.
    pub sent_at: Option<SentAt>,
    /// The known person.
    pub user_id: Cow<'a, str>,
    /// The device or the anonymous person.
    pub device_id: Cow<'a, str>,
    /// Another id of the same person.
    pub linked_id: Cow<'a, str>,
    /// The event is about no person, for example about an item: it needs no id of one.
    pub is_about_nobody: bool,
    /// The client names no person at all: the gateway makes a device id that lasts a day, from the
    /// app, the visitor's address and `User-Agent`, and a salt that is forgotten after the day.
    pub is_anonymous_visitor: bool,
    /// The client's session.
    pub session_id: Cow<'a, str>,
    /// For example `wechat`, `ios`, `web`.
    pub platform: Cow<'a, str>,
    /// The version of the reporting app.
    pub app_version: Cow<'a, str>,
    /// The library that reports, as `name/version`.
    pub library: Cow<'a, str>,
    /// The visitor's address, where a server reports for its visitors.
    pub ip: Option<IpAddr>,
    /// The visitor's `User-Agent`, likewise.
    pub user_agent: Cow<'a, str>,
    /// The event's own fields: a JSON object.
    pub properties: Cow<'a, RawValue>,
    /// What was odd so far.
    pub warnings: Vec<Warning>,
}

/// A record that is no event.
#[derive(Debug, Clone)]
pub struct Refused<'a> {
    /// The record as it was sent.
    pub raw: Cow<'a, str>,
    /// Why.
    pub rejection: Box<Rejection>,
}

impl<'a> Refused<'a> {
    /// A record and why it is no event.
    pub fn new(raw: impl Into<Cow<'a, str>>, rejection: Rejection) -> Self {
        Self { raw: raw.into(), rejection: Box::new(rejection) }
    }
}

/// Takes a record's own write key for the batch's if that has none yet. An empty one says nothing.
///
/// # Errors
/// The batch has another key already: one request is one app's.
pub(crate) fn claim_key<'a>(key: &mut Option<Cow<'a, str>>, own: Cow<'a, str>) -> Result<(), Rejection> {
    match key {
        _ if own.is_empty() => Ok(()),
        None => {
            *key = Some(own);
            Ok(())
        }
        Some(first) if *first == own => Ok(()),
        Some(_) => {
            let message = "another write key than the request's first; send each app's events by themselves";
            Err(Rejection::new(RejectionCode::Malformed, "key", message))
        }
    }
}

/// A library's name and version, as [`Draft::library`] has them.
pub(crate) fn library<'a>(name: Cow<'a, str>, version: &str) -> Cow<'a, str> {
    if name.is_empty() || version.is_empty() { name } else { format!("{name}/{version}").into() }
}

/// An object without fields.
pub(crate) fn no_properties() -> Cow<'static, RawValue> {
    Cow::Borrowed(serde_json::from_str("{}").expect("{} is JSON"))
}

impl<'a> Draft<'a> {
    /// A draft of a record, with nothing known yet.
    pub fn of(raw: impl Into<Cow<'a, str>>) -> Self {
        Self {
            raw: raw.into(),
            id: Identifier::Whole,
            event: "".into(),
            time_ms: None,
            sent_at: None,
            user_id: "".into(),
            device_id: "".into(),
            linked_id: "".into(),
            is_about_nobody: false,
            is_anonymous_visitor: false,
            session_id: "".into(),
            platform: "".into(),
            app_version: "".into(),
            library: "".into(),
            ip: None,
            user_agent: "".into(),
            properties: no_properties(),
            warnings: Vec::new(),
        }
    }

    /// The event's id, the same at each try; none if nothing tells it from another event.
    pub fn event_id(&self, app_id: &AppId) -> Option<Uuid> {
        match &self.id {
            Identifier::Named(id) if !id.is_empty() => Some(named_id(id)),
            Identifier::Record(text) => Some(derived_id(app_id, text)),
            Identifier::Named(_) | Identifier::Whole => {
                // Without an id and a time of its own, two equal records may well be two events.
                self.time_ms.is_some().then(|| derived_id(app_id, &self.raw))
            }
        }
    }

    /// The event in Suanpan's own format, under this id: what a replay reads.
    pub fn to_native(&self, id: Uuid) -> String {
        #[derive(Serialize)]
        struct Native<'n> {
            id: Uuid,
            #[serde(skip_serializing_if = "str::is_empty")]
            event: &'n str,
            #[serde(skip_serializing_if = "Option::is_none")]
            time: Option<i64>,
            #[serde(skip_serializing_if = "str::is_empty")]
            user_id: &'n str,
            #[serde(skip_serializing_if = "str::is_empty")]
            device_id: &'n str,
            #[serde(skip_serializing_if = "str::is_empty")]
            linked_id: &'n str,
            #[serde(skip_serializing_if = "str::is_empty")]
            session_id: &'n str,
            #[serde(skip_serializing_if = "str::is_empty")]
            platform: &'n str,
            #[serde(skip_serializing_if = "str::is_empty")]
            app_version: &'n str,
            #[serde(skip_serializing_if = "str::is_empty")]
            library: &'n str,
            #[serde(skip_serializing_if = "std::ops::Not::not")]
            about_nobody: bool,
            properties: &'n RawValue,
        }
        let native = Native {
            id,
            event: &self.event,
            time: self.time_ms,
            user_id: &self.user_id,
            device_id: &self.device_id,
            linked_id: &self.linked_id,
            session_id: &self.session_id,
            platform: &self.platform,
            app_version: &self.app_version,
            library: &self.library,
            about_nobody: self.is_about_nobody,
            properties: &self.properties,
        };
        serde_json::to_string(&native).expect("a draft is always JSON")
    }
}
