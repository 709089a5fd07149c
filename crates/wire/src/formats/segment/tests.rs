use proptest::prelude::*;
use serde_json::json;

use super::SEGMENT;
use crate::formats::testing::{Request, format_at, nearly_right, refused, report, survive, told};
use crate::{Format as _, Identifier, SentAt};

/// What @segment/analytics-node 3.1.0 posts, one call of each kind.
const NODE: &str = r#"{"batch":[
{"timestamp":"2026-11-22T10:00:00.000Z","integrations":{},"event":"Order","type":"track","properties":{"price":1.50,"big":9007199254740993,"s":"é\"店😀","nested":{"a":[1,{"b":null}]},"nul":null},"context":{"ip":"1.2.3.4","userAgent":"UA","page":{"url":"http://x/y?utm_source=1","path":"/y","title":"T","referrer":"R"},"campaign":{"source":"S","medium":"M","name":"N","term":"T","content":"C"},"locale":"zh-CN","timezone":"Asia/Shanghai","app":{"version":"1.2"},"library":{"name":"@segment/analytics-node","version":"3.1.0"}},"userId":"u1","anonymousId":"a1","messageId":"node-next-1","_metadata":{"nodeVersion":"v20.20.2"}},
{"timestamp":"2026-11-22T10:00:00.000Z","type":"identify","userId":"u1","traits":{"name":"N","age":3},"context":{"library":{"name":"@segment/analytics-node","version":"3.1.0"}},"anonymousId":"a1","messageId":"2"},
{"timestamp":"2026-11-22T10:00:00.000Z","type":"page","properties":{"url":"http://x","category":"Docs"},"category":"Docs","name":"Home","context":{},"userId":"u1","messageId":"3"},
{"timestamp":"2026-11-22T10:00:00.000Z","type":"screen","properties":{"q":1},"name":"Main","anonymousId":"a1","messageId":"4"},
{"timestamp":"2026-11-22T10:00:00.000Z","type":"group","traits":{"plan":"p"},"groupId":"g1","userId":"u1","messageId":"5"},
{"timestamp":"2026-11-22T10:00:00.000Z","userId":"u1","type":"alias","previousId":"a1","messageId":"6"}
],"writeKey":"KEY","sentAt":"2026-11-22T19:07:15.713Z"}"#;

/// What analytics-go 3.3.0 posts: the library stands beside the batch.
const GO: &str = r#"{"messageId":"m","sentAt":"2026-11-22T19:08:45.51420935Z","batch":[{"type":"track","messageId":"m1","userId":"u1","event":"Order","timestamp":"2026-11-22T10:00:00.123456789Z","context":{"ip":"1.2.3.4","userAgent":"UA"},"properties":{"big":9007199254740993}},{"type":"screen","messageId":"m2","anonymousId":"u1","name":"N","timestamp":"2026-11-22T10:00:00Z"}],"context":{"library":{"name":"analytics-go","version":"3.0.0"}}}"#;

/// What rudder-sdk-python 2.1.9 posts: traits in the context, ids that are null.
const RUDDER_PYTHON: &str = r#"{"batch": [{"integrations": {"All": true}, "anonymousId": null, "timestamp": "2026-11-22T10:00:00.767506+00:00", "context": {"traits": {"n": 1}, "library": {"name": "analytics-python", "version": "2.1.9"}}, "type": "identify", "userId": "u1", "messageId": "419488fe-e79b-4756-9b33-3baadaf03255", "channel": "server"}], "sentAt": "2026-11-22T19:07:55.267474+00:00"}"#;

/// What @segment/analytics-next 1.84.3 posts to /v1/p, as text/plain.
const BROWSER: &str = r#"{"timestamp":"2026-11-22T10:00:00.000Z","integrations":{},"type":"page","properties":{"path":"/w/seg.html","referrer":"","search":"","title":"T","url":"http://h/w/seg.html","name":"Home"},"name":"Home","context":{"page":{"path":"/w/seg.html","referrer":"","search":"","title":"T","url":"http://h/w/seg.html"},"userAgent":"Mozilla/5.0","userAgentData":{"mobile":false,"platform":"Linux"},"locale":"en-US","library":{"name":"analytics.js","version":"next-1.84.3"},"campaign":{},"timezone":"UTC"},"messageId":"ajs-next-1","anonymousId":"a1","writeKey":"KEY","userId":null,"sentAt":"2026-11-22T19:09:49.142Z","_metadata":{"bundled":["Segment.io"]}}"#;

/// What @rudderstack/analytics-js 3.34.1 posts to /v1/batch, shortened.
const RUDDER_BROWSER: &str = r#"{"batch":[{"properties":{"price":1.5},"event":"Order","type":"track","channel":"web","context":{"traits":{},"sessionId":1795376900021,"app":{"name":"RudderLabs JavaScript SDK","namespace":"com.rudderlabs.javascript","version":"3.34.1","installType":"npm"},"library":{"name":"RudderLabs JavaScript SDK","version":"3.34.1","variant":"bundled"},"userAgent":"Mozilla/5.0","os":{"name":"","version":""},"locale":"en-US","screen":{"width":800},"campaign":{},"page":{"path":"/w","referrer":"$direct","referring_domain":"","title":"T","url":"http://h/w"},"timezone":"GMT+0000"},"originalTimestamp":"2026-11-22T10:00:00.000Z","messageId":"m","userId":"","anonymousId":"a","integrations":{"All":true},"sentAt":"2026-11-22T10:00:00.100Z"}]}"#;

fn request(path: &str, body: &str) -> Request {
    Request::post(path, body)
}

#[test]
fn each_call_becomes_its_event() {
    request("/v1/batch", NODE).check(
        &SEGMENT,
        &[
            r#"{"event":"Order","time":1795341600000,"user_id":"u1","device_id":"a1","app_version":"1.2","library":"@segment/analytics-node/3.1.0","properties":{"price":1.50,"big":9007199254740993,"s":"é\"店😀","nested":{"a":[1,{"b":null}]},"nul":null,"$page_url":"http://x/y?utm_source=1","$page_path":"/y","$page_title":"T","$page_referrer":"R","$utm_source":"S","$utm_medium":"M","$utm_campaign":"N","$utm_term":"T","$utm_content":"C","$locale":"zh-CN","$timezone":"Asia/Shanghai"}}"#,
            r#"{"event":"$identify","time":1795341600000,"user_id":"u1","device_id":"a1","linked_id":"a1","library":"@segment/analytics-node/3.1.0","properties":{"$set":{"name":"N","age":3}}}"#,
            r#"{"event":"$pageview","time":1795341600000,"user_id":"u1","properties":{"url":"http://x","category":"Docs","$page_name":"Home","$category":"Docs","$page_url":"http://x"}}"#,
            r#"{"event":"$screen","time":1795341600000,"device_id":"a1","properties":{"q":1,"$screen_name":"Main"}}"#,
            r#"{"event":"$group","time":1795341600000,"user_id":"u1","properties":{"$group_type":"group","$group_key":"g1","$group_set":{"plan":"p"}}}"#,
            r#"{"event":"$alias","time":1795341600000,"user_id":"u1","linked_id":"a1","properties":{}}"#,
        ],
    );
    request("/v1/batch", NODE)
        .read(&SEGMENT, |batch| {
            assert_eq!(batch.key.as_deref(), Some("KEY"));
            let first = batch.events[0].as_ref().unwrap();
            assert_eq!(first.ip, Some("1.2.3.4".parse().unwrap()));
            assert_eq!(first.user_agent, "UA");
            assert!(matches!(&first.id, Identifier::Named(id) if id == "node-next-1"));
        })
        .unwrap();
}

#[test]
fn all_libraries_are_understood() {
    request("/v1/batch", GO).check(
        &SEGMENT,
        &[
            r#"{"event":"Order","time":1795341600123,"user_id":"u1","library":"analytics-go/3.0.0","properties":{"big":9007199254740993}}"#,
            r#"{"event":"$screen","time":1795341600000,"device_id":"u1","library":"analytics-go/3.0.0","properties":{"$screen_name":"N"}}"#,
        ],
    );
    request("/v1/batch", RUDDER_PYTHON).check(
        &SEGMENT,
        &[r#"{"event":"$identify","time":1795341600767,"user_id":"u1","library":"analytics-python/2.1.9","properties":{"$set":{"n": 1}}}"#],
    );
    request("/v1/p", BROWSER).with("content-type", "text/plain").check(
        &SEGMENT,
        &[r#"{"event":"$pageview","time":1795341600000,"device_id":"a1","platform":"web","library":"analytics.js/next-1.84.3","properties":{"path":"/w/seg.html","referrer":"","search":"","title":"T","url":"http://h/w/seg.html","name":"Home","$page_name":"Home","$page_url":"http://h/w/seg.html","$page_path":"/w/seg.html","$page_title":"T","$locale":"en-US","$timezone":"UTC"}}"#],
    );
}

#[test]
fn rudderstacks_client_for_browsers_is_understood() {
    let sent =
        request("/beacon/v1/batch?writeKey=KEY", RUDDER_BROWSER).with("sentat", "2026-11-22T10:00:00.100Z");
    sent.check(
        &SEGMENT,
        &[r#"{"event":"Order","time":1795341600000,"device_id":"a","session_id":"1795376900021","platform":"web","library":"RudderLabs JavaScript SDK/3.34.1","properties":{"price":1.5,"$page_url":"http://h/w","$page_path":"/w","$page_title":"T","$locale":"en-US","$timezone":"GMT+0000"}}"#],
    );
    let read = sent.read(&SEGMENT, |batch| {
        assert_eq!(batch.key.as_deref(), Some("KEY"));
        assert_eq!(batch.sent_at, Some(SentAt { ms: 1_795_341_600_100, is_fresh: true }));
    });
    read.unwrap();
}

#[test]
fn what_the_context_tells_is_kept() {
    let check = |context: &str, expected: &str| {
        let body = format!(r#"{{"batch":[{{"type":"track","event":"E","userId":7,"context":{context}}}]}}"#);
        request("/v1/batch", &body).check(&SEGMENT, &[expected]);
    };
    check(
        r#"{"device":{"type":"iOS","manufacturer":"Apple","model":"X1","id":"d"},"os":{"name":"iOS","version":"18"},"network":{"wifi":false,"cellular":true},"app":{"version":"2"},"sessionId":1795,"screen":{"width":1}}"#,
        r#"{"event":"E","user_id":"7","session_id":"1795","platform":"ios","app_version":"2","properties":{"$network":"cellular","$os":"iOS","$os_version":"18","$device_manufacturer":"Apple","$device_model":"X1"}}"#,
    );
    check(
        r#"{"experiment":{"a":"b"},"tenant":12,"traits":{"x":1}}"#,
        r#"{"event":"E","user_id":"7","properties":{"$context":{"experiment":{"a":"b"},"tenant":12}}}"#,
    );
    check("[]", r#"{"event":"E","user_id":"7","properties":{}}"#);
    check("null", r#"{"event":"E","user_id":"7","properties":{}}"#);
    check("5", "wrong_type context");
}

#[test]
fn one_wrong_message_spoils_no_other() {
    let body = r#"{"batch":[1,{"type":"track","event":"E","userId":"u","properties":[]},{"type":"video","userId":"u"},{"type":"track","event":"E","properties":"x"},{"type":"track","event":"E","timestamp":"soon"},{"type":"track","event":"E","timestamp":"2026-11-22T10:00:00"}]}"#;
    request("/v1/batch", body).check(
        &SEGMENT,
        &[
            "malformed ",
            r#"{"event":"E","user_id":"u","properties":{}}"#,
            "wrong_type type",
            "wrong_type properties",
            "time_invalid timestamp",
            r#"{"event":"E","time":1795341600000,"properties":{}}"#,
        ],
    );
}

#[test]
fn the_address_tells_the_kind() {
    let check = |path: &str, expected: &str| {
        let request = request(path, r#"{"userId":"u","event":"E","name":"N"}"#);
        let event = request.read(&SEGMENT, |batch| batch.events[0].as_ref().unwrap().event.to_string());
        assert_eq!(event.unwrap(), expected, "{path}");
        assert_eq!(format_at(&request), "segment", "{path}");
    };
    check("/v1/track", "E");
    check("/v1/t", "E");
    check("/v1/i", "$identify");
    check("/v1/page", "$pageview");
    check("/v1/s", "$screen");
    check("/v1/g", "$group");
    check("/v1/alias", "$alias");
    assert_eq!(format_at(&request("/v1/batch", NODE)), "segment");
    assert_eq!(format_at(&request("/v1/import/", NODE)), "segment");
}

#[test]
fn a_send_time_that_may_be_stale_is_marked() {
    let check = |library: &str, is_fresh: bool| {
        let body = format!(
            r#"{{"batch":[{{"type":"track","event":"E","userId":"u","context":{{"library":{{"name":"{library}","version":"3.0.13"}}}}}}],"sentAt":"2026-11-22T10:00:00Z"}}"#
        );
        let sent_at = request("/v1/batch", &body).read(&SEGMENT, |batch| batch.sent_at).unwrap();
        assert_eq!(sent_at, Some(SentAt { ms: 1_795_341_600_000, is_fresh }), "{library}");
    };
    check("@segment/analytics-node", true);
    check("analytics.js", true);
    check("analytics-python", true);
    check("analytics-node", false);
    check("analytics-go", false);
    check("of their own", false);
}

#[test]
fn replies_keep_data_while_it_may_be_taken() {
    let batch = request("/v1/batch", NODE);
    let success = batch
        .read(&SEGMENT, |read| told(&SEGMENT.reply(&batch.head(), read, &report(read, 1_795_374_435_713))));
    assert_eq!(success.unwrap(), (200, r#"{"success":true}"#.to_owned()));
    for (status, expected) in
        [(503, 503), (500, 503), (408, 503), (429, 429), (400, 400), (401, 401), (413, 413)]
    {
        let (status, body) = refused(&SEGMENT, &batch, status);
        assert_eq!(status, expected);
        // RudderStack's client for Python tries again after an error without these two.
        assert_eq!(
            body,
            json!({"status":0,"code":"some_code","error":"Some sentence.","message":"Some sentence.","detail":"Some sentence."})
        );
    }
}

proptest! {
    #[test]
    fn no_body_breaks_it(request in nearly_right(vec![
        request("/v1/batch", NODE),
        request("/v1/batch", GO),
        request("/v1/batch", RUDDER_PYTHON),
        request("/v1/p", BROWSER),
        request("/v1/batch", RUDDER_BROWSER),
    ])) {
        survive(&SEGMENT, &request)?;
    }
}
