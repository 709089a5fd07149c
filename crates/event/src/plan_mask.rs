//! Personal values: pseudonyms in their place, or nothing.
//!
//! A pseudonym is `masked:` and the first 16 hexadecimal digits of SHA-256 over the app's key and
//! the value: equal values of an app have equal ones, other apps have others, and who does not have
//! the key can't try out which value it stands for. (The attack that HMAC guards against, appending
//! to a hashed text, needs the whole hash; three quarters of it are cut off.)
//!
//! A pseudonym stays as it is when it comes again, so that an event from the dead letter, masked
//! there already, is stored like one that was accepted at once. For the same reason a value that is
//! to be dropped is kept in the dead letter as the text `masked:dropped`: the attribute was there.

use std::borrow::Cow;
use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::members::edit_members;
use crate::plan::ExpectedAttribute;
use crate::plan_reading::{Reading, Value, json_list, json_text, read};
use crate::properties::Properties;
use crate::{AttributeType, Personal, Scalar, TrackingPlan, coerce};

const MARK: &str = "masked:";
const HEX_DIGITS: usize = 16;
/// The JSON text that stands in the dead letter for a value that is not to be stored.
const DROPPED: &str = "\"masked:dropped\"";

/// The secret of an app's pseudonyms. Prints as `[redacted]`.
#[derive(Clone, Default)]
pub struct MaskKey([u8; 32]);

impl MaskKey {
    /// The key of these bytes, which must be random.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    fn pseudonym(&self, text: &str) -> String {
        if is_pseudonym(text) {
            return text.to_owned();
        }
        let hash = Sha256::new().chain_update(self.0).chain_update(text).finalize();
        let first: [u8; 8] = hash[..HEX_DIGITS / 2].try_into().expect("a hash has 32 bytes");
        format!("{MARK}{:016x}", u64::from_be_bytes(first))
    }
}

impl fmt::Debug for MaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Whether a text looks like a pseudonym.
pub(crate) fn is_pseudonym(text: &str) -> bool {
    text.strip_prefix(MARK).is_some_and(|digits| {
        digits.len() == HEX_DIGITS && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// Whether a value's JSON text stands for one that is not to be stored.
pub(crate) fn is_dropped(raw: &str) -> bool {
    raw == DROPPED
}

/// What is done with a property.
#[derive(Debug)]
pub(crate) enum Edit {
    /// This JSON text is put in its place.
    Replace(String),
    /// It is left out.
    Drop,
}

/// The object with these edits, each with the place of its property, in order; none if there are
/// none.
pub(crate) fn edited(properties: &Properties<'_>, edits: Vec<(usize, Edit)>) -> Option<String> {
    if edits.is_empty() {
        return None;
    }
    let bytes = properties.iter().map(|(name, raw)| name.len() + raw.len() + 4).sum::<usize>();
    let mut text = String::with_capacity(bytes + 16 * edits.len());
    let mut edits = edits.into_iter().peekable();
    text.push('{');
    for (at, (name, raw)) in properties.iter().enumerate() {
        let edit = edits.next_if(|(place, _)| *place == at).map(|(_, edit)| edit);
        let value = match &edit {
            Some(Edit::Drop) => continue,
            Some(Edit::Replace(value)) => value,
            None => raw,
        };
        if text.len() > 1 {
            text.push(',');
        }
        push_json_text(&mut text, name);
        text.push(':');
        text.push_str(value);
    }
    text.push('}');
    Some(text)
}

/// Names rarely need an escape.
fn push_json_text(to: &mut String, text: &str) {
    if text.bytes().any(|b| b < b' ' || matches!(b, b'"' | b'\\')) {
        to.push_str(&json_text(text));
    } else {
        to.push('"');
        to.push_str(text);
        to.push('"');
    }
}

impl TrackingPlan {
    /// Masks the personal values in any JSON text: of every object in it, at any depth, the members
    /// that are named like a personal attribute. For what is kept of refused events. Borrows the
    /// text where there are none; none if the text is no JSON, although the app has personal
    /// attributes: then nothing of it can be kept.
    pub fn mask_all<'a>(&self, json: &'a str) -> Option<Cow<'a, str>> {
        if !self.has_personal {
            return Some(Cow::Borrowed(json));
        }
        let wanted = |name: &str| self.personal(name).is_some();
        edit_members(json, wanted, |name, value| {
            Some(match self.protection(self.personal(name)?, value)? {
                Edit::Replace(value) => value.into(),
                Edit::Drop => DROPPED.into(),
            })
        })
    }

    /// Whether values of some attribute must not be stored as they are.
    pub fn has_personal(&self) -> bool {
        self.has_personal
    }

    /// The personal attribute of this name.
    fn personal(&self, name: &str) -> Option<&ExpectedAttribute> {
        self.attributes.get(name).filter(|a| a.personal != Personal::Keep)
    }

    /// The object without personal values; none if it has none.
    pub(crate) fn protected(&self, properties: &Properties<'_>) -> Option<String> {
        let edit = |(at, (name, raw)): (usize, (&str, &str))| {
            let edit = match self.attributes.get(name) {
                Some(_) if is_dropped(raw) => Some(Edit::Drop),
                Some(attribute) => self.protection(attribute, raw),
                None => self.protected_inside(name, raw),
            };
            edit.map(|edit| (at, edit))
        };
        edited(properties, properties.iter().enumerate().filter_map(edit).collect())
    }

    /// The same for a person's attributes, which some client libraries send as an object of its own
    /// (`$set`, `$set_once`).
    pub(crate) fn protected_inside(&self, name: &str, raw: &str) -> Option<Edit> {
        if !self.has_personal || !name.starts_with("$set") || !raw.starts_with('{') {
            return None;
        }
        let inner = Properties::parse(raw).ok()?;
        let edit = |(at, (name, raw)): (usize, (&str, &str))| {
            Some((at, self.protection(self.attributes.get(name)?, raw)?))
        };
        edited(&inner, inner.iter().enumerate().filter_map(edit).collect()).map(Edit::Replace)
    }

    /// What is put in place of an attribute's value before it is stored; none if it stays.
    pub(crate) fn protection(&self, attribute: &ExpectedAttribute, raw: &str) -> Option<Edit> {
        match attribute.personal {
            Personal::Keep => None,
            _ if raw == "null" || raw == "\"\"" => None,
            Personal::Drop => Some(Edit::Drop),
            Personal::Mask => Some(Edit::Replace(self.pseudonyms(attribute.kind, raw))),
        }
    }

    /// A value's pseudonym as JSON text. Values that are equal as the attribute's type have equal
    /// ones, `12` and `"12"` for example. One of another type is taken as the text it is.
    fn pseudonyms(&self, kind: AttributeType, raw: &str) -> String {
        let one = |text: &str| self.mask_key.pseudonym(text);
        if kind == AttributeType::StringList {
            return match read(raw, kind) {
                Reading::Fits(Value::Many(texts)) | Reading::Converted(Value::Many(texts), _) => {
                    let masked: Vec<String> = texts.iter().map(|text| one(text)).collect();
                    json_list(&masked)
                }
                Reading::NotSet => raw.to_owned(),
                _ => json_list(&[one(raw)]),
            };
        }
        match coerce(raw, AttributeType::String) {
            Some(Scalar::Text(text)) => json_text(&one(&text)),
            _ => json_text(&one(raw)),
        }
    }
}
