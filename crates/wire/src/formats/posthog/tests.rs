use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzEncoder;
use proptest::prelude::*;
use serde_json::json;

use super::POSTHOG;
use crate::formats::posthog_v1::POSTHOG_V1;
use crate::formats::testing::{Request, format_at, nearly_right, refused, report, survive, told};
use crate::{Format as _, Identifier, SentAt};

/// What posthog-node 5.70.0 posts, one call of each kind.
const NODE: &str = r#"{"api_key":"KEY","batch":[
{"event":"Order","properties":{"price":1.50,"big":9007199254740993,"s":"é\"店😀","nested":{"a":[1,{"b":null}]},"nul":null,"$set":{"a":1},"$set_once":{"b":2},"$ip":"1.2.3.4","$current_url":"http://x/y","$groups":{"company":"c1"},"$lib":"posthog-node","$lib_version":"5.70.0","$is_server":true,"$geoip_disable":true},"timestamp":"2026-11-22T10:00:00.000Z","uuid":"01a204a7-d048-7e50-bdf5-4c367342b61f","distinct_id":"u1"},
{"event":"$identify","properties":{"$set":{"name":"N"},"$set_once":{},"$lib":"posthog-node","$lib_version":"5.70.0","$is_server":true},"timestamp":"2026-11-22T10:00:00.000Z","uuid":"2","distinct_id":"u1"},
{"event":"$create_alias","properties":{"distinct_id":"u1","alias":"a1","$lib":"posthog-node"},"timestamp":"2026-11-22T10:00:00.000Z","uuid":"3","distinct_id":"u1"},
{"event":"$groupidentify","properties":{"$group_type":"company","$group_key":"c1","$group_set":{"n":1},"$lib":"posthog-node"},"timestamp":"2026-11-22T10:00:00.000Z","uuid":"4","distinct_id":"$company_c1"},
{"event":"anon","properties":{"$process_person_profile":false,"$lib":"posthog-node"},"timestamp":"2026-11-22T10:00:00.000Z","uuid":"5","distinct_id":"01a204a7-d03e-74fb-9f4b-e2949afafb60"}
],"sent_at":"2026-11-22T19:07:16.439Z"}"#;

/// What posthog-python 7.91.1 posts: attributes of the person beside the properties, numbers of
/// any size.
const PYTHON: &str = r#"{"batch": [{"timestamp": "2026-11-22T10:00:00.116771+00:00", "distinct_id": "u1", "$set": {"n": 1}, "event": "$set", "properties": {"$lib": "posthog-python", "$lib_version": "7.91.1", "$is_server": true}, "uuid": "9942c687-65c7-4482-a284-7d3eecb1bd64"}, {"event": "$groupidentify", "properties": {"$group_type": "company", "$group_key": "c", "$group_set": {"x": 1}, "$lib": "posthog-python", "$lib_version": "7.91.1", "$is_server": true}, "distinct_id": "5d71ac23-d536-4beb-a80d-f67d331d0554", "timestamp": "2026-11-22T10:00:00+00:00", "uuid": "6"}, {"properties": {"big": 9007199254740993, "huge": 123456789012345678901, "s": "\u5e97\ud83d\ude00", "$lib": "posthog-python", "$lib_version": "7.91.1"}, "timestamp": "2026-11-22T10:00:00+00:00", "distinct_id": "u1", "event": "Order", "uuid": "7"}], "historical_migration": false, "sent_at": "2026-11-22T19:07:56.117561+00:00", "api_key": "KEY"}"#;

/// What posthog-go 1.5.2 posts: empty ids, the person of an alias among the properties alone.
const GO: &str = r#"{"api_key":"KEY","batch":[{"type":"capture","uuid":"","library":"posthog-go","library_version":"1.5.2","timestamp":"2026-11-22T10:00:00.123456789Z","distinct_id":"u1","event":"Order","properties":{"$lib":"posthog-go","$lib_version":"1.5.2","big":9007199254740993},"send_feature_flags":false},{"type":"identify","library":"posthog-go","library_version":"1.5.2","timestamp":"2026-11-22T10:00:00Z","event":"$identify","distinct_id":"u1","properties":{"$lib":"posthog-go","$lib_version":"1.5.2"},"$set":{"n":1}},{"type":"alias","library":"posthog-go","library_version":"1.5.2","timestamp":"2026-11-22T10:00:00Z","properties":{"distinct_id":"u1","alias":"a1"},"event":"$create_alias"}]}"#;

/// What posthog-js 1.449.2 posts to /e/, unpacked and shortened.
const BROWSER: &str = r#"{"api_key":"KEY","batch":[
{"uuid":"01a204aa-e1f2-7ced-b67d-a41fe6d8bd99","event":"$pageview","properties":{"$os":"Linux","$timezone":"UTC","$current_url":"http://h/w/ph.html?utm_source=s","$pathname":"/w/ph.html","$raw_user_agent":"Mozilla/5.0","$browser_language":"en-US","$lib":"web","$lib_version":"1.449.2","$insert_id":"iacl","$time":1795374637.554,"distinct_id":"anon-1","$device_id":"anon-1","$referrer":"$direct","utm_source":"s","title":"T","token":"KEY","$session_id":"s-1","$is_identified":false,"$process_person_profile":true},"timestamp":"2026-11-22T10:00:00.000Z"},
{"uuid":"2","event":"$identify","properties":{"distinct_id":"u1","$device_id":"anon-1","$user_id":"u1","$anon_distinct_id":"anon-1","token":"KEY","$is_identified":true,"$lib":"web","$lib_version":"1.449.2","$set":{"name":"M","age":3}},"$set":{"name":"N"},"$set_once":{"first":1},"timestamp":"2026-11-22T10:00:00.000Z"},
{"uuid":"3","event":"After","properties":{"distinct_id":"u1","$device_id":"anon-1","$user_id":"u1","token":"KEY","$is_identified":true},"timestamp":"2026-11-22T10:00:00.000Z"}
],"sent_at":"2026-11-22T19:10:37.556Z"}"#;

/// What posthog-node 5.70.0 posts in its new mode.
const V1: &str = r#"{"created_at":"2026-11-22T19:07:16.843Z","batch":[{"event":"Order","uuid":"01a204a7-d1d9-7d48-b76c-f8022c6dc8a7","distinct_id":"u1","timestamp":"2026-11-22T10:00:00.000Z","options":{},"session_id":"s1","window_id":"w1","properties":{"price":1.5,"$is_server":true}},{"event":"","uuid":"01A204A7-D1D9-7D48-B76C-F8022C6DC8A8","distinct_id":"u1","timestamp":"2026-11-22T10:00:00.000Z","options":{},"properties":{}},{"event":"E","uuid":"3","distinct_id":["x"],"options":{},"properties":{}},{"event":"anon","uuid":"4","distinct_id":"r","timestamp":"2026-11-22T10:00:00.000Z","options":{"process_person_profile":false},"properties":{}}]}"#;

const HOUR_TEN_MS: i64 = 1_795_341_600_000;

fn gzip(text: &str) -> Vec<u8> {
    let mut packed = Vec::new();
    GzEncoder::new(text.as_bytes(), Compression::default()).read_to_end(&mut packed).unwrap();
    packed
}

#[test]
fn each_call_becomes_its_event() {
    Request::post("/batch/", NODE).check(
        &POSTHOG,
        &[
            r#"{"event":"Order","time":1795341600000,"user_id":"u1","library":"posthog-node/5.70.0","properties":{"price":1.50,"big":9007199254740993,"s":"é\"店😀","nested":{"a":[1,{"b":null}]},"nul":null,"$set":{"a":1},"$set_once":{"b":2},"$ip":"1.2.3.4","$current_url":"http://x/y","$groups":{"company":"c1"},"$lib":"posthog-node","$lib_version":"5.70.0","$is_server":true,"$geoip_disable":true,"$page_url":"http://x/y"}}"#,
            r#"{"event":"$identify","time":1795341600000,"user_id":"u1","library":"posthog-node/5.70.0","properties":{"$set":{"name":"N"},"$set_once":{},"$lib":"posthog-node","$lib_version":"5.70.0","$is_server":true}}"#,
            r#"{"event":"$alias","time":1795341600000,"user_id":"u1","linked_id":"a1","library":"posthog-node","properties":{"alias":"a1","$lib":"posthog-node"}}"#,
            r#"{"event":"$group","time":1795341600000,"library":"posthog-node","about_nobody":true,"properties":{"$group_type":"company","$group_key":"c1","$group_set":{"n":1},"$lib":"posthog-node"}}"#,
            r#"{"event":"anon","time":1795341600000,"device_id":"01a204a7-d03e-74fb-9f4b-e2949afafb60","library":"posthog-node","properties":{"$process_person_profile":false,"$lib":"posthog-node"}}"#,
        ],
    );
    let read = Request::post("/batch/", NODE).read(&POSTHOG, |batch| {
        assert_eq!(batch.key.as_deref(), Some("KEY"));
        assert_eq!(batch.events[0].as_ref().unwrap().ip, Some("1.2.3.4".parse().unwrap()));
    });
    read.unwrap();
}

#[test]
fn all_libraries_are_understood() {
    Request::post("/batch/", PYTHON).check(
        &POSTHOG,
        &[
            r#"{"event":"$identify","time":1795341600116,"user_id":"u1","library":"posthog-python/7.91.1","properties":{"$lib": "posthog-python", "$lib_version": "7.91.1", "$is_server": true,"$set":{"n": 1}}}"#,
            r#"{"event":"$group","time":1795341600000,"library":"posthog-python/7.91.1","about_nobody":true,"properties":{"$group_type": "company", "$group_key": "c", "$group_set": {"x": 1}, "$lib": "posthog-python", "$lib_version": "7.91.1", "$is_server": true}}"#,
            r#"{"event":"Order","time":1795341600000,"user_id":"u1","library":"posthog-python/7.91.1","properties":{"big": 9007199254740993, "huge": 123456789012345678901, "s": "\u5e97\ud83d\ude00", "$lib": "posthog-python", "$lib_version": "7.91.1"}}"#,
        ],
    );
    Request::post("/batch/", GO).check(
        &POSTHOG,
        &[
            r#"{"event":"Order","time":1795341600123,"user_id":"u1","library":"posthog-go/1.5.2","properties":{"$lib":"posthog-go","$lib_version":"1.5.2","big":9007199254740993}}"#,
            r#"{"event":"$identify","time":1795341600000,"user_id":"u1","library":"posthog-go/1.5.2","properties":{"$lib":"posthog-go","$lib_version":"1.5.2","$set":{"n":1}}}"#,
            r#"{"event":"$alias","time":1795341600000,"user_id":"u1","linked_id":"a1","library":"posthog-go/1.5.2","properties":{"alias":"a1"}}"#,
        ],
    );
    Request::post("/e/", BROWSER).check(
        &POSTHOG,
        &[
            r#"{"event":"$pageview","time":1795341600000,"device_id":"anon-1","session_id":"s-1","platform":"web","library":"web/1.449.2","properties":{"$os":"Linux","$timezone":"UTC","$current_url":"http://h/w/ph.html?utm_source=s","$pathname":"/w/ph.html","$raw_user_agent":"Mozilla/5.0","$browser_language":"en-US","$lib":"web","$lib_version":"1.449.2","$insert_id":"iacl","$time":1795374637.554,"$device_id":"anon-1","$referrer":"$direct","utm_source":"s","title":"T","$session_id":"s-1","$is_identified":false,"$process_person_profile":true,"$page_url":"http://h/w/ph.html?utm_source=s","$page_path":"/w/ph.html","$page_title":"T","$utm_source":"s","$locale":"en-US"}}"#,
            r#"{"event":"$identify","time":1795341600000,"user_id":"u1","device_id":"anon-1","linked_id":"anon-1","platform":"web","library":"web/1.449.2","properties":{"$device_id":"anon-1","$user_id":"u1","$anon_distinct_id":"anon-1","$is_identified":true,"$lib":"web","$lib_version":"1.449.2","$set":{"name":"N","age":3},"$set_once":{"first":1}}}"#,
            r#"{"event":"After","time":1795341600000,"user_id":"u1","device_id":"anon-1","properties":{"$device_id":"anon-1","$user_id":"u1","$is_identified":true}}"#,
        ],
    );
}

#[test]
fn a_title_is_the_pages_only_where_a_page_was_seen() {
    let check = |event: &str, expected: &str| {
        let body = format!(r#"{{"event":"{event}","distinct_id":"u","properties":{{"title":"T"}}}}"#);
        Request::post("/e/", body).check(&POSTHOG, &[expected]);
    };
    check("$pageview", r#"{"event":"$pageview","user_id":"u","properties":{"title":"T","$page_title":"T"}}"#);
    check("Order", r#"{"event":"Order","user_id":"u","properties":{"title":"T"}}"#);
}

#[test]
fn a_person_is_known_or_anonymous_by_these_signs() {
    let check = |event: &str, properties: &str, expected: [&str; 3]| {
        let body =
            format!(r#"{{"token":"k","event":"{event}","distinct_id":"x","properties":{properties}}}"#);
        let read = Request::post("/capture/", body.as_str()).read(&POSTHOG, |batch| {
            let draft = batch.events[0].as_ref().unwrap();
            [&draft.user_id, &draft.device_id, &draft.linked_id].map(ToString::to_string)
        });
        assert_eq!(read.unwrap(), expected, "{event} {properties}");
    };
    check("E", "{}", ["x", "", ""]);
    check("E", r#"{"$device_id":"d"}"#, ["x", "d", ""]);
    check("E", r#"{"$device_id":"x"}"#, ["", "x", ""]);
    check("E", r#"{"$device_id":"x","$user_id":"x"}"#, ["x", "x", ""]);
    check("E", r#"{"$is_identified":true,"$device_id":"d"}"#, ["x", "d", ""]);
    check("E", r#"{"$is_identified":false,"$device_id":"d"}"#, ["", "x", ""]);
    check("E", r#"{"$process_person_profile":false}"#, ["", "x", ""]);
    check("$identify", r#"{"$anon_distinct_id":"a"}"#, ["x", "a", "a"]);
    check("$identify", r#"{"$anon_distinct_id":"x"}"#, ["x", "x", ""]);
    check("$create_alias", r#"{"alias":"b"}"#, ["x", "", "b"]);
    check("$create_alias", r#"{"alias":"b","$is_identified":false}"#, ["", "x", "b"]);
    check("$merge_dangerously", r#"{"alias":"b"}"#, ["x", "", "b"]);
}

#[test]
fn a_body_is_read_whatever_is_around_it() {
    let json = r#"{"api_key":"KEY","event":"E+/?~店","distinct_id":"u","properties":{"token":"T"}}"#;
    let base64 = STANDARD.encode(json);
    let escaped: String = form_urlencoded::byte_serialize(base64.as_bytes()).collect();
    let packed_base64 = STANDARD.encode(gzip(json));
    let packed_escaped: String = form_urlencoded::byte_serialize(packed_base64.as_bytes()).collect();
    let expected = r#"{"event":"E+/?~店","user_id":"u","properties":{}}"#;
    for request in [
        Request::post("/e/", json),
        Request::post("/e/", format!("[{json}]")),
        Request::post("/e/", format!(" {{\"batch\":[{json}]}}")),
        // posthog-js, once it has its configuration: gzip that nobody announces.
        Request::post("/e/?compression=gzip-js", gzip(json)).with("content-type", "text/plain"),
        Request::post("/e/", gzip(json)).with("content-encoding", "gzip"),
        Request::post("/e/?compression=base64", base64.clone()),
        Request::post("/e/?compression=base64", format!("data={escaped}")),
        Request::post("/e/?compression=base64", format!("data={base64}")),
        Request::post("/e/", format!("data={packed_escaped}&ip=1")),
        Request::post("/e/", packed_base64.trim_end_matches('=').to_owned()),
        Request::get(&format!("/e/?ip=1&data={escaped}")),
    ] {
        request.check(&POSTHOG, &[expected]);
        let read = request.read(&POSTHOG, |batch| batch.key.as_deref().map(ToOwned::to_owned)).unwrap();
        assert_eq!(read.as_deref(), Some("KEY"));
    }
    let bomb = gzip(&" ".repeat(crate::WireLimits::default().unpacked_bytes_max + 1));
    let refused = Request::post("/e/", STANDARD.encode(bomb)).read(&POSTHOG, |_| ()).unwrap_err();
    assert_eq!(refused.code, "body_too_large");
}

#[test]
fn the_key_may_stand_in_the_event() {
    for event in [
        r#"{"event":"E","api_key":"K","properties":{"token":"other"}}"#,
        r#"{"event":"E","properties":{"token":"K"}}"#,
    ] {
        let request = Request::post("/e/", format!("[{event}]"));
        let key = request.read(&POSTHOG, |batch| batch.key.as_deref().map(ToOwned::to_owned));
        assert_eq!(key.unwrap().as_deref(), Some("K"), "{event}");
    }
}

#[test]
fn times_are_read_as_the_clients_mean_them() {
    let check = |target: &str, event: &str, expected: Option<i64>| {
        let time =
            Request::post(target, event).read(&POSTHOG, |batch| batch.events[0].as_ref().unwrap().time_ms);
        assert_eq!(time.unwrap(), expected, "{event}");
    };
    check("/e/", r#"{"event":"E","timestamp":"2026-11-22T18:00:00+08:00"}"#, Some(HOUR_TEN_MS));
    check("/e/", r#"{"event":"E","timestamp":"2026-11-22T10:00:00.000"}"#, Some(HOUR_TEN_MS));
    check("/e/", r#"{"event":"E","offset":1000,"sent_at":"2026-11-22T10:00:01Z"}"#, Some(HOUR_TEN_MS));
    check("/e/?_=1795341601000", r#"{"event":"E","offset":1000}"#, Some(HOUR_TEN_MS));
    check("/e/", r#"{"event":"E","offset":1000}"#, None);
    check("/e/", r#"{"event":"E"}"#, None);
    Request::post("/e/", r#"{"event":"E","timestamp":"soon"}"#).check(&POSTHOG, &["time_invalid timestamp"]);
}

#[test]
fn a_send_time_that_may_be_stale_is_marked() {
    let check = |request: Request, format: &dyn crate::Format, is_fresh: bool| {
        let sent_at = request.read(format, |batch| batch.sent_at).unwrap().unwrap();
        assert_eq!(sent_at.is_fresh, is_fresh);
        sent_at.ms
    };
    check(Request::post("/batch/", NODE), &POSTHOG, false);
    check(Request::post("/batch/", PYTHON), &POSTHOG, true);
    check(Request::post("/e/", BROWSER), &POSTHOG, true);
    let created_ms = check(Request::post("/i/v1/analytics/events", V1), &POSTHOG_V1, false);
    let second_try = Request::post("/i/v1/analytics/events", V1)
        .with("posthog-request-timestamp", "2026-11-22T19:09:00.000000+00:00");
    assert!(check(second_try, &POSTHOG_V1, true) > created_ms);
    let none = Request::post("/batch/", GO).read(&POSTHOG, |batch| batch.sent_at).unwrap();
    assert_eq!(none, None::<SentAt>);
}

#[test]
fn an_empty_id_is_none() {
    let ids = Request::post("/batch/", GO).read(&POSTHOG, |batch| {
        let app_id = "shop".parse().unwrap();
        let id = |at: usize| batch.events[at].as_ref().unwrap().event_id(&app_id).unwrap();
        assert!(matches!(&batch.events[0].as_ref().unwrap().id, Identifier::Named(id) if id.is_empty()));
        [id(0), id(1)]
    });
    let [first, second] = ids.unwrap();
    assert_ne!(first, second);
    assert_eq!(first.get_version_num(), 5);
    let body = r#"{"event":"E","uuid":"","properties":{"$insert_id":"i-1"}}"#;
    let read = Request::post("/e/", body).read(&POSTHOG, |batch| {
        assert!(matches!(&batch.events[0].as_ref().unwrap().id, Identifier::Named(id) if id == "i-1"));
    });
    read.unwrap();
}

#[test]
fn replies_keep_data_while_it_may_be_taken() {
    let batch = Request::post("/batch/", NODE);
    let success =
        batch.read(&POSTHOG, |read| told(&POSTHOG.reply(&batch.head(), read, &report(read, HOUR_TEN_MS))));
    assert_eq!(success.unwrap(), (200, r#"{"status":1}"#.to_owned()));
    // The browser's client forgets its data on any 4xx, so quotas are told as 503.
    for (status, expected) in
        [(503, 503), (429, 503), (408, 503), (500, 503), (400, 400), (401, 401), (413, 413)]
    {
        assert_eq!(refused(&POSTHOG, &batch, status).0, expected);
        assert_eq!(refused(&POSTHOG_V1, &batch, status).0, expected);
    }
}

#[test]
fn the_newest_clients_hear_of_each_event() {
    let request = Request::post("/i/v1/analytics/events", V1).with("posthog-sdk-info", "posthog-node/5.70.0");
    request.check(
        &POSTHOG_V1,
        &[
            r#"{"event":"Order","time":1795341600000,"user_id":"u1","session_id":"s1","library":"posthog-node/5.70.0","properties":{"price":1.5,"$is_server":true,"$window_id":"w1"}}"#,
            r#"{"time":1795341600000,"user_id":"u1","library":"posthog-node/5.70.0","properties":{}}"#,
            "wrong_type distinct_id",
            r#"{"event":"anon","time":1795341600000,"device_id":"r","library":"posthog-node/5.70.0","properties":{}}"#,
        ],
    );
    let reply = request.read(&POSTHOG_V1, |batch| {
        told(&POSTHOG_V1.reply(&request.head(), batch, &report(batch, HOUR_TEN_MS)))
    });
    let (status, body) = reply.unwrap();
    assert_eq!(status, 200);
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        body,
        json!({"results": {
            "01a204a7-d1d9-7d48-b76c-f8022c6dc8a7": {"result": "ok"},
            // By the client's own text, not by ours.
            "01A204A7-D1D9-7D48-B76C-F8022C6DC8A8":
                {"result": "drop", "details": "every event needs a name, a text that is not empty"},
            "3": {"result": "drop", "details": "distinct_id must be a text, not an array"},
            "4": {"result": "ok"},
        }})
    );
}

#[test]
fn each_path_has_its_format() {
    for path in [
        "/batch/",
        "/batch",
        "/capture",
        "/capture/",
        "/e",
        "/e/",
        "/i/v0/e",
        "/i/v0/e/",
        "/i/v1/analytics/events",
    ] {
        assert_eq!(format_at(&Request::post(path, NODE)), "posthog", "{path}");
    }
    for path in ["/flags/", "/flags", "/decide/", "/array/{key}/config", "/array/{key}/config.js"] {
        assert_eq!(format_at(&Request::post(path, "")), "document", "{path}");
    }
}

proptest! {
    #[test]
    fn no_body_breaks_it(request in nearly_right(vec![
        Request::post("/batch/", NODE),
        Request::post("/batch/", PYTHON),
        Request::post("/batch/", GO),
        Request::post("/e/", BROWSER),
        Request::post("/e/", gzip(BROWSER)),
        Request::post("/e/", format!("data={}", STANDARD.encode(BROWSER))),
        Request::post("/i/v1/analytics/events", V1),
    ])) {
        survive(&POSTHOG, &request)?;
        survive(&POSTHOG_V1, &request)?;
    }
}
