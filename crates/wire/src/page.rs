//! What the address of a page tells.

use crate::names::{PAGE_PATH, PAGE_URL, UTM_CAMPAIGN, UTM_CONTENT, UTM_MEDIUM, UTM_SOURCE, UTM_TERM};
use crate::object::ObjectWriter;

/// The parameters of campaigns, and the property each is copied to.
const CAMPAIGN: [(&str, &str); 5] = [
    ("utm_source", UTM_SOURCE),
    ("utm_medium", UTM_MEDIUM),
    ("utm_campaign", UTM_CAMPAIGN),
    ("utm_term", UTM_TERM),
    ("utm_content", UTM_CONTENT),
];

/// Adds `$page_url`, `$page_path`, and the address's `$utm_*`. `url` may also be the part behind
/// the host. `is_hash_routed`: the site keeps its routes behind the `#`.
pub(crate) fn add_address(out: &mut ObjectWriter, url: &str, is_hash_routed: bool) {
    let (address, fragment) = url.split_once('#').unwrap_or((url, ""));
    let (place, query) = address.split_once('?').unwrap_or((address, ""));
    let path = match place.split_once("://") {
        Some((_scheme, rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
        None => place,
    };
    out.text(PAGE_URL, url);
    if url.is_empty() {
        return;
    }
    if is_hash_routed && !fragment.is_empty() {
        out.text(PAGE_PATH, &format!("{path}#{fragment}"));
    } else {
        out.text(PAGE_PATH, path);
    }
    let mut missing = CAMPAIGN.to_vec();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if let Some(at) = missing.iter().position(|(parameter, _)| *parameter == name) {
            out.text(missing.swap_remove(at).1, &value);
        }
    }
}

/// The property that a campaign parameter is copied to.
pub(crate) fn campaign_property(parameter: &str) -> Option<&'static str> {
    CAMPAIGN.iter().find(|(known, _)| *known == parameter).map(|(_, property)| *property)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_tells_path_and_campaign() {
        let check = |url: &str, is_hash_routed: bool, expected: &str| {
            let mut out = ObjectWriter::with_capacity(64);
            add_address(&mut out, url, is_hash_routed);
            assert_eq!(out.finish().unwrap().get(), expected, "{url}");
        };
        check("", false, "{}");
        check("https://h.cn", false, r#"{"$page_url":"https://h.cn","$page_path":"/"}"#);
        check("/a?b=1#c", false, r#"{"$page_url":"/a?b=1#c","$page_path":"/a"}"#);
        check("https://h/#/a", true, r##"{"$page_url":"https://h/#/a","$page_path":"/#/a"}"##);
        check(
            "http://h/p?utm_source=%E5%BE%AE&utm_source=x&q=1",
            false,
            r#"{"$page_url":"http://h/p?utm_source=%E5%BE%AE&utm_source=x&q=1","$page_path":"/p","$utm_source":"微"}"#,
        );
    }
}
