//! Paths at which clients of several families report: the body tells which one it is.

use std::fmt;

use serde::de::{Deserializer as _, Error as _, IgnoredAny, MapAccess, Visitor};

use crate::formats::amplitude::AMPLITUDE;
use crate::formats::mixpanel::MIXPANEL;
use crate::formats::posthog::POSTHOG;
use crate::{Format, Head};

/// `/batch`: Amplitude reports `events` there, PostHog a `batch`.
pub(crate) fn batch(_head: &Head<'_>, body: &[u8]) -> &'static dyn Format {
    match first_of(body, ["events", "batch"]) {
        Some("events") => &AMPLITUDE,
        _ => &POSTHOG,
    }
}

/// `/track`: Mixpanel's, and that of PostHog's old clients, which name their version or packing in the
/// query, or have the key at the top of a JSON body.
pub(crate) fn track(head: &Head<'_>, body: &[u8]) -> &'static dyn Format {
    let is_posthog = ["ver", "compression"].iter().any(|name| head.query_value(name).is_some())
        || first_of(body, ["api_key", "historical_migration"]).is_some();
    if is_posthog { &POSTHOG } else { &MIXPANEL }
}

/// Which of these names comes first at the top of a JSON object; none if the body is no object, or
/// has none of them. Reads no further than that.
fn first_of(body: &[u8], names: [&'static str; 2]) -> Option<&'static str> {
    struct First<'r>([&'static str; 2], &'r mut Option<&'static str>);
    impl<'de> Visitor<'de> for First<'_> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
            while let Some(name) = map.next_key::<String>()? {
                if let Some(found) = self.0.into_iter().find(|known| *known == name) {
                    *self.1 = Some(found);
                    return Err(M::Error::custom("found"));
                }
                map.next_value::<IgnoredAny>()?;
            }
            Ok(())
        }
    }
    let mut found = None;
    let mut json = serde_json::Deserializer::from_slice(body);
    let _found_or_not_to_be_found = json.deserialize_map(First(names, &mut found));
    found
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};

    use super::*;

    #[test]
    fn the_body_tells_whose_batch_it_is() {
        let headers = HeaderMap::new();
        let head = Head { method: &Method::POST, path: "/batch", query: "", headers: &headers };
        let check = |body: &str, expected: &str| {
            assert_eq!(batch(&head, body.as_bytes()).name(), expected, "{body}");
        };
        check(r#"{"api_key":"k","events":[{"batch":1}],"batch":[]}"#, "amplitude");
        check(r#"{"api_key":"k","batch":[{"events":1}],"events":[]}"#, "posthog");
        check(r#"{"batch": [], "sent_at""#, "posthog");
        check("data=eyJhIjoxfQ==", "posthog");
        check("[]", "posthog");
    }

    #[test]
    fn track_is_mixpanel_unless_it_is_an_old_posthog() {
        let headers = HeaderMap::new();
        let check = |query: &str, body: &str, expected: &str| {
            let head = Head { method: &Method::POST, path: "/track", query, headers: &headers };
            assert_eq!(track(&head, body.as_bytes()).name(), expected, "{query} {body}");
        };
        check("", "data=eyJldmVudCI6IkUifQ==", "mixpanel");
        check("ip=0&verbose=0&data=eyJldmVudCI6IkUifQ", "", "mixpanel");
        check("", r#"[{"event":"E","properties":{"token":"k"}}]"#, "mixpanel");
        check("", r#"{"event":"E","properties":{"token":"k","api_key":"x"}}"#, "mixpanel");
        check("compression=base64&ip=1", "data=eyJldmVudCI6IkUifQ==", "posthog");
        check("ver=1.5.0", "data=eyJldmVudCI6IkUifQ==", "posthog");
        check("", r#"{"api_key":"k","event":"E","distinct_id":"d"}"#, "posthog");
    }
}
