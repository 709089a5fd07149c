//! What every fuzz target does: a request's bytes through one path, to events and the reply.
//!
//! The first byte of the input chooses the head (method, gzip, form, query), the rest is the body,
//! so that the fuzzer reaches every transport encoding. A target fails by panicking, by taking more
//! memory than libFuzzer's limit, or by being slow.

mod one_request;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use suanpan_wire::{Head, WireLimits, route};

/// Sends `data` to the path, as [`suanpan_wire::ROUTES`] spells it.
pub fn request(path: &'static str, data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else { return };
    let mut headers = HeaderMap::new();
    if choice & 1 != 0 {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    let types = ["application/json", "text/plain", "application/x-www-form-urlencoded"];
    let media_type = types[usize::from(choice >> 1) % types.len()];
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert("dry-run", HeaderValue::from_static("true"));
    let in_query = choice & 0x40 != 0;
    let (method, query, body) = if in_query {
        (Method::GET, String::from_utf8_lossy(rest).into_owned(), Bytes::new())
    } else {
        (Method::POST, String::from("project=key&verbose=1&gzip=1"), Bytes::copy_from_slice(rest))
    };
    let head = Head { method: &method, path, query: &query, headers: &headers };
    let limits = WireLimits { unpacked_bytes_max: 1 << 20, events_per_request_max: 100 };
    let route = route(path).expect("a target names a path of the routes");
    one_request::send(&head, route, body, &limits, choice & 0x80 != 0);
}
