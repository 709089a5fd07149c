//! Every decoder against bodies that are made to hurt: none panics, and memory stays within a small
//! multiple of what the limits allow.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a test's result")]

#[path = "../../../fuzz/src/one_request.rs"]
mod one_request;

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderValue, Method, header};
use proptest::prelude::*;
use suanpan_wire::{Head, ROUTES, Route, WireLimits};

const LIMITS: WireLimits = WireLimits { unpacked_bytes_max: 1 << 17, events_per_request_max: 1000 };
/// Bytes allocated at once for a request, as a multiple of the larger of body and limit: the unpacked
/// body, its base64, its events, their records and replies.
const MEMORY_FACTOR: u64 = 24;

/// What a client may say around a body.
#[derive(Debug, Clone, Copy)]
struct Manner {
    method: &'static Method,
    media_type: &'static str,
    says_gzip: bool,
}

const MANNERS: [Manner; 5] = [
    Manner { method: &Method::POST, media_type: "application/json", says_gzip: false },
    Manner { method: &Method::POST, media_type: "application/json", says_gzip: true },
    Manner { method: &Method::POST, media_type: "text/plain", says_gzip: false },
    Manner { method: &Method::POST, media_type: "application/x-www-form-urlencoded", says_gzip: false },
    Manner { method: &Method::GET, media_type: "", says_gzip: false },
];

/// One request through one route.
fn request(path: &'static str, route: Route, manner: Manner, body: &[u8]) {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(manner.media_type));
    if manner.says_gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    let in_query = manner.method == Method::GET;
    let query = if in_query { String::from_utf8_lossy(body).into_owned() } else { "project=k&gzip=1".into() };
    let head = Head { method: manner.method, path, query: &query, headers: &headers };
    let body = if in_query { Bytes::new() } else { Bytes::copy_from_slice(body) };
    one_request::send(&head, route, body, &LIMITS, true);
}

fn everywhere(body: &[u8]) {
    for (path, route) in ROUTES {
        for manner in MANNERS {
            let bound = MEMORY_FACTOR * (LIMITS.unpacked_bytes_max.max(body.len()) as u64);
            let used = allocation_counter::measure(|| request(path, *route, manner, body));
            let start = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
            assert!(
                used.bytes_max <= bound,
                "{path} {manner:?} took {} bytes for {} of {start:?}",
                used.bytes_max,
                body.len()
            );
        }
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

/// A body as each of the transports has it: bare, in a form, base64, gzip, base64 of gzip.
fn in_all_clothes(json: &[u8]) -> Vec<Vec<u8>> {
    let form = |name: &str, value: &str| {
        form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish().into_bytes()
    };
    let (plain, packed) = (STANDARD.encode(json), STANDARD.encode(gzip(json)));
    let mut all = vec![json.to_vec(), gzip(json)];
    for name in ["data", "data_list", "e"] {
        all.push(form(name, &plain));
        all.push(form(name, &packed));
        all.push(form(name, &String::from_utf8_lossy(json)));
    }
    all
}

#[test]
fn bombs_are_defused() {
    everywhere(&gzip(&vec![b' '; 8 << 20]));
    everywhere(&gzip(&gzip(&vec![b'['; 4 << 20])));
    everywhere(format!("data_list={}", STANDARD.encode(gzip(&vec![b'['; 8 << 20]))).as_bytes());
}

#[test]
fn depth_and_numbers_of_keys_cost_no_more_than_their_bytes() {
    let deep = "[".repeat(12_000);
    let objects = "{\"properties\":".repeat(2_000);
    let keys: Vec<String> = (0..2_000).map(|n| format!("\"k{n}\":{n}")).collect();
    let keys = format!("{{{}}}", keys.join(","));
    let shapes = [
        deep.clone(),
        format!("{deep}{}", "]".repeat(12_000)),
        objects,
        keys.clone(),
        format!(r#"{{"event":"e","user_id":"u","properties":{keys}}}"#),
        format!(r#"{{"batch":[{{"type":"track","event":"e","userId":"u","properties":{keys}}}]}}"#),
        format!(r#"[{{"type":"track","event":"e","distinct_id":"u","properties":{keys}}}]"#),
        format!(r#"{{"batch":[{}]}}"#, vec!["{}"; 4_000].join(",")),
        format!("[{}]", vec!["1"; 12_000].join(",")),
    ];
    for shape in &shapes {
        for body in in_all_clothes(shape.as_bytes()) {
            everywhere(&body);
        }
    }
}

#[test]
fn odd_texts_and_numbers_are_taken_or_refused() {
    let values = [
        "NaN",
        "Infinity",
        "1e400",
        "-0",
        "18446744073709551616",
        "9007199254740993",
        "01",
        "\"\\ud800\"",
        "\"\\u0000\"",
        "\"\u{0}\"",
        "{\"a\":1,\"a\":2}",
        "null",
        "[null]",
        "1E+999999999999",
        "\"\u{ffff}\"",
    ];
    let shapes = [
        r#"{"event":V,"user_id":V,"time":V,"properties":{"a":V}}"#,
        r#"{"batch":[{"type":"track","event":"e","userId":V,"timestamp":V,"messageId":V,"properties":{"a":V}}],"sentAt":V}"#,
        r#"{"api_key":V,"batch":[{"event":"e","distinct_id":V,"uuid":V,"timestamp":V,"properties":{"$set":V}}]}"#,
        r#"{"api_key":V,"events":[{"event_type":V,"user_id":V,"time":V,"event_properties":V}]}"#,
        r#"[{"type":"track","event":V,"distinct_id":V,"time":V,"_track_id":V,"properties":V,"lib":V}]"#,
        r#"[{"event":"e","properties":{"token":V,"distinct_id":V,"time":V,"$insert_id":V}}]"#,
        r#"{"data":[{"e":"ue","eid":V,"aid":V,"dtm":V,"stm":V,"ue_pr":V,"uid":V}]}"#,
        r#"{"type":"event","payload":{"website":V,"url":V,"name":V,"data":V}}"#,
        r#"{"n":V,"u":V,"d":V,"p":V}"#,
    ];
    for value in values {
        for shape in shapes {
            for body in in_all_clothes(shape.replace('V', value).as_bytes()) {
                everywhere(&body);
            }
        }
    }
    everywhere(b"\xff\xfe\x00{\"event\"");
    everywhere(b"data=%FF%FE&data_list=%00");
    everywhere(&STANDARD.encode(b"\xed\xa0\xbd\xed\xb1\xa9").into_bytes());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_break_a_decoder(body in prop::collection::vec(any::<u8>(), 0..300)) {
        everywhere(&body);
    }

    #[test]
    fn no_nearly_right_body_breaks_a_decoder(
        json in r#"[\[{]{0,3}("(event|type|batch|events|data|properties|user_id|distinct_id|time|e|n|d|u|p|payload)":)?("[a-z\\u0d8]{0,6}"|-?[0-9]{1,20}|null|\{\}|\[\]|,){1,12}[\]}]{0,3}"#,
        dressed in 0..11_usize,
    ) {
        everywhere(&in_all_clothes(json.as_bytes())[dressed]);
    }
}
