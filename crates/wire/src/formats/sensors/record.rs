use std::borrow::Cow;

use serde_json::value::RawValue;
use suanpan_event::properties::Properties;
use suanpan_event::{Rejection, RejectionCode};

use crate::batch::library;
use crate::formats::native::time_invalid;
use crate::names;
use crate::object::{ObjectWriter, each_field, each_field_but, milliseconds, optional_text, text_if_any};
use crate::{Draft, Identifier, SentAt};

/// The fields of a record that mean something; all others are ignored.
#[derive(Debug, Default)]
pub(super) struct Record<'a> {
    kind: Option<&'a RawValue>,
    event: Option<&'a RawValue>,
    time: Option<&'a RawValue>,
    flush_time: Option<&'a RawValue>,
    track_id: Option<&'a RawValue>,
    distinct_id: Option<&'a RawValue>,
    original_id: Option<&'a RawValue>,
    login_id: Option<&'a RawValue>,
    anonymous_id: Option<&'a RawValue>,
    identities: Option<&'a RawValue>,
    item_type: Option<&'a RawValue>,
    item_id: Option<&'a RawValue>,
    lib: Option<&'a RawValue>,
    project: Option<&'a RawValue>,
    token: Option<&'a RawValue>,
    properties: Option<&'a RawValue>,
}

/// What the properties tell beside themselves.
#[derive(Debug, Default)]
struct Told<'a> {
    is_login_id: bool,
    /// The object without what was moved out of it, as [`each_field_but`] leaves it.
    kept: Option<String>,
    ip: Option<&'a RawValue>,
    app_version: Option<&'a RawValue>,
    session_id: Option<&'a RawValue>,
    user_agent: Option<&'a RawValue>,
    /// In the order of [`PAGE`].
    page: [Option<&'a RawValue>; PAGE.len()],
}

/// Properties of a page, and what they are called in all formats.
const PAGE: [(&str, &str); 4] = [
    ("$url", names::PAGE_URL),
    ("$url_path", names::PAGE_PATH),
    ("$title", names::PAGE_TITLE),
    ("$referrer", names::PAGE_REFERRER),
];

/// Who a record is about.
struct Person<'a> {
    user_id: Cow<'a, str>,
    device_id: Cow<'a, str>,
    linked_id: Cow<'a, str>,
}

impl<'a> Record<'a> {
    pub fn read(text: &'a str) -> Result<Self, Rejection> {
        let mut record = Self::default();
        each_field(text, "", |name, value| {
            let place = match name {
                "type" => &mut record.kind,
                "event" => &mut record.event,
                "time" => &mut record.time,
                "_flush_time" => &mut record.flush_time,
                "_track_id" => &mut record.track_id,
                "distinct_id" => &mut record.distinct_id,
                "original_id" => &mut record.original_id,
                "login_id" => &mut record.login_id,
                "anonymous_id" => &mut record.anonymous_id,
                "identities" => &mut record.identities,
                "item_type" => &mut record.item_type,
                "item_id" => &mut record.item_id,
                "lib" => &mut record.lib,
                "project" => &mut record.project,
                "token" => &mut record.token,
                "properties" => &mut record.properties,
                _ => return,
            };
            place.get_or_insert(value);
        })?;
        Ok(record)
    }

    /// The write key, where the record carries one.
    pub fn key(&self) -> Result<Cow<'a, str>, Rejection> {
        let token = optional_text(self.token, "token")?;
        if token.is_empty() { optional_text(self.project, "project") } else { Ok(token) }
    }

    pub fn draft(&self, raw: &'a str) -> Result<Draft<'a>, Rejection> {
        let kind = optional_text(self.kind, "type")?;
        let mut told = self.told();
        let person = self.person(&kind, told.is_login_id)?;
        let (app_version, library, platform) = self.library(&told);
        Ok(Draft {
            id: self.identifier(),
            event: self.event_name(&kind)?,
            time_ms: self.time()?,
            sent_at: self.flush_time.and_then(milliseconds).map(|ms| SentAt { ms, is_fresh: true }),
            is_about_nobody: kind.starts_with("item_"),
            session_id: text_if_any(told.session_id),
            platform: platform.into(),
            app_version,
            library,
            ip: told.ip.and_then(|ip| text_if_any(Some(ip)).parse().ok()),
            user_agent: text_if_any(told.user_agent),
            properties: self.properties(&kind, &mut told)?,
            user_id: person.user_id,
            device_id: person.device_id,
            linked_id: person.linked_id,
            ..Draft::of(raw)
        })
    }

    fn event_name(&self, kind: &str) -> Result<Cow<'a, str>, Rejection> {
        Ok(match kind {
            "track_signup" | "track_id_bind" => names::IDENTIFY.into(),
            "profile_set" => names::PROFILE_SET.into(),
            "profile_set_once" => names::PROFILE_SET_ONCE.into(),
            "profile_increment" => names::PROFILE_INCREMENT.into(),
            "profile_append" => names::PROFILE_APPEND.into(),
            "profile_unset" => names::PROFILE_UNSET.into(),
            "profile_delete" => names::PROFILE_DELETE.into(),
            "item_set" => names::ITEM_SET.into(),
            "item_delete" => names::ITEM_DELETE.into(),
            _ => match optional_text(self.event, "event")? {
                name if name == "$MPViewScreen" => names::PAGEVIEW.into(),
                name if name == "$AppViewScreen" => names::SCREEN.into(),
                name => name,
            },
        })
    }

    fn time(&self) -> Result<Option<i64>, Rejection> {
        let Some(raw) = self.time else { return Ok(None) };
        milliseconds(raw).map(Some).ok_or_else(|| time_invalid("time", raw.get()))
    }

    /// What tells the record from others, without what changes from try to try. `_track_id` alone
    /// does not: it has seven digits, and servers send none, nor do profiles.
    fn identifier(&self) -> Identifier<'a> {
        let track_id = self.track_id.filter(|id| !matches!(id.get(), "0" | "\"0\""));
        let own = track_id.or(self.properties);
        let parts = [
            self.kind,
            self.distinct_id,
            self.event,
            self.time,
            self.original_id,
            self.item_type,
            self.item_id,
            own,
        ];
        if self.time.is_none() {
            return Identifier::Whole;
        }
        let parts = parts.map(|part| part.map_or("", RawValue::get));
        Identifier::Record(parts.join("\n").into())
    }

    /// `login_id` is who is known and `anonymous_id` the device. Without them `distinct_id` is the
    /// one or the other, as the record says. The identities of a record that waited in a
    /// mini-program may be those of a later moment, so they are asked last.
    fn person(&self, kind: &str, is_login_id: bool) -> Result<Person<'a>, Rejection> {
        let distinct_id = optional_text(self.distinct_id, "distinct_id")?;
        let login_id = optional_text(self.login_id, "login_id")?;
        let anonymous_id = optional_text(self.anonymous_id, "anonymous_id")?;
        let original_id = optional_text(self.original_id, "original_id")?;
        let user_id = if !login_id.is_empty() {
            login_id
        } else if is_login_id || kind == "track_signup" {
            distinct_id.clone()
        } else if anonymous_id.is_empty() {
            self.identity("$identity_login_id")
        } else if distinct_id != anonymous_id {
            distinct_id.clone()
        } else {
            "".into()
        };
        let device_id = if !anonymous_id.is_empty() {
            anonymous_id
        } else if distinct_id != user_id {
            distinct_id
        } else {
            "".into()
        };
        let linked_id = match kind {
            "track_signup" if original_id != user_id => original_id,
            "track_id_bind" => self.bound_identity(&user_id, &device_id),
            _ => "".into(),
        };
        Ok(Person { user_id, device_id, linked_id })
    }

    fn identity(&self, wanted: &str) -> Cow<'a, str> {
        let mut found = Cow::Borrowed("");
        self.each_identity(|name, value| {
            if name == wanted {
                found = value;
            }
        });
        found
    }

    /// The identity that was bound last, spelled as the clients spell it where it is the only one.
    fn bound_identity(&self, user_id: &str, device_id: &str) -> Cow<'a, str> {
        let mut bound = Cow::Borrowed("");
        self.each_identity(|name, value| {
            let is_plain =
                matches!(name, "$identity_login_id" | "$identity_anonymous_id" | "$identity_cookie_id");
            let id = if is_plain { value } else { format!("{name}+{value}").into() };
            if id != user_id && id != device_id {
                bound = id;
            }
        });
        bound
    }

    fn each_identity(&self, mut take: impl FnMut(&str, Cow<'a, str>)) {
        let identities = self.identities.map_or("{}", RawValue::get);
        // What is no object tells nothing; the record is good without.
        let _ignored =
            each_field(identities, "identities", |name, value| take(name, text_if_any(Some(value))));
    }

    fn told(&self) -> Told<'a> {
        let mut told = Told::default();
        let properties = self.properties.map_or("{}", RawValue::get);
        let kept = each_field_but(properties, "properties", |name, value| match name {
            "$is_login_id" => {
                told.is_login_id = value.get() == "true";
                true
            }
            // Whether addresses are kept is the app's choice, so they must not stay here.
            "$ip" => {
                told.ip = Some(value);
                true
            }
            _ => {
                told.hear(name, value);
                false
            }
        });
        // Half a surrogate pair in a name ends this early; admission mends it.
        told.kept = kept.unwrap_or_default();
        told
    }

    /// The app's version, the library, and the platform that the library tells.
    fn library(&self, told: &Told<'a>) -> (Cow<'a, str>, Cow<'a, str>, &'static str) {
        let (mut name, mut version, mut app_version) = Default::default();
        let lib = self.lib.map_or("{}", RawValue::get);
        let _ignored = each_field(lib, "lib", |field, value| match field {
            "$lib" => name = text_if_any(Some(value)),
            "$lib_version" => version = text_if_any(Some(value)),
            "$app_version" => app_version = text_if_any(Some(value)),
            _ => {}
        });
        if told.app_version.is_some() {
            app_version = text_if_any(told.app_version);
        }
        let platform = platform(&name);
        (app_version, library(name, &version), platform)
    }

    fn properties(&self, kind: &str, told: &mut Told<'a>) -> Result<Cow<'a, RawValue>, Rejection> {
        let own = self.properties.unwrap_or(empty_object());
        let kept = told.kept.take();
        let Some(operator) = operator(kind) else {
            // What is no object is refused where all properties are checked.
            let is_object = own.get().starts_with('{');
            return if is_object {
                self.copies(kind, told).behind(own, kept)
            } else {
                Ok(Cow::Borrowed(own))
            };
        };
        let mut out = ObjectWriter::with_capacity(own.get().len() + 80);
        if kind.starts_with("item_") {
            out.text(names::ITEM_TYPE, &optional_text(self.item_type, "item_type")?);
            out.text(names::ITEM_ID, &optional_text(self.item_id, "item_id")?);
        }
        let attributes = ObjectWriter::with_capacity(0).behind(own, kept)?;
        match kind {
            "profile_delete" => out.json(operator, "true"),
            "profile_unset" => out.json(operator, &names_of(&attributes)?),
            _ => out.raw(operator, &attributes),
        }
        out.finish()
    }

    /// What properties tell about the page, under the names that all formats have.
    fn copies(&self, kind: &str, told: &Told<'a>) -> ObjectWriter {
        let length = told.page.iter().flatten().map(|value| value.get().len() + 24).sum();
        let mut copies = ObjectWriter::with_capacity(length);
        for ((_, name), value) in PAGE.iter().zip(told.page) {
            if let Some(value) = value {
                copies.raw(name, value);
            }
        }
        if let Some(identities) = self.identities.filter(|_| kind.starts_with("track_id_")) {
            copies.raw("$identities", identities);
        }
        copies
    }
}

impl<'a> Told<'a> {
    fn hear(&mut self, name: &str, value: &'a RawValue) {
        if !name.starts_with('$') {
            return;
        }
        match name {
            "$app_version" => self.app_version = Some(value),
            "$event_session_id" => self.session_id = Some(value),
            "$user_agent" => self.user_agent = Some(value),
            _ => {
                if let Some(at) = PAGE.iter().position(|(theirs, _)| *theirs == name) {
                    self.page[at] = Some(value).filter(|v| v.get().starts_with('"') && v.get() != "\"\"");
                }
            }
        }
    }
}

/// Under what a profile's or an item's attributes stand.
fn operator(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "profile_set" => names::SET,
        "profile_set_once" => names::SET_ONCE,
        "profile_increment" => names::ADD,
        "profile_append" => names::APPEND,
        "profile_unset" => names::UNSET,
        "profile_delete" => names::DELETE,
        "item_set" | "item_delete" => names::ITEM,
        _ => return None,
    })
}

/// The names of the attributes to take off, as a list: the fields of an object, or the list itself.
fn names_of(attributes: &RawValue) -> Result<Cow<'_, str>, Rejection> {
    if attributes.get().starts_with('[') {
        return Ok(attributes.get().into());
    }
    let attributes = Properties::parse(attributes.get())
        .map_err(|e| Rejection::new(RejectionCode::Malformed, "properties", e.to_string()))?;
    let names: Vec<&str> = attributes.iter().map(|(name, _)| name).collect();
    Ok(serde_json::to_string(&names).expect("names are always JSON").into())
}

fn empty_object() -> &'static RawValue {
    serde_json::from_str("{}").expect("{} is JSON")
}

fn platform(library: &str) -> &'static str {
    match library {
        "js" => "web",
        "MiniProgram" => "wechat",
        "AlipayMini" => "alipay",
        "BaiduMini" => "baidu",
        "BytedanceMini" => "douyin",
        "QQMini" => "qq",
        "JDMini" => "jd",
        "iOS" => "ios",
        "Android" => "android",
        "Node" | "python" | "Java" | "Golang" | "php" | "ruby" | "DotNET" | "C++" => "server",
        _ => "",
    }
}
