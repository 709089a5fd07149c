use std::borrow::Cow;

use base64::Engine as _;
use http::{HeaderMap, Method, header};

use crate::encoding::LENIENT_BASE64;

/// The head of a request: all of it but the body.
#[derive(Debug, Clone, Copy)]
pub struct Head<'r> {
    /// GET, POST or OPTIONS.
    pub method: &'r Method,
    /// The path, as sent.
    pub path: &'r str,
    /// What follows the `?`; empty if nothing does.
    pub query: &'r str,
    /// The headers.
    pub headers: &'r HeaderMap,
}

impl<'r> Head<'r> {
    /// A header's text; none if it is absent or not text.
    pub fn header(&self, name: impl header::AsHeaderName) -> Option<&'r str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The first value of a query parameter, decoded.
    pub fn query_value(&self, name: &str) -> Option<Cow<'r, str>> {
        form_urlencoded::parse(self.query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The media type without its parameters, in lower case; empty if the client named none.
    pub fn media_type(&self) -> String {
        let given = self.header(header::CONTENT_TYPE).unwrap_or("");
        given.split(';').next().unwrap_or("").trim().to_ascii_lowercase()
    }

    /// The secret of `Authorization: Bearer SECRET`, or the user name of `Basic`.
    pub fn authorization(&self) -> Option<String> {
        let (scheme, rest) = self.header(header::AUTHORIZATION)?.split_once(' ')?;
        let rest = rest.trim();
        if scheme.eq_ignore_ascii_case("bearer") {
            Some(rest.to_owned())
        } else if scheme.eq_ignore_ascii_case("basic") {
            let decoded = String::from_utf8(LENIENT_BASE64.decode(rest).ok()?).ok()?;
            let (user, _password) = decoded.split_once(':').unwrap_or((&decoded, ""));
            Some(user.to_owned())
        } else {
            None
        }
    }

    /// Whether the head says that the body is gzip.
    pub fn says_gzip(&self) -> bool {
        self.header(header::CONTENT_ENCODING).is_some_and(|v| {
            let v = v.trim();
            v.eq_ignore_ascii_case("gzip") || v.eq_ignore_ascii_case("x-gzip")
        })
    }
}
