use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use suanpan_event::{Rejection, RejectionCode};

use crate::encoding::base64;
use crate::formats::native::time_invalid;
use crate::names;
use crate::object::{ObjectWriter, each_field, milliseconds, optional_text, text_if_any};
use crate::page::add_address;
use crate::{Draft, Identifier, SentAt};

/// The fields of a record that mean something, by their short names; all others are ignored.
#[derive(Debug, Default)]
pub(super) struct Record<'a> {
    kind: Option<&'a RawValue>,
    id: Option<&'a RawValue>,
    app_id: Option<&'a RawValue>,
    device_time: Option<&'a RawValue>,
    sent_time: Option<&'a RawValue>,
    true_time: Option<&'a RawValue>,
    platform: Option<&'a RawValue>,
    tracker: Option<&'a RawValue>,
    user_id: Option<&'a RawValue>,
    domain_user_id: Option<&'a RawValue>,
    network_user_id: Option<&'a RawValue>,
    session_id: Option<&'a RawValue>,
    ip: Option<&'a RawValue>,
    user_agent: Option<&'a RawValue>,
    url: Option<&'a RawValue>,
    action: Option<&'a RawValue>,
    event: Option<&'a RawValue>,
    event_base64: Option<&'a RawValue>,
    contexts: Option<&'a RawValue>,
    contexts_base64: Option<&'a RawValue>,
    /// What becomes a property as it is: its name there and its text.
    copied: Vec<(&'static str, &'a RawValue)>,
    /// The same, for numbers that come as texts.
    numbers: Vec<(&'static str, &'a RawValue)>,
}

/// What entities attached to the event tell about its device.
#[derive(Debug, Default)]
struct Attached {
    /// The entities as they were sent, a JSON array; empty if there are none.
    entities: String,
    device_id: String,
    session_id: String,
    app_version: String,
}

/// A JSON value and the name of its schema.
#[derive(Deserialize)]
struct Described<'a> {
    #[serde(borrow)]
    schema: Cow<'a, str>,
    #[serde(borrow)]
    data: &'a RawValue,
}

impl<'a> Record<'a> {
    pub fn read(text: &'a str) -> Result<Self, Rejection> {
        let mut record = Self::default();
        each_field(text, "", |name, value| {
            let place = match name {
                "e" => &mut record.kind,
                "eid" => &mut record.id,
                "aid" => &mut record.app_id,
                "dtm" => &mut record.device_time,
                "stm" => &mut record.sent_time,
                "ttm" => &mut record.true_time,
                "p" => &mut record.platform,
                "tv" => &mut record.tracker,
                "uid" => &mut record.user_id,
                "duid" => &mut record.domain_user_id,
                "nuid" | "tnuid" => &mut record.network_user_id,
                "sid" => &mut record.session_id,
                "ip" => &mut record.ip,
                "ua" => &mut record.user_agent,
                "url" => &mut record.url,
                "se_ac" => &mut record.action,
                "ue_pr" => &mut record.event,
                "ue_px" => &mut record.event_base64,
                "co" => &mut record.contexts,
                "cx" => &mut record.contexts_base64,
                _ => return record.keep(name, value),
            };
            place.get_or_insert(value);
        })?;
        Ok(record)
    }

    fn keep(&mut self, name: &str, value: &'a RawValue) {
        if let Some((_, property)) = COPIED.iter().find(|(short, _)| *short == name) {
            self.copied.push((property, value));
        } else if let Some((_, property)) = NUMBERS.iter().find(|(short, _)| *short == name) {
            self.numbers.push((property, value));
        }
    }

    /// The write key.
    pub fn key(&self) -> Result<Cow<'a, str>, Rejection> {
        optional_text(self.app_id, "aid")
    }

    pub fn draft(&self, raw: &'a str) -> Result<Draft<'a>, Rejection> {
        let attached = self.attached();
        let (event, properties) = self.event(raw.len(), &attached)?;
        let domain_user_id = optional_text(self.domain_user_id, "duid")?;
        let device_id = if domain_user_id.is_empty() {
            first_of(attached.device_id.into(), optional_text(self.network_user_id, "nuid")?)
        } else {
            domain_user_id
        };
        Ok(Draft {
            id: Identifier::Named(optional_text(self.id, "eid")?),
            event,
            time_ms: self.time()?,
            sent_at: self.sent_time.and_then(milliseconds).map(|ms| SentAt { ms, is_fresh: true }),
            user_id: optional_text(self.user_id, "uid")?,
            device_id,
            session_id: first_of(text_if_any(self.session_id), attached.session_id.into()),
            platform: platform(text_if_any(self.platform)),
            app_version: attached.app_version.into(),
            library: library(text_if_any(self.tracker)),
            ip: text_if_any(self.ip).parse().ok(),
            user_agent: text_if_any(self.user_agent),
            properties,
            ..Draft::of(raw)
        })
    }

    fn time(&self) -> Result<Option<i64>, Rejection> {
        let Some(raw) = self.true_time.or(self.device_time) else { return Ok(None) };
        milliseconds(raw).map(Some).ok_or_else(|| time_invalid("dtm", raw.get()))
    }

    /// The event's name and properties: of an event that describes itself, its own fields first.
    fn event(
        &self,
        size: usize,
        attached: &Attached,
    ) -> Result<(Cow<'a, str>, Cow<'a, RawValue>), Rejection> {
        let mut out = ObjectWriter::with_capacity(size + 128);
        let event = match &*optional_text(self.kind, "e")? {
            "pv" => names::PAGEVIEW.into(),
            "pp" => "$page_ping".into(),
            "tr" => "$transaction".into(),
            "ti" => "$transaction_item".into(),
            "se" => optional_text(self.action, "se_ac")?,
            "ue" => self.self_describing(&mut out)?,
            other => {
                let message = "e must be pv, pp, se, ue, tr or ti";
                return Err(Rejection::new(RejectionCode::Malformed, "e", message).because("kind", other));
            }
        };
        add_address(&mut out, &text_if_any(self.url), false);
        for (name, value) in &self.copied {
            out.text(name, &text_if_any(Some(value)));
        }
        for (name, value) in &self.numbers {
            let text = text_if_any(Some(value));
            match serde_json::from_str::<&RawValue>(&text) {
                Ok(number)
                    if number.get().starts_with(['-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']) =>
                {
                    out.raw(name, number);
                }
                _ => out.text(name, &text),
            }
        }
        if !attached.entities.is_empty() {
            out.json(names::CONTEXTS, &attached.entities);
        }
        Ok((event, out.finish()?))
    }

    fn self_describing(&self, out: &mut ObjectWriter) -> Result<Cow<'a, str>, Rejection> {
        let malformed = |message: String| Rejection::new(RejectionCode::Malformed, "ue_pr", message);
        let Some(text) = json(self.event, self.event_base64) else {
            return Err(malformed("a self-describing event needs ue_pr or ue_px".to_owned()));
        };
        let outer: Described<'_> = serde_json::from_str(&text).map_err(|e| malformed(e.to_string()))?;
        let inner: Described<'_> =
            serde_json::from_str(outer.data.get()).map_err(|e| malformed(e.to_string()))?;
        if inner.data.get().starts_with('{') {
            out.all(inner.data);
        } else {
            out.raw("data", inner.data);
        }
        out.text(names::SCHEMA, &inner.schema);
        let name = schema_name(&inner.schema);
        if name != "screen_view" {
            return Ok(name.to_owned().into());
        }
        let _unnamed = each_field(inner.data.get(), "data", |field, value| {
            if field == "name" {
                out.raw(names::SCREEN_NAME, value);
            }
        });
        Ok(names::SCREEN.into())
    }

    /// Entities that can't be read are left out: the event is good without.
    fn attached(&self) -> Attached {
        let mut attached = Attached::default();
        let Some(text) = json(self.contexts, self.contexts_base64) else { return attached };
        let Ok(outer) = serde_json::from_str::<Described<'_>>(&text) else { return attached };
        let Ok(entities) = serde_json::from_str::<Vec<Described<'_>>>(outer.data.get()) else {
            return attached;
        };
        for entity in entities {
            let name = schema_name(&entity.schema);
            let _unread = each_field(entity.data.get(), "data", |field, value| {
                let place = match (name, field) {
                    ("client_session", "userId") => &mut attached.device_id,
                    ("client_session", "sessionId") => &mut attached.session_id,
                    ("application", "version") => &mut attached.app_version,
                    _ => return,
                };
                *place = text_if_any(Some(value)).into_owned();
            });
        }
        attached.entities = outer.data.get().to_owned();
        attached
    }
}

/// Short names whose texts become properties.
const COPIED: [(&str, &str); 20] = [
    ("page", names::PAGE_TITLE),
    ("refr", names::PAGE_REFERRER),
    ("lang", names::LOCALE),
    ("tz", names::TIMEZONE),
    ("res", names::SCREEN_SIZE),
    ("se_ca", names::CATEGORY),
    ("se_la", "$label"),
    ("se_pr", "$property"),
    ("tr_id", "$transaction_id"),
    ("tr_af", "$affiliation"),
    ("tr_ci", "$city"),
    ("tr_st", "$state"),
    ("tr_co", "$country"),
    ("tr_cu", "$currency"),
    ("ti_id", "$transaction_id"),
    ("ti_sk", "$sku"),
    ("ti_nm", "$name"),
    ("ti_ca", names::CATEGORY),
    ("ti_cu", "$currency"),
    ("vp", "$viewport_size"),
];

/// Short names whose texts are numbers.
const NUMBERS: [(&str, &str); 10] = [
    ("se_va", "$value"),
    ("tr_tt", "$total"),
    ("tr_tx", "$tax"),
    ("tr_sh", "$shipping"),
    ("ti_pr", "$price"),
    ("ti_qu", "$quantity"),
    ("pp_mix", "$scroll_x_min"),
    ("pp_max", "$scroll_x_max"),
    ("pp_miy", "$scroll_y_min"),
    ("pp_may", "$scroll_y_max"),
];

/// The JSON in a field, plain or base64; none if there is none or it is no text.
fn json<'a>(plain: Option<&'a RawValue>, encoded: Option<&'a RawValue>) -> Option<Cow<'a, str>> {
    if plain.is_some() {
        return Some(text_if_any(plain));
    }
    let decoded = base64(text_if_any(Some(encoded?)).as_bytes()).ok()?;
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

/// `add_to_cart` of `iglu:com.acme/add_to_cart/jsonschema/1-0-0`.
fn schema_name(schema: &str) -> &str {
    schema.split('/').nth(1).unwrap_or(schema)
}

fn first_of<'a>(preferred: Cow<'a, str>, other: Cow<'a, str>) -> Cow<'a, str> {
    if preferred.is_empty() { other } else { preferred }
}

fn platform(code: Cow<'_, str>) -> Cow<'_, str> {
    match &*code {
        "srv" => "server".into(),
        "mob" => "mobile".into(),
        "pc" => "desktop".into(),
        _ => code,
    }
}

/// `node/4.8.0` of `node-4.8.0`.
fn library(tracker: Cow<'_, str>) -> Cow<'_, str> {
    match tracker.rsplit_once('-') {
        Some((name, version)) if version.starts_with(|c: char| c.is_ascii_digit()) => {
            format!("{name}/{version}").into()
        }
        _ => tracker,
    }
}
