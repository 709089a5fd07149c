use std::borrow::Cow;

use serde_json::value::RawValue;
use suanpan_event::{Rejection, RejectionCode};

use crate::batch::no_properties;
use crate::formats::native::time_invalid;
use crate::names;
use crate::object::{ObjectWriter, each_field, optional_text, text_if_any, utc_instant};
use crate::{Draft, Identifier};

/// One event as the client wrote it.
#[derive(Debug, Default)]
pub(super) struct Message<'a> {
    event_type: Option<&'a RawValue>,
    insert_id: Option<&'a RawValue>,
    time: Option<&'a RawValue>,
    user_id: Option<&'a RawValue>,
    device_id: Option<&'a RawValue>,
    session_id: Option<&'a RawValue>,
    platform: Option<&'a RawValue>,
    app_version: Option<&'a RawValue>,
    library: Option<&'a RawValue>,
    ip: Option<&'a RawValue>,
    user_agent: Option<&'a RawValue>,
    event_properties: Option<&'a RawValue>,
    user_properties: Option<&'a RawValue>,
    groups: Option<&'a RawValue>,
    group_properties: Option<&'a RawValue>,
    /// In the order of [`COPIED`].
    copied: [Option<&'a RawValue>; COPIED.len()],
}

/// Fields of the event that become properties.
const COPIED: [(&str, &str); 18] = [
    ("language", names::LOCALE),
    ("os_name", names::OS),
    ("os_version", names::OS_VERSION),
    ("device_manufacturer", names::DEVICE_MANUFACTURER),
    ("device_model", names::DEVICE_MODEL),
    ("device_brand", "$device_brand"),
    ("carrier", "$carrier"),
    ("country", "$country"),
    ("region", "$region"),
    ("city", "$city"),
    ("location_lat", "$latitude"),
    ("location_lng", "$longitude"),
    ("price", "$price"),
    ("quantity", "$quantity"),
    ("revenue", "$revenue"),
    ("productId", "$productId"),
    ("revenueType", "$revenueType"),
    ("currency", "$currency"),
];

/// Where the properties of money begin in [`COPIED`]: clients also report them among an event's own.
const MONEY: usize = 12;

/// What the clients call the events of pages and screens, and what those tell of them.
const PAGE_EVENT: &str = "[Amplitude] Page Viewed";
const SCREEN_EVENT: &str = "[Amplitude] Screen Viewed";
const PAGE: [(&str, &str); 4] = [
    ("[Amplitude] Page Location", names::PAGE_URL),
    ("[Amplitude] Page Path", names::PAGE_PATH),
    ("[Amplitude] Page Title", names::PAGE_TITLE),
    ("[Amplitude] Screen Name", names::SCREEN_NAME),
];
const CAMPAIGN: [(&str, &str); 6] = [
    ("referrer", names::PAGE_REFERRER),
    ("utm_source", names::UTM_SOURCE),
    ("utm_medium", names::UTM_MEDIUM),
    ("utm_campaign", names::UTM_CAMPAIGN),
    ("utm_term", names::UTM_TERM),
    ("utm_content", names::UTM_CONTENT),
];

/// What is done to the attributes of a person, and what it is called in all formats. What the
/// others do not have keeps its name.
const CHANGES: [(&str, &str); 8] = [
    ("$set", names::SET),
    ("$setOnce", names::SET_ONCE),
    ("$add", names::ADD),
    ("$append", names::APPEND),
    ("$prepend", "$prepend"),
    ("$preInsert", "$pre_insert"),
    ("$postInsert", "$post_insert"),
    ("$remove", "$remove"),
];

impl<'a> Message<'a> {
    /// Reads one event.
    pub fn read(text: &'a str) -> Result<Self, Rejection> {
        let mut message = Self::default();
        each_field(text, "", |name, value| {
            let place = match name {
                "event_type" => &mut message.event_type,
                "insert_id" => &mut message.insert_id,
                "time" => &mut message.time,
                "user_id" => &mut message.user_id,
                "device_id" => &mut message.device_id,
                "session_id" => &mut message.session_id,
                "platform" => &mut message.platform,
                "app_version" => &mut message.app_version,
                "library" => &mut message.library,
                "ip" => &mut message.ip,
                "user_agent" => &mut message.user_agent,
                "event_properties" => &mut message.event_properties,
                "user_properties" => &mut message.user_properties,
                "groups" => &mut message.groups,
                "group_properties" => &mut message.group_properties,
                _ => match COPIED.iter().position(|(theirs, _)| *theirs == name) {
                    Some(at) => &mut message.copied[at],
                    None => return,
                },
            };
            place.get_or_insert(value);
        })?;
        Ok(message)
    }

    /// The event it means.
    pub fn draft(&self, raw: &'a str) -> Result<Draft<'a>, Rejection> {
        let event = optional_text(self.event_type, "event_type")?;
        let user_id = optional_text(self.user_id, "user_id")?;
        let device_id = optional_text(self.device_id, "device_id")?;
        let is_link = event == names::IDENTIFY && !user_id.is_empty() && user_id != device_id;
        Ok(Draft {
            id: Identifier::Named(optional_text(self.insert_id, "insert_id")?),
            time_ms: self.time()?,
            linked_id: if is_link { device_id.clone() } else { "".into() },
            is_about_nobody: event == "$groupidentify" && user_id.is_empty() && device_id.is_empty(),
            user_id,
            device_id,
            session_id: self.session(),
            platform: text_if_any(self.platform).to_ascii_lowercase().into(),
            app_version: text_if_any(self.app_version),
            library: text_if_any(self.library),
            ip: text_if_any(self.ip).parse().ok(),
            user_agent: text_if_any(self.user_agent),
            properties: self.all_properties(&event)?,
            event: event_name(event),
            ..Draft::of(raw)
        })
    }

    fn time(&self) -> Result<Option<i64>, Rejection> {
        let Some(given) = self.time else { return Ok(None) };
        match utc_instant(given) {
            Some(ms) => Ok(Some(ms)),
            None => Err(time_invalid("time", given.get())),
        }
    }

    /// -1 says that there is none.
    fn session(&self) -> Cow<'a, str> {
        let session = text_if_any(self.session_id);
        if session == "-1" { "".into() } else { session }
    }

    fn all_properties(&self, event: &str) -> Result<Cow<'a, RawValue>, Rejection> {
        let mut added = ObjectWriter::with_capacity(0);
        let own = object(self.event_properties, "event_properties")?;
        match event {
            "$groupidentify" => self.add_group(&mut added)?,
            PAGE_EVENT | SCREEN_EVENT => add_page(own, &mut added)?,
            _ => {}
        }
        if let Some(changes) = object(self.user_properties, "user_properties")? {
            add_person(changes, &mut added)?;
        }
        added.copy(names::GROUPS, self.groups);
        let has_money = self.copied[MONEY..].iter().any(Option::is_some);
        let given = if has_money { names_of(own)? } else { Vec::new() };
        for ((_, ours), value) in COPIED.iter().zip(self.copied) {
            if !given.iter().any(|name| name == ours) {
                added.copy(ours, value);
            }
        }
        match own {
            Some(own) => added.behind(own, None),
            None if added.is_empty() => Ok(no_properties()),
            None => added.finish(),
        }
    }

    /// `{"groups": {KIND: KEY}, "group_properties": {"$set": {…}}}`.
    fn add_group(&self, out: &mut ObjectWriter) -> Result<(), Rejection> {
        let mut first = None;
        if let Some(groups) = object(self.groups, "groups")? {
            each_field(groups.get(), "groups", |kind, key| {
                first.get_or_insert_with(|| (kind.to_owned(), key));
            })?;
        }
        if let Some((kind, key)) = first {
            out.text(names::GROUP_TYPE, &kind);
            out.copy(names::GROUP_KEY, Some(key));
        }
        let Some(changes) = object(self.group_properties, "group_properties")? else { return Ok(()) };
        each_field(changes.get(), "group_properties", |change, attributes| match change {
            "$set" => out.copy(names::GROUP_SET, Some(attributes)),
            _ if change.starts_with('$') => out.copy(&format!("$group_{}", &change[1..]), Some(attributes)),
            _ => {}
        })
    }
}

fn event_name(event: Cow<'_, str>) -> Cow<'_, str> {
    match &*event {
        PAGE_EVENT => names::PAGEVIEW.into(),
        SCREEN_EVENT => names::SCREEN.into(),
        "$groupidentify" => names::GROUP.into(),
        _ => event,
    }
}

fn add_page(own: Option<&RawValue>, out: &mut ObjectWriter) -> Result<(), Rejection> {
    let Some(own) = own else { return Ok(()) };
    each_field(own.get(), "event_properties", |name, value| {
        let known = PAGE.iter().chain(&CAMPAIGN).find(|(theirs, _)| *theirs == name);
        if let Some((_, ours)) = known {
            out.copy(ours, Some(value));
        }
    })
}

/// Changes by their names, or bare attributes, which are set.
fn add_person(changes: &RawValue, out: &mut ObjectWriter) -> Result<(), Rejection> {
    let mut set = ObjectWriter::with_capacity(0);
    let mut given_set = None;
    each_field(changes.get(), "user_properties", |name, value| match name {
        "$set" => given_set = given_set.or(Some(value)),
        "$unset" => add_unset(value, out),
        "$clearAll" => out.json(names::DELETE, "true"),
        _ => match CHANGES.iter().find(|(theirs, _)| *theirs == name) {
            Some((_, ours)) => out.copy(ours, Some(value)),
            None => set.raw(name, value),
        },
    })?;
    match given_set {
        Some(given) if given.get().starts_with('{') => {
            let both = set.behind(given, None)?;
            out.copy(names::SET, Some(&both));
        }
        _ if !set.is_empty() => out.object(names::SET, &set),
        _ => {}
    }
    Ok(())
}

/// `{NAME: "-"}` becomes `[NAME]`.
fn add_unset(unset: &RawValue, out: &mut ObjectWriter) {
    let mut list = Vec::new();
    let read = each_field(unset.get(), "", |name, _| list.push(name.to_owned()));
    if read.is_ok() && !list.is_empty() {
        out.json(names::UNSET, &serde_json::to_string(&list).expect("texts are always JSON"));
    }
}

fn names_of(object: Option<&RawValue>) -> Result<Vec<String>, Rejection> {
    let mut names = Vec::new();
    if let Some(object) = object {
        each_field(object.get(), "event_properties", |name, _| names.push(name.to_owned()))?;
    }
    Ok(names)
}

/// A field that is an object, if it is there.
fn object<'a>(raw: Option<&'a RawValue>, field: &'static str) -> Result<Option<&'a RawValue>, Rejection> {
    match raw.map(RawValue::get) {
        None => Ok(None),
        Some(text) if text.starts_with('{') => Ok(raw),
        Some(text) => {
            let message = format!("{field} must be an object");
            Err(Rejection::new(RejectionCode::WrongType, field, message).because("object", text))
        }
    }
}
