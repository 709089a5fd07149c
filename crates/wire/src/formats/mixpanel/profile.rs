use std::borrow::Cow;

use serde_json::value::RawValue;
use suanpan_event::{Rejection, RejectionCode};

use super::Keyed;
use super::track::{split_distinct_id, time};
use crate::Draft;
use crate::names;
use crate::object::{ObjectWriter, each_field, optional_text, text_if_any};

/// What is done with attributes: the field, the event that a person's become, and the property that
/// a group's become.
const OPERATORS: [(&str, &str, &str); 8] = [
    (names::SET, names::PROFILE_SET, names::GROUP_SET),
    (names::SET_ONCE, names::PROFILE_SET_ONCE, "$group_set_once"),
    (names::ADD, names::PROFILE_INCREMENT, "$group_add"),
    (names::APPEND, names::PROFILE_APPEND, "$group_append"),
    (names::UNION, names::PROFILE_UNION, "$group_union"),
    (names::REMOVE, names::PROFILE_REMOVE, "$group_remove"),
    (names::UNSET, names::PROFILE_UNSET, "$group_unset"),
    (names::DELETE, names::PROFILE_DELETE, "$group_delete"),
];

#[derive(Debug, Default)]
struct Update<'a> {
    token: Option<&'a RawValue>,
    time: Option<&'a RawValue>,
    ip: Option<&'a RawValue>,
    distinct_id: Option<&'a RawValue>,
    group_type: Option<&'a RawValue>,
    group_key: Option<&'a RawValue>,
    /// In the order of [`OPERATORS`].
    operands: [Option<&'a RawValue>; OPERATORS.len()],
}

/// Reads one update of `/engage`. What is done first names the event.
pub(super) fn person(raw: &RawValue) -> Result<Keyed<'_>, Rejection> {
    let update = Update::read(raw)?;
    let mut properties = ObjectWriter::with_capacity(raw.get().len());
    let mut event = None;
    update.each_operand(|(operator, name, _), operand| {
        event.get_or_insert(name);
        properties.json(operator, operand);
    });
    let (user_id, device_id) = split_distinct_id(optional_text(update.distinct_id, "$distinct_id")?);
    let event = event.ok_or_else(nothing_done)?.into();
    let draft = update.draft(raw)?;
    let draft = Draft { event, user_id, device_id, properties: properties.finish()?, ..draft };
    Ok((draft, optional_text(update.token, "$token")?))
}

/// Reads one update of `/groups`.
pub(super) fn group(raw: &RawValue) -> Result<Keyed<'_>, Rejection> {
    let update = Update::read(raw)?;
    let mut properties = ObjectWriter::with_capacity(raw.get().len() + 64);
    properties.text(names::GROUP_TYPE, &optional_text(update.group_type, "$group_key")?);
    properties.text(names::GROUP_KEY, &optional_text(update.group_key, "$group_id")?);
    let mut is_empty = true;
    update.each_operand(|(_, _, property), operand| {
        is_empty = false;
        properties.json(property, operand);
    });
    if is_empty {
        return Err(nothing_done());
    }
    let draft = update.draft(raw)?;
    let event = names::GROUP.into();
    let draft = Draft { event, is_about_nobody: true, properties: properties.finish()?, ..draft };
    Ok((draft, optional_text(update.token, "$token")?))
}

impl<'a> Update<'a> {
    fn read(raw: &'a RawValue) -> Result<Self, Rejection> {
        let mut update = Self::default();
        each_field(raw.get(), "", |name, value| {
            let place = match name {
                "$token" => &mut update.token,
                "$time" => &mut update.time,
                "$ip" => &mut update.ip,
                "$distinct_id" => &mut update.distinct_id,
                "$group_key" => &mut update.group_type,
                "$group_id" => &mut update.group_key,
                _ => match OPERATORS.iter().position(|(operator, ..)| *operator == name) {
                    Some(at) => &mut update.operands[at],
                    None => return,
                },
            };
            place.get_or_insert(value);
        })?;
        Ok(update)
    }

    fn each_operand(&self, mut take: impl FnMut((&'static str, &'static str, &'static str), &'a str)) {
        for (operator, operand) in OPERATORS.into_iter().zip(self.operands) {
            if let Some(operand) = operand {
                // A deletion says no more than that, with whatever value.
                take(operator, if operator.0 == names::DELETE { "true" } else { operand.get() });
            }
        }
    }

    fn draft(&self, raw: &'a RawValue) -> Result<Draft<'a>, Rejection> {
        let ip: Cow<'_, str> = text_if_any(self.ip);
        Ok(Draft { time_ms: time(self.time, "$time")?, ip: ip.parse().ok(), ..Draft::of(raw.get()) })
    }
}

fn nothing_done() -> Rejection {
    let message = "the update has none of $set, $set_once, $add, $append, $union, $remove, $unset, $delete";
    Rejection::new(RejectionCode::Missing, "$set", message)
}
