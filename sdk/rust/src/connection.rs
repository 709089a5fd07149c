use std::net::IpAddr;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{ClientBuilder, Url};

use crate::Error;

/// Redirects that are followed at most.
const REDIRECTS_MAX: usize = 5;

/// A client for this server. A proxy that the environment names (`HTTP_PROXY`) is for servers
/// elsewhere: one on this machine would be sought on the proxy's, and handed the secret there.
pub fn http_client(url: &str) -> ClientBuilder {
    // Fails only if a provider is there already, which does as well.
    let _already_there = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder();
    if is_on_this_machine(url) { builder.no_proxy() } else { builder }
}

/// A client that posts: it follows only the redirects that keep method and body.
pub(crate) fn posting_client(
    host: &str,
    user_agent: &str,
    (connect, answer): (Duration, Duration),
) -> Result<reqwest::Client, Error> {
    let redirects = Policy::custom(|attempt| {
        let keeps_body = matches!(attempt.status().as_u16(), 307 | 308);
        if keeps_body && attempt.previous().len() <= REDIRECTS_MAX {
            attempt.follow()
        } else {
            attempt.stop()
        }
    });
    http_client(host)
        .redirect(redirects)
        .connect_timeout(connect)
        .timeout(answer)
        .user_agent(user_agent)
        .build()
        .map_err(|error| Error::Config { option: "host", rule: format!("allows no HTTP client: {error}") })
}

/// The endpoint of a host.
pub(crate) fn endpoint(host: &str) -> Result<Url, Error> {
    let wrong = |why: &str| Error::Config { option: "host", rule: format!("'{host}' {why}") };
    let text = format!("{}/v1/events", host.trim_end_matches('/'));
    let url = Url::parse(&text).map_err(|error| wrong(&format!("is no URL: {error}")))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        _ => Err(wrong("must begin with https:// or http://")),
    }
}

fn is_on_this_machine(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.map_or(host.trim_end_matches('.') == "localhost", |address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_hosts_are_on_this_machine() {
        let check = |url: &str, expected: bool| assert_eq!(is_on_this_machine(url), expected, "{url}");
        check("http://127.0.0.1:8765", true);
        check("http://127.9.0.1/v1", true);
        check("http://[::1]:8765", true);
        check("http://[::ffff:127.0.0.1]", true);
        check("HTTP://LocalHost:1", true);
        check("http://localhost.", true);
        check("http://localhost.example.org", false);
        check("http://127.0.0.1.example.org", false);
        check("http://10.0.0.1", false);
        check("http://[2001:db8::1]", false);
        check("https://127.0.0.1@example.org", false);
        check("no URL", false);
    }

    #[test]
    fn a_host_is_an_address_of_the_web() {
        let check = |host: &str, expected: Option<&str>| {
            assert_eq!(endpoint(host).ok().as_ref().map(Url::as_str), expected, "{host}");
        };
        check("http://127.0.0.1:8765", Some("http://127.0.0.1:8765/v1/events"));
        check("https://a.example/suanpan/", Some("https://a.example/suanpan/v1/events"));
        check("a.example:443", None);
        check("ftp://a.example", None);
        check("", None);
    }
}
