use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::{Unreadable, WireLimits};

/// More elements than any setting allows are counted, not kept: `[1,1,1,…]` must not cost eight
/// times its size.
const ELEMENTS_KEPT_MAX: usize = 100_000;

/// The elements of a JSON array, each as its text.
#[derive(Debug, Default)]
pub(crate) struct Elements<'a> {
    kept: Vec<&'a RawValue>,
    count: usize,
}

impl<'a> Elements<'a> {
    /// An array of one.
    pub fn one(element: &'a RawValue) -> Self {
        Self { kept: vec![element], count: 1 }
    }

    /// The elements, if there are no more than one request may hold.
    pub fn within(self, limits: &WireLimits) -> Result<Vec<&'a RawValue>, Unreadable> {
        let max = limits.events_per_request_max;
        if self.count > max { Err(Unreadable::too_many_events(self.count, max)) } else { Ok(self.kept) }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Elements<'a> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Kept;
        impl<'de> Visitor<'de> for Kept {
            type Value = Elements<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of events")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Elements<'de>, A::Error> {
                let mut elements = Elements::default();
                while elements.count < ELEMENTS_KEPT_MAX
                    && let Some(element) = array.next_element()?
                {
                    elements.kept.push(element);
                    elements.count += 1;
                }
                while array.next_element::<IgnoredAny>()?.is_some() {
                    elements.count += 1;
                }
                Ok(elements)
            }
        }
        json.deserialize_seq(Kept)
    }
}

/// Reads JSON of a stated shape.
pub(crate) fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Unreadable> {
    serde_json::from_str(text)
        .map_err(|e| Unreadable::malformed(format!("the body is not the JSON expected: {e}")))
}
