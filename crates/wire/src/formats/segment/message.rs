use std::borrow::Cow;

use serde_json::value::RawValue;
use suanpan_event::{Rejection, RejectionCode};

use super::context::{Context, Page};
use crate::batch::no_properties;
use crate::formats::native::time_invalid;
use crate::names;
use crate::object::{ObjectWriter, each_field, optional_text, text_if_any, utc_instant};
use crate::{Draft, Identifier, Refused};

/// One message: a call of the client's library.
#[derive(Debug, Default)]
pub(super) struct Message<'a> {
    raw: &'a str,
    context: Context<'a>,
    kind: Cow<'a, str>,
    message_id: Option<&'a RawValue>,
    user_id: Option<&'a RawValue>,
    anonymous_id: Option<&'a RawValue>,
    previous_id: Option<&'a RawValue>,
    group_id: Option<&'a RawValue>,
    event: Option<&'a RawValue>,
    name: Option<&'a RawValue>,
    category: Option<&'a RawValue>,
    timestamp: Option<&'a RawValue>,
    original_timestamp: Option<&'a RawValue>,
    traits: Option<&'a RawValue>,
    properties: Option<&'a RawValue>,
    channel: Option<&'a RawValue>,
}

impl<'a> Message<'a> {
    /// Reads a message. `kind` is what the address says, for clients that post each kind elsewhere.
    pub fn read(text: &'a str, kind: Option<&'static str>) -> Result<Self, Refused<'a>> {
        Self::fields(text, kind).map_err(|rejection| Refused::new(text, rejection))
    }

    fn fields(text: &'a str, kind: Option<&'static str>) -> Result<Self, Rejection> {
        let mut message = Self { raw: text, ..Self::default() };
        let (mut context, mut own_kind) = (None, None);
        each_field(text, "", |name, value| {
            let place = match name {
                "type" => &mut own_kind,
                "context" => &mut context,
                "messageId" => &mut message.message_id,
                "userId" => &mut message.user_id,
                "anonymousId" => &mut message.anonymous_id,
                "previousId" => &mut message.previous_id,
                "groupId" => &mut message.group_id,
                "event" => &mut message.event,
                "name" => &mut message.name,
                "category" => &mut message.category,
                "timestamp" => &mut message.timestamp,
                "originalTimestamp" => &mut message.original_timestamp,
                "traits" => &mut message.traits,
                "properties" => &mut message.properties,
                "channel" => &mut message.channel,
                _ => return,
            };
            place.get_or_insert(value);
        })?;
        message.kind = match own_kind {
            Some(_) => optional_text(own_kind, "type")?,
            None => kind.unwrap_or_default().into(),
        };
        if let Some(context) = object(context, "context")? {
            message.context = Context::read(context.get())?;
        }
        Ok(message)
    }

    /// Its library's name; if it says none, that of its batch.
    pub fn library_name(&self, shared: &Context<'a>) -> Cow<'a, str> {
        let own = self.context.library_name();
        if own.is_empty() { shared.library_name() } else { own }
    }

    /// The event it means.
    pub fn draft(&self, shared: &Context<'a>) -> Result<Draft<'a>, Refused<'a>> {
        self.event(shared).map_err(|rejection| Refused::new(self.raw, rejection))
    }

    fn event(&self, shared: &Context<'a>) -> Result<Draft<'a>, Rejection> {
        let user_id = optional_text(self.user_id, "userId")?;
        let device_id = optional_text(self.anonymous_id, "anonymousId")?;
        let linked_id = match &*self.kind {
            "identify" if !user_id.is_empty() => device_id.clone(),
            "alias" => optional_text(self.previous_id, "previousId")?,
            _ => "".into(),
        };
        let own_library = self.context.library();
        Ok(Draft {
            id: Identifier::Named(optional_text(self.message_id, "messageId")?),
            event: self.event_name()?,
            time_ms: self.time()?,
            linked_id: if linked_id == user_id { "".into() } else { linked_id },
            user_id,
            device_id,
            session_id: text_if_any(self.context.session_id),
            platform: self.context.platform(&text_if_any(self.channel)),
            app_version: self.context.app_version(),
            library: if own_library.is_empty() { shared.library() } else { own_library },
            ip: self.context.ip(),
            user_agent: text_if_any(self.context.user_agent),
            properties: self.all_properties()?,
            ..Draft::of(self.raw)
        })
    }

    fn event_name(&self) -> Result<Cow<'a, str>, Rejection> {
        Ok(match &*self.kind {
            "track" => optional_text(self.event, "event")?,
            "page" => names::PAGEVIEW.into(),
            "screen" => names::SCREEN.into(),
            "identify" => names::IDENTIFY.into(),
            "group" => names::GROUP.into(),
            "alias" => names::ALIAS.into(),
            other => {
                let message = "the type must be track, page, screen, identify, group or alias";
                let rejection = Rejection::new(RejectionCode::WrongType, "type", message);
                return Err(rejection.because("track, page, screen, identify, group or alias", other));
            }
        })
    }

    fn time(&self) -> Result<Option<i64>, Rejection> {
        let (field, given) = match (self.timestamp, self.original_timestamp) {
            (Some(given), _) => ("timestamp", given),
            (None, Some(given)) => ("originalTimestamp", given),
            (None, None) => return Ok(None),
        };
        match utc_instant(given) {
            Some(ms) => Ok(Some(ms)),
            None => Err(time_invalid(field, given.get())),
        }
    }

    /// The message's own properties, and behind them what it says in other places.
    fn all_properties(&self) -> Result<Cow<'a, RawValue>, Rejection> {
        let mut added = ObjectWriter::with_capacity(0);
        let mut page = self.context.page();
        let own = object(self.properties, "properties")?;
        match &*self.kind {
            "page" => {
                if let Some(own) = own {
                    page = Page::read(own.get()).or(page);
                }
                added.copy(names::PAGE_NAME, self.name);
                added.copy(names::CATEGORY, self.category);
            }
            "screen" => {
                added.copy(names::SCREEN_NAME, self.name);
                added.copy(names::CATEGORY, self.category);
            }
            "identify" => {
                let traits = object(self.traits, "traits")?;
                added.copy(names::SET, traits.or(object(self.context.traits, "context.traits")?));
            }
            "group" => {
                added.text(names::GROUP_TYPE, "group");
                added.text(names::GROUP_KEY, &optional_text(self.group_id, "groupId")?);
                added.copy(names::GROUP_SET, object(self.traits, "traits")?);
            }
            _ => {}
        }
        page.add_to(&mut added);
        self.context.add_to(&mut added);
        match own {
            Some(own) => added.behind(own, None),
            None if added.is_empty() => Ok(no_properties()),
            None => added.finish(),
        }
    }
}

/// A field that is an object. An empty array is an empty object, as PHP writes it.
fn object<'a>(raw: Option<&'a RawValue>, field: &'static str) -> Result<Option<&'a RawValue>, Rejection> {
    match raw.map(RawValue::get) {
        None => Ok(None),
        Some(text) if text.starts_with('{') => Ok(raw),
        Some(text) if text.starts_with('[') && text[1..].trim_start() == "]" => Ok(None),
        Some(text) => {
            let message = format!("{field} must be an object");
            Err(Rejection::new(RejectionCode::WrongType, field, message).because("object", text))
        }
    }
}
