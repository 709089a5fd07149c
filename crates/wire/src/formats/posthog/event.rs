use std::borrow::Cow;

use serde_json::value::RawValue;
use suanpan_event::{Rejection, RejectionCode};

use super::identity::Person;
use crate::batch::no_properties;
use crate::formats::native::time_invalid;
use crate::names;
use crate::object::{ObjectWriter, each_field, each_field_but, optional_text, text_if_any, utc_instant};
use crate::{Draft, Identifier, Refused};

/// One event as the client wrote it.
#[derive(Debug, Default)]
pub(in crate::formats) struct Message<'a> {
    raw: &'a str,
    event: Option<&'a RawValue>,
    uuid: Option<&'a RawValue>,
    distinct_id: Option<&'a RawValue>,
    timestamp: Option<&'a RawValue>,
    offset: Option<&'a RawValue>,
    session_id: Option<&'a RawValue>,
    window_id: Option<&'a RawValue>,
    key: Option<&'a RawValue>,
    library: Option<&'a RawValue>,
    library_version: Option<&'a RawValue>,
    options: Option<&'a RawValue>,
    properties: Option<&'a RawValue>,
    /// Attributes of the person beside the properties, in the order of [`PERSON`].
    person: [Option<&'a RawValue>; 3],
    told: Told<'a>,
    /// What is left of the properties; none if all is.
    kept: Option<String>,
}

/// The properties of a person that stand beside the event's properties, or among them.
const PERSON: [&str; 3] = [names::SET, names::SET_ONCE, names::UNSET];

/// What an event's properties tell beside themselves.
#[derive(Debug, Default)]
pub(super) struct Told<'a> {
    pub user_id: Cow<'a, str>,
    pub device_id: Cow<'a, str>,
    pub anonymous_id: Cow<'a, str>,
    pub alias: Cow<'a, str>,
    pub group_type: Cow<'a, str>,
    pub group_key: Cow<'a, str>,
    /// Whether the person logged in.
    pub is_identified: Option<bool>,
    /// Whether the person is to have a profile: false for those who did not log in.
    pub has_profile: Option<bool>,
    pub is_server: bool,
    distinct_id: Option<&'a RawValue>,
    key: Option<&'a RawValue>,
    insert_id: Option<&'a RawValue>,
    session_id: Option<&'a RawValue>,
    library: Option<&'a RawValue>,
    library_version: Option<&'a RawValue>,
    app_version: Option<&'a RawValue>,
    ip: Option<&'a RawValue>,
    user_agent: Option<&'a RawValue>,
    person: [Option<&'a RawValue>; 3],
    /// In the order of [`COPIED`].
    copied: [Option<&'a RawValue>; COPIED.len()],
}

/// Properties that all formats have, under the names that they have there.
const COPIED: [(&str, &str); 10] = [
    ("$current_url", names::PAGE_URL),
    ("$pathname", names::PAGE_PATH),
    ("title", names::PAGE_TITLE),
    ("$referrer", names::PAGE_REFERRER),
    ("utm_source", names::UTM_SOURCE),
    ("utm_medium", names::UTM_MEDIUM),
    ("utm_campaign", names::UTM_CAMPAIGN),
    ("utm_term", names::UTM_TERM),
    ("utm_content", names::UTM_CONTENT),
    ("$browser_language", names::LOCALE),
];

impl<'a> Message<'a> {
    /// Reads one event.
    pub fn read(text: &'a str) -> Result<Self, Refused<'a>> {
        let mut message = Self { raw: text, ..Self::default() };
        message.read_fields(text).map_err(|rejection| Refused::new(text, rejection))?;
        Ok(message)
    }

    fn read_fields(&mut self, text: &'a str) -> Result<(), Rejection> {
        each_field(text, "", |name, value| {
            let place = match name {
                "event" => &mut self.event,
                "uuid" => &mut self.uuid,
                "distinct_id" | "$distinct_id" => &mut self.distinct_id,
                "timestamp" => &mut self.timestamp,
                "offset" => &mut self.offset,
                "session_id" => &mut self.session_id,
                "window_id" => &mut self.window_id,
                "api_key" | "token" => &mut self.key,
                "library" => &mut self.library,
                "library_version" => &mut self.library_version,
                "options" => &mut self.options,
                "properties" => &mut self.properties,
                "$set" => &mut self.person[0],
                "$set_once" => &mut self.person[1],
                "$unset" => &mut self.person[2],
                _ => return,
            };
            place.get_or_insert(value);
        })?;
        let Some(properties) = self.properties else { return Ok(()) };
        if !properties.get().starts_with('{') {
            let message = "properties must be an object";
            let rejection = Rejection::new(RejectionCode::WrongType, "properties", message);
            return Err(rejection.because("object", properties.get()));
        }
        let beside = self.person;
        let told = &mut self.told;
        self.kept =
            each_field_but(properties.get(), "properties", |name, value| told.take(name, value, &beside))?;
        Ok(())
    }

    /// The write key, where the event carries it.
    pub fn key(&self) -> Cow<'a, str> {
        text_if_any(self.key.or(self.told.key))
    }

    /// The event it means. `sent_at_ms` is the client's clock when it sent the request, which
    /// events with an offset count from.
    pub fn draft(mut self, sent_at_ms: Option<i64>) -> Result<Draft<'a>, Rejection> {
        self.take_options();
        let told = &self.told;
        let event = optional_text(self.event, "event")?;
        let distinct_id = optional_text(self.distinct_id.or(told.distinct_id), "distinct_id")?;
        let person = Person::of(distinct_id, &event, told);
        let library = self.library();
        Ok(Draft {
            id: Identifier::Named(self.identifier()),
            event: event_name(event),
            time_ms: self.time(sent_at_ms)?,
            user_id: person.user_id,
            device_id: person.device_id,
            linked_id: person.linked_id,
            is_about_nobody: person.is_nobody,
            session_id: text_if_any(told.session_id.or(self.session_id)),
            platform: platform(&library).into(),
            app_version: text_if_any(told.app_version),
            ip: text_if_any(told.ip).parse().ok(),
            user_agent: text_if_any(told.user_agent),
            library,
            properties: self.all_properties()?,
            ..Draft::of(self.raw)
        })
    }

    fn identifier(&self) -> Cow<'a, str> {
        let uuid = text_if_any(self.uuid);
        if uuid.is_empty() { text_if_any(self.told.insert_id) } else { uuid }
    }

    fn time(&self, sent_at_ms: Option<i64>) -> Result<Option<i64>, Rejection> {
        let Some(given) = self.timestamp else {
            let offset = self.offset.and_then(|raw| raw.get().parse::<i64>().ok());
            return Ok(offset.and_then(|offset| sent_at_ms?.checked_sub(offset)));
        };
        match utc_instant(given) {
            Some(ms) => Ok(Some(ms)),
            None => Err(time_invalid("timestamp", given.get())),
        }
    }

    fn library(&self) -> Cow<'a, str> {
        let name = text_if_any(self.told.library.or(self.library));
        let version = text_if_any(self.told.library_version.or(self.library_version));
        if version.is_empty() { name } else { format!("{name}/{version}").into() }
    }

    /// What the newest clients say beside the properties, and older ones among them.
    fn take_options(&mut self) {
        let Some(options) = self.options else { return };
        let told = &mut self.told;
        let _unreadable_options_say_nothing = each_field(options.get(), "options", |name, value| {
            if name == "process_person_profile" {
                told.has_profile = told.has_profile.or(truth(value));
            }
        });
    }

    /// The properties, and behind them what the event says in other places.
    fn all_properties(&mut self) -> Result<Cow<'a, RawValue>, Rejection> {
        let mut added = ObjectWriter::with_capacity(0);
        for (at, name) in PERSON.into_iter().enumerate() {
            match (self.person[at], self.told.person[at]) {
                (Some(beside), Some(among)) => added.json(name, &merged(beside, among)?),
                (beside, _) => added.copy(name, beside),
            }
        }
        added.copy("$window_id", self.window_id);
        // Elsewhere a title is the app's own, for example a product's.
        let is_page = self.event.is_some_and(|event| event.get() == r#""$pageview""#);
        for ((theirs, ours), value) in COPIED.iter().zip(self.told.copied) {
            let value = value.filter(|_| is_page || *theirs != "title");
            added.copy(ours, value.filter(|value| value.get() != r#""$direct""#));
        }
        match self.properties {
            Some(properties) => added.behind(properties, self.kept.take()),
            None if added.is_empty() => Ok(no_properties()),
            None => added.finish(),
        }
    }
}

impl<'a> Told<'a> {
    /// Takes what a property tells; says whether that is all it is for. `beside` are the
    /// attributes of the person that stand beside the properties.
    fn take(&mut self, name: &str, value: &'a RawValue, beside: &[Option<&'a RawValue>; 3]) -> bool {
        // Most properties are the app's own: told from ours by the first letter.
        if !name.starts_with(['$', 'd', 't', 'u', 'a']) {
            return false;
        }
        let text = || text_if_any(Some(value));
        let place = match name {
            "distinct_id" => {
                self.distinct_id.get_or_insert(value);
                return true;
            }
            "token" => {
                self.key.get_or_insert(value);
                return true;
            }
            "$insert_id" => &mut self.insert_id,
            "$session_id" => &mut self.session_id,
            "$lib" => &mut self.library,
            "$lib_version" => &mut self.library_version,
            "$app_version" => &mut self.app_version,
            "$ip" => &mut self.ip,
            "$raw_user_agent" => &mut self.user_agent,
            _ => {
                if let Some(at) = COPIED.iter().position(|(theirs, _)| *theirs == name) {
                    self.copied[at].get_or_insert(value);
                    return false;
                }
                match name {
                    "$user_id" => self.user_id = text(),
                    "$device_id" => self.device_id = text(),
                    "$anon_distinct_id" => self.anonymous_id = text(),
                    "alias" => self.alias = text(),
                    "$group_type" => self.group_type = text(),
                    "$group_key" => self.group_key = text(),
                    "$is_identified" => self.is_identified = truth(value),
                    "$process_person_profile" => self.has_profile = truth(value),
                    "$is_server" => self.is_server = truth(value) == Some(true),
                    _ => {}
                }
                let Some(at) = PERSON.iter().position(|known| *known == name) else { return false };
                self.person[at].get_or_insert(value);
                // Given in both places, the two become one.
                return beside[at].is_some();
            }
        };
        place.get_or_insert(value);
        false
    }
}

fn truth(raw: &RawValue) -> Option<bool> {
    match raw.get() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// The name of the event in all formats.
fn event_name(event: Cow<'_, str>) -> Cow<'_, str> {
    match &*event {
        "$set" | "$set_once" | "$unset" => names::IDENTIFY.into(),
        "$create_alias" | "$merge_dangerously" => names::ALIAS.into(),
        "$groupidentify" => names::GROUP.into(),
        _ => event,
    }
}

fn platform(library: &str) -> &'static str {
    match library.split('/').next() {
        Some("web" | "js" | "posthog-js-lite") => "web",
        Some("posthog-ios") => "ios",
        Some("posthog-android") => "android",
        _ => "",
    }
}

/// Two objects in one; of a name in both, the first one's value stays. Of two that are no objects,
/// the first.
fn merged(first: &RawValue, second: &RawValue) -> Result<String, Rejection> {
    if !(first.get().starts_with('{') && second.get().starts_with('{')) {
        return Ok(first.get().to_owned());
    }
    let mut seen = std::collections::HashSet::new();
    let mut both = ObjectWriter::with_capacity(first.get().len() + second.get().len());
    for object in [first, second] {
        each_field(object.get(), "properties", |name, value| {
            if seen.insert(name.to_owned()) {
                both.raw(name, value);
            }
        })?;
    }
    Ok(both.finish()?.get().to_owned())
}
