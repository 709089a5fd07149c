use std::borrow::Cow;

use serde_json::value::RawValue;
use suanpan_event::{Rejection, RejectionCode};

use super::Keyed;
use crate::batch::library;
use crate::formats::native::time_invalid;
use crate::names;
use crate::object::{
    ObjectWriter, each_field, each_field_but, optional_text, seconds_or_milliseconds, text_if_any, text_of,
};
use crate::page::campaign_property;
use crate::{Draft, Identifier};

/// What an event's properties tell beside themselves.
#[derive(Debug, Default)]
struct Told<'a> {
    time: Option<&'a RawValue>,
    insert_id: Option<&'a RawValue>,
    token: Option<&'a RawValue>,
    distinct_id: Option<&'a RawValue>,
    user_id: Option<&'a RawValue>,
    device_id: Option<&'a RawValue>,
    /// The other id where the event links two.
    linked_id: Option<&'a RawValue>,
    /// Of `$identify`: who the person is now.
    identified_id: Option<&'a RawValue>,
    merged_ids: Option<&'a RawValue>,
    ip: Option<&'a RawValue>,
    library: Option<&'a RawValue>,
    library_version: Option<&'a RawValue>,
    app_version: Option<&'a RawValue>,
}

/// Reads one event of `/track` or `/import`.
pub(super) fn event(raw: &RawValue) -> Result<Keyed<'_>, Rejection> {
    let (mut name, mut properties) = (None, None);
    each_field(raw.get(), "", |field, value| match field {
        "event" => _ = name.get_or_insert(value),
        "properties" => _ = properties.get_or_insert(value),
        _ => {}
    })?;
    let name = name.map_or(Ok(Cow::Borrowed("")), |name| text_of(name, "event"))?;
    let mut told = Told::default();
    let mut copies = ObjectWriter::with_capacity(128);
    let Some(properties) = properties else {
        let message = "an event has properties: the token and the person are in them";
        return Err(Rejection::new(RejectionCode::Missing, "properties", message));
    };
    let kept = each_field_but(properties.get(), "properties", |property, value| {
        if let Some(copy) = copy_of(property)
            && value.get().starts_with('"')
            && value.get() != "\"\""
        {
            copies.raw(copy, value);
        }
        told.takes(property, value)
    })?;
    let token = optional_text(told.token, "token")?;
    Ok((told.draft(raw, name, copies.behind(properties, kept)?)?, token))
}

impl<'a> Told<'a> {
    /// Whether a property is the event's own field, and is not kept as a property beside it.
    fn takes(&mut self, property: &str, value: &'a RawValue) -> bool {
        let (place, is_moved) = match property {
            "token" => (&mut self.token, true),
            "time" => (&mut self.time, true),
            "distinct_id" => (&mut self.distinct_id, true),
            "$insert_id" => (&mut self.insert_id, true),
            "$user_id" => (&mut self.user_id, true),
            "$device_id" => (&mut self.device_id, true),
            "ip" => (&mut self.ip, true),
            "alias" | "$anon_id" => (&mut self.linked_id, false),
            "$identified_id" => (&mut self.identified_id, false),
            "$distinct_ids" => (&mut self.merged_ids, false),
            "mp_lib" => (&mut self.library, false),
            "$lib_version" => (&mut self.library_version, false),
            "$app_version_string" | "$app_version" => (&mut self.app_version, false),
            _ => return false,
        };
        place.get_or_insert(value);
        is_moved
    }

    fn draft(
        &self,
        raw: &'a RawValue,
        name: Cow<'a, str>,
        properties: Cow<'a, RawValue>,
    ) -> Result<Draft<'a>, Rejection> {
        let (mut user_id, device_id) = self.person()?;
        let mut linked_id = Cow::Borrowed("");
        let event = match &*name {
            "$mp_web_page_view" => names::PAGEVIEW.into(),
            "$identify" => {
                let identified_id = optional_text(self.identified_id, "$identified_id")?;
                user_id = if identified_id.is_empty() { user_id } else { identified_id };
                linked_id = optional_text(self.linked_id, "$anon_id")?;
                names::IDENTIFY.into()
            }
            "$create_alias" => {
                linked_id = optional_text(self.linked_id, "alias")?;
                names::ALIAS.into()
            }
            "$merge" => {
                (user_id, linked_id) = self.merged()?;
                names::ALIAS.into()
            }
            _ => name,
        };
        let library_name = text_if_any(self.library);
        Ok(Draft {
            id: Identifier::Named(optional_text(self.insert_id, "$insert_id")?),
            event,
            time_ms: time(self.time, "time")?,
            user_id,
            device_id,
            linked_id,
            platform: platform(&library_name).into(),
            app_version: text_if_any(self.app_version),
            library: library(library_name, &text_if_any(self.library_version)),
            ip: text_if_any(self.ip).parse().ok(),
            properties,
            ..Draft::of(raw.get())
        })
    }

    /// The known person and the device. `distinct_id` is the person, unless it says or equals the
    /// device.
    fn person(&self) -> Result<(Cow<'a, str>, Cow<'a, str>), Rejection> {
        let user_id = optional_text(self.user_id, "$user_id")?;
        let device_id = optional_text(self.device_id, "$device_id")?;
        let distinct_id = optional_text(self.distinct_id, "distinct_id")?;
        let (known, device) = split_distinct_id(distinct_id);
        let device_id = if device_id.is_empty() { device } else { device_id };
        let known = if known == device_id { "".into() } else { known };
        Ok((if user_id.is_empty() { known } else { user_id }, device_id))
    }

    fn merged(&self) -> Result<(Cow<'a, str>, Cow<'a, str>), Rejection> {
        let ids: Vec<&RawValue> =
            self.merged_ids.and_then(|ids| serde_json::from_str(ids.get()).ok()).unwrap_or_default();
        let id = |at: usize| optional_text(ids.get(at).copied(), "$distinct_ids");
        Ok((id(0)?, id(1)?))
    }
}

/// The person and the device that a `distinct_id` is: one of the two is empty.
pub(super) fn split_distinct_id(distinct_id: Cow<'_, str>) -> (Cow<'_, str>, Cow<'_, str>) {
    const DEVICE: &str = "$device:";
    match distinct_id {
        Cow::Borrowed(id) if id.starts_with(DEVICE) => ("".into(), id[DEVICE.len()..].into()),
        Cow::Owned(id) if id.starts_with(DEVICE) => ("".into(), id[DEVICE.len()..].to_owned().into()),
        known => (known, "".into()),
    }
}

/// Seconds or milliseconds: the clients disagree.
pub(super) fn time(raw: Option<&RawValue>, field: &'static str) -> Result<Option<i64>, Rejection> {
    let Some(raw) = raw else { return Ok(None) };
    seconds_or_milliseconds(raw).map(Some).ok_or_else(|| time_invalid(field, raw.get()))
}

fn copy_of(property: &str) -> Option<&'static str> {
    match property {
        "$current_url" => Some(names::PAGE_URL),
        "current_url_path" => Some(names::PAGE_PATH),
        "current_page_title" => Some(names::PAGE_TITLE),
        "$referrer" => Some(names::PAGE_REFERRER),
        _ => campaign_property(property),
    }
}

fn platform(library: &str) -> &'static str {
    match library {
        "web" => "web",
        "iphone" | "swift" => "ios",
        "android" => "android",
        "node" | "python" | "jdk" | "java" | "php" | "ruby" | "go" => "server",
        _ => "",
    }
}
