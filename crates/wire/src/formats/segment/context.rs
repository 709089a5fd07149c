use std::borrow::Cow;
use std::net::IpAddr;

use serde_json::value::RawValue;
use suanpan_event::Rejection;

use crate::names;
use crate::object::{ObjectWriter, each_field, text_if_any};

/// What a message tells about its surroundings.
#[derive(Debug, Default)]
pub(super) struct Context<'a> {
    pub ip: Option<&'a RawValue>,
    pub user_agent: Option<&'a RawValue>,
    pub session_id: Option<&'a RawValue>,
    pub traits: Option<&'a RawValue>,
    library: Pair<'a>,
    app: Option<&'a RawValue>,
    device: Option<&'a RawValue>,
    os: Option<&'a RawValue>,
    page: Option<&'a RawValue>,
    campaign: Option<&'a RawValue>,
    network: Option<&'a RawValue>,
    locale: Option<&'a RawValue>,
    timezone: Option<&'a RawValue>,
    /// The app's own.
    others: Vec<(String, &'a RawValue)>,
}

/// Name and version of something.
#[derive(Debug, Default, Clone)]
struct Pair<'a> {
    name: Cow<'a, str>,
    version: Cow<'a, str>,
}

/// The fields of a page, in the context or among the properties of a page view.
#[derive(Debug, Default)]
pub(super) struct Page<'a> {
    url: Option<&'a RawValue>,
    path: Option<&'a RawValue>,
    title: Option<&'a RawValue>,
    referrer: Option<&'a RawValue>,
}

/// What RudderStack's client for browsers says of a page that nothing referred to.
const NO_REFERRER: &str = r#""$direct""#;

/// Fields of the context that say nothing about the event, or are said elsewhere.
const IGNORED: [&str; 12] = [
    "active",
    "channel",
    "consent",
    "consentManagement",
    "groupId",
    "instanceId",
    "integrations",
    "screen",
    "sessionStart",
    "trackingPlan",
    "userAgentData",
    "user_agent",
];

impl<'a> Context<'a> {
    pub fn read(text: &'a str) -> Result<Self, Rejection> {
        let mut context = Self::default();
        each_field(text, "context", |name, value| {
            let place = match name {
                "ip" => &mut context.ip,
                "userAgent" => &mut context.user_agent,
                "sessionId" => &mut context.session_id,
                "traits" => &mut context.traits,
                "app" => &mut context.app,
                "device" => &mut context.device,
                "os" => &mut context.os,
                "page" => &mut context.page,
                "campaign" => &mut context.campaign,
                "network" => &mut context.network,
                "locale" => &mut context.locale,
                "timezone" => &mut context.timezone,
                "library" => {
                    context.library = Pair::read(value);
                    return;
                }
                name if IGNORED.contains(&name) => return,
                name => {
                    context.others.push((name.to_owned(), value));
                    return;
                }
            };
            place.get_or_insert(value);
        })?;
        Ok(context)
    }

    pub fn library_name(&self) -> Cow<'a, str> {
        self.library.name.clone()
    }

    /// `name/version`; empty if the client does not say.
    pub fn library(&self) -> Cow<'a, str> {
        let Pair { name, version } = &self.library;
        if version.is_empty() { name.clone() } else { format!("{name}/{version}").into() }
    }

    pub fn app_version(&self) -> Cow<'a, str> {
        // RudderStack's client for browsers says that the app is itself.
        let app = self.app.map(Pair::read).filter(|app| app.name.is_empty() || app.name != self.library.name);
        app.unwrap_or_default().version
    }

    /// The visitor's address, if it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        text_if_any(self.ip).parse().ok()
    }

    /// `ios`, `android` and so on; `web` for the clients that run in a browser.
    pub fn platform(&self, channel: &str) -> Cow<'a, str> {
        let told = self.device.and_then(|device| field(device, "type"));
        match text_if_any(told) {
            told if !told.is_empty() => told.to_ascii_lowercase().into(),
            _ if channel == "web" || self.library.name == "analytics.js" => "web".into(),
            _ => "".into(),
        }
    }

    /// The page the event happened on.
    pub fn page(&self) -> Page<'a> {
        self.page.map(|page| Page::read(page.get())).unwrap_or_default()
    }

    /// Adds what the context tells about the event, but for the page.
    pub fn add_to(&self, out: &mut ObjectWriter) {
        if let Some(campaign) = self.campaign {
            add_campaign(campaign, out);
        }
        out.copy(names::LOCALE, self.locale);
        out.copy(names::TIMEZONE, self.timezone);
        if let Some(network) = self.network {
            add_network(network, out);
        }
        if let Some(os) = self.os.map(Pair::read) {
            out.text(names::OS, &os.name);
            out.text(names::OS_VERSION, &os.version);
        }
        if let Some(device) = self.device {
            out.copy(names::DEVICE_MANUFACTURER, field(device, "manufacturer"));
            out.copy(names::DEVICE_MODEL, field(device, "model"));
        }
        if !self.others.is_empty() {
            let mut others = ObjectWriter::with_capacity(64);
            self.others.iter().for_each(|(name, value)| others.raw(name, value));
            out.object("$context", &others);
        }
    }
}

impl<'a> Page<'a> {
    /// The fields of an object; none if it is no object.
    pub fn read(text: &'a str) -> Self {
        let mut page = Self::default();
        let read = each_field(text, "", |name, value| {
            let place = match name {
                "url" => &mut page.url,
                "path" => &mut page.path,
                "title" => &mut page.title,
                "referrer" => &mut page.referrer,
                _ => return,
            };
            place.get_or_insert(value);
        });
        if read.is_ok() { page } else { Self::default() }
    }

    /// This page, with what another tells where this one says nothing.
    pub fn or(self, other: Self) -> Self {
        Self {
            url: self.url.or(other.url),
            path: self.path.or(other.path),
            title: self.title.or(other.title),
            referrer: self.referrer.or(other.referrer),
        }
    }

    pub fn add_to(&self, out: &mut ObjectWriter) {
        out.copy(names::PAGE_URL, self.url);
        out.copy(names::PAGE_PATH, self.path);
        out.copy(names::PAGE_TITLE, self.title);
        out.copy(names::PAGE_REFERRER, self.referrer.filter(|raw| raw.get() != NO_REFERRER));
    }
}

impl<'a> Pair<'a> {
    fn read(raw: &'a RawValue) -> Self {
        let mut pair = Self::default();
        let read = each_field(raw.get(), "", |name, value| match name {
            "name" => pair.name = text_if_any(Some(value)),
            "version" => pair.version = text_if_any(Some(value)),
            _ => {}
        });
        if read.is_ok() { pair } else { Self::default() }
    }
}

fn add_campaign(campaign: &RawValue, out: &mut ObjectWriter) {
    const NAMES: [(&str, &str); 5] = [
        ("source", names::UTM_SOURCE),
        ("medium", names::UTM_MEDIUM),
        ("name", names::UTM_CAMPAIGN),
        ("term", names::UTM_TERM),
        ("content", names::UTM_CONTENT),
    ];
    for (name, ours) in NAMES {
        out.copy(ours, field(campaign, name));
    }
}

/// `{"wifi": true, "cellular": false, …}`.
fn add_network(network: &RawValue, out: &mut ObjectWriter) {
    let is = |kind| field(network, kind).is_some_and(|raw| raw.get() == "true");
    match ["wifi", "cellular", "bluetooth"].into_iter().find(|kind| is(kind)) {
        Some(kind) => out.text(names::NETWORK, kind),
        None if network.get().starts_with('"') => out.copy(names::NETWORK, Some(network)),
        None => {}
    }
}

/// One field of a small object; none if it is absent, or the object is none.
fn field<'a>(object: &'a RawValue, wanted: &str) -> Option<&'a RawValue> {
    let mut found = None;
    let read = each_field(object.get(), "", |name, value| {
        if name == wanted {
            found.get_or_insert(value);
        }
    });
    read.ok().and(found)
}
