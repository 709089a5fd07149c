use proptest::prelude::*;
use serde_json::json;

use super::AMPLITUDE;
use crate::formats::testing::{Request, format_at, nearly_right, refused, report, survive, told};
use crate::{Format as _, Identifier, SentAt};

/// What @amplitude/analytics-node 1.5.73 posts, one call of each kind.
const NODE: &str = r#"{"api_key":"KEY","events":[
{"time":1795341600000,"insert_id":"i-1","event_type":"Order","user_id":"u1","device_id":"d1","ip":"1.2.3.4","app_version":"1.0","platform":"Web","os_name":"Mac","language":"zh","session_id":123,"price":1.50,"quantity":2,"productId":"p","user_properties":{"x":1},"event_properties":{"price":1.5,"big":9007199254740993,"s":"é\"店😀","nested":{"a":[1,{"b":null}]},"nul":null},"event_id":0,"library":"amplitude-node-ts/1.5.73"},
{"time":1795341600000,"insert_id":"i-2","user_id":"u1","event_type":"$identify","user_properties":{"$set":{"n":1},"$setOnce":{"o":2},"$add":{"c":3},"$append":{"l":"x"},"$unset":{"z":"-","\"q":"-"},"$prepend":{"k":"y"},"$remove":{"m":"q"},"$preInsert":{"p":"w"},"$postInsert":{"v":"v"}},"event_id":1,"library":"amplitude-node-ts/1.5.73"},
{"time":1795341600000,"insert_id":"i-3","user_id":"u1","event_type":"$groupidentify","group_properties":{"$set":{"plan":"p"}},"groups":{"company":"c1"},"event_id":2,"library":"amplitude-node-ts/1.5.73"},
{"time":1795341600000,"insert_id":"i-4","user_id":"u1","event_type":"$identify","user_properties":{"$set":{"company":"c1"}},"groups":{"company":"c1"},"event_id":3,"library":"amplitude-node-ts/1.5.73"},
{"time":1795341600000,"insert_id":"i-5","user_id":"u1","event_type":"revenue_amount","event_properties":{"$productId":"p","$quantity":2,"$price":9.9,"$revenueType":"t"},"event_id":4,"library":"amplitude-node-ts/1.5.73"}
],"options":{},"client_upload_time":"2026-11-22T19:07:53.148Z"}"#;

#[test]
fn each_call_becomes_its_event() {
    Request::post("/2/httpapi", NODE).check(
        &AMPLITUDE,
        &[
            r#"{"event":"Order","time":1795341600000,"user_id":"u1","device_id":"d1","session_id":"123","platform":"web","app_version":"1.0","library":"amplitude-node-ts/1.5.73","properties":{"price":1.5,"big":9007199254740993,"s":"é\"店😀","nested":{"a":[1,{"b":null}]},"nul":null,"$set":{"x":1},"$locale":"zh","$os":"Mac","$price":1.50,"$quantity":2,"$productId":"p"}}"#,
            r#"{"event":"$identify","time":1795341600000,"user_id":"u1","library":"amplitude-node-ts/1.5.73","properties":{"$set_once":{"o":2},"$add":{"c":3},"$append":{"l":"x"},"$unset":["z","\"q"],"$prepend":{"k":"y"},"$remove":{"m":"q"},"$pre_insert":{"p":"w"},"$post_insert":{"v":"v"},"$set":{"n":1}}}"#,
            r#"{"event":"$group","time":1795341600000,"user_id":"u1","library":"amplitude-node-ts/1.5.73","properties":{"$group_type":"company","$group_key":"c1","$group_set":{"plan":"p"},"$groups":{"company":"c1"}}}"#,
            r#"{"event":"$identify","time":1795341600000,"user_id":"u1","library":"amplitude-node-ts/1.5.73","properties":{"$set":{"company":"c1"},"$groups":{"company":"c1"}}}"#,
            r#"{"event":"revenue_amount","time":1795341600000,"user_id":"u1","library":"amplitude-node-ts/1.5.73","properties":{"$productId":"p","$quantity":2,"$price":9.9,"$revenueType":"t"}}"#,
        ],
    );
    let read = Request::post("/2/httpapi", NODE).read(&AMPLITUDE, |batch| {
        assert_eq!(batch.key.as_deref(), Some("KEY"));
        assert_eq!(batch.sent_at, Some(SentAt { ms: 1_795_374_473_148, is_fresh: true }));
        let first = batch.events[0].as_ref().unwrap();
        assert_eq!(first.ip, Some("1.2.3.4".parse().unwrap()));
        assert!(matches!(&first.id, Identifier::Named(id) if id == "i-1"));
    });
    read.unwrap();
}

#[test]
fn events_of_other_shapes_are_understood() {
    let check = |event: &str, expected: &str| {
        Request::post("/batch", format!(r#"{{"api_key":"k","events":[{event}]}}"#))
            .check(&AMPLITUDE, &[expected]);
    };
    check(
        r#"{"event_type":"[Amplitude] Page Viewed","device_id":"d","session_id":-1,"event_properties":{"[Amplitude] Page Location":"http://x/y?q","[Amplitude] Page Path":"/y","[Amplitude] Page Title":"T","referrer":"R","utm_source":"s"}}"#,
        r#"{"event":"$pageview","device_id":"d","properties":{"[Amplitude] Page Location":"http://x/y?q","[Amplitude] Page Path":"/y","[Amplitude] Page Title":"T","referrer":"R","utm_source":"s","$page_url":"http://x/y?q","$page_path":"/y","$page_title":"T","$page_referrer":"R","$utm_source":"s"}}"#,
    );
    check(
        r#"{"event_type":"[Amplitude] Screen Viewed","user_id":"u","event_properties":{"[Amplitude] Screen Name":"Main"}}"#,
        r#"{"event":"$screen","user_id":"u","properties":{"[Amplitude] Screen Name":"Main","$screen_name":"Main"}}"#,
    );
    check(
        r#"{"event_type":"$identify","user_id":"u","device_id":"d","user_properties":{"$clearAll":"-","a":1,"$set":{"b":2}}}"#,
        r#"{"event":"$identify","user_id":"u","device_id":"d","linked_id":"d","properties":{"$delete":true,"$set":{"b":2,"a":1}}}"#,
    );
    check(
        r#"{"event_type":"E","user_id":"u","price":1,"revenue":2,"event_properties":{"$price":3}}"#,
        r#"{"event":"E","user_id":"u","properties":{"$price":3,"$revenue":2}}"#,
    );
    check(
        r#"{"event_type":"$groupidentify","groups":{"company":"c"},"group_properties":{"$setOnce":{"a":1}}}"#,
        r#"{"event":"$group","about_nobody":true,"properties":{"$group_type":"company","$group_key":"c","$group_setOnce":{"a":1},"$groups":{"company":"c"}}}"#,
    );
    check(r#"{"event_type":"E","user_id":"u","event_properties":[]}"#, "wrong_type event_properties");
    check(r#"{"event_type":"E","user_id":"u","time":"now"}"#, "time_invalid time");
    check("7", "malformed ");
}

#[test]
fn the_code_stands_in_the_body() {
    let request = Request::post("/batch", NODE).with("content-length", "1630");
    let success = request.read(&AMPLITUDE, |batch| {
        told(&AMPLITUDE.reply(&request.head(), batch, &report(batch, 1_795_374_435_713)))
    });
    let expected = r#"{"code":200,"events_ingested":5,"payload_size_bytes":1630}"#;
    assert_eq!(success.unwrap(), (200, expected.to_owned()));

    let check = |status: u16, expected: serde_json::Value| {
        let (status, body) = refused(&AMPLITUDE, &request, status);
        assert_eq!(body, expected);
        assert_eq!(json!(status), body["code"]);
    };
    check(503, json!({"code":503,"error":"Some sentence."}));
    check(408, json!({"code":503,"error":"Some sentence."}));
    // After 429 the client drops what the answer does not name.
    check(429, json!({"code":503,"error":"Some sentence."}));
    check(413, json!({"code":413,"error":"Some sentence."}));
    check(401, json!({"code":401,"error":"Invalid API key: Some sentence.","missing_field":"some_code"}));
    check(400, json!({"code":400,"error":"Some sentence.","missing_field":"some_code"}));
}

#[test]
fn each_path_has_its_format() {
    assert_eq!(format_at(&Request::post("/batch", NODE)), "amplitude");
    assert_eq!(format_at(&Request::post("/2/httpapi", NODE)), "amplitude");
}

proptest! {
    #[test]
    fn no_body_breaks_it(request in nearly_right(vec![Request::post("/2/httpapi", NODE)])) {
        survive(&AMPLITUDE, &request)?;
    }
}
