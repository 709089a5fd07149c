//! Origins of web pages: a scheme, a host, perhaps a port; `*.` before the host stands for every
//! host below it.

use crate::{CatalogError, Result};

/// Bytes of an origin: a host has 253 at most.
const ORIGIN_BYTES_MAX: usize = 300;

/// An origin as it is stored: `*`, or in lower case without the slash at its end.
pub(crate) fn normal(written: &str) -> Result<String> {
    let origin = written.trim().trim_end_matches('/').to_ascii_lowercase();
    if origin == "*" {
        return Ok(origin);
    }
    let fits = origin.len() <= ORIGIN_BYTES_MAX
        && parts(&origin).is_some_and(|(_, host, port)| {
            is_host(host.strip_prefix("*.").unwrap_or(host)) && port.is_none_or(is_port)
        });
    if fits {
        return Ok(origin);
    }
    let shown: String = written.chars().take(60).collect();
    let message = format!(
        "{shown:?} is no origin; valid are \"*\", \"https://shop.example\", \"https://*.example\" and \
         \"http://localhost:3000\""
    );
    Err(CatalogError::invalid("allowed_origins", message))
}

/// Whether a stored origin allows a request's.
pub(crate) fn matches(allowed: &str, origin: &str) -> bool {
    if allowed == "*" || allowed.eq_ignore_ascii_case(origin) {
        return true;
    }
    let Some((scheme, host, port)) = parts(allowed) else { return false };
    let Some((other_scheme, other_host, other_port)) = parts(origin) else { return false };
    // What the star stands for is at least one letter and the dot that `parent` begins with.
    let is_below = |parent: &str| {
        let Some(at) = other_host.len().checked_sub(parent.len()).filter(|at| *at > 0) else { return false };
        other_host.get(at..).is_some_and(|end| end.eq_ignore_ascii_case(parent))
    };
    scheme.eq_ignore_ascii_case(other_scheme)
        && port == other_port
        && host.strip_prefix('*').is_some_and(is_below)
}

/// Scheme, host and port.
fn parts(origin: &str) -> Option<(&str, &str, Option<&str>)> {
    let (scheme, rest) = origin.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
        return None;
    }
    match rest.rsplit_once(':').filter(|_| !rest.ends_with(']')) {
        Some((host, port)) => Some((scheme, host, Some(port))),
        None => Some((scheme, rest, None)),
    }
}

fn is_host(host: &str) -> bool {
    let inner = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    match inner {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            let is_letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
            !host.is_empty() && host.split('.').all(|part| !part.is_empty() && part.bytes().all(is_letter))
        }
    }
}

fn is_port(port: &str) -> bool {
    port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_told_from_other_texts() {
        let check = |written: &str, expected: Option<&str>| {
            assert_eq!(normal(written).ok().as_deref(), expected, "{written}");
        };
        check("*", Some("*"));
        check("https://Shop.Example/", Some("https://shop.example"));
        check("http://localhost:3000", Some("http://localhost:3000"));
        check("http://[::1]:3000", Some("http://[::1]:3000"));
        check("https://*.shop.example", Some("https://*.shop.example"));
        check("https://xn--fiqs8s", Some("https://xn--fiqs8s"));
        check("shop.example", None);
        check("https://", None);
        check("https://*", None);
        check("https://a.*.example", None);
        check("https://shop.example/path", None);
        check("https://shop.example:0", None);
        check("https://shop.example:https", None);
        check("ftp://shop.example", None);
        check("https://me@shop.example", None);
        check("null", None);
    }

    #[test]
    fn a_star_stands_for_hosts_below() {
        let check = |allowed: &str, origin: &str, expected: bool| {
            assert_eq!(matches(allowed, origin), expected, "{allowed} {origin}");
        };
        check("*", "null", true);
        check("https://shop.example", "https://SHOP.example", true);
        check("https://shop.example", "http://shop.example", false);
        check("https://shop.example", "https://shop.example:8443", false);
        check("https://*.example", "https://a.b.example", true);
        check("https://*.example", "https://example", false);
        check("https://*.example", "https://.example", false);
        check("https://*.example", "https://badexample", false);
        check("https://*.example:8443", "https://a.example:8443", true);
        check("https://*.example:8443", "https://a.example", false);
        check("https://*.example", "https://a.example.evil", false);
        check("https://*.example", "价.example", false);
        check("https://*.example", "https://价.example", true);
    }
}
