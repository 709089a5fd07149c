use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::MIXPANEL;
use crate::formats::testing::{Request, format_at, nearly_right, refused, report, survive, told};
use crate::{Format as _, Identifier};

/// What mixpanel (Python) 5.4.1 and the browser's client put into an event.
const EVENTS: &str = r#"[
{"event":"E","properties":{"token":"KEY","distinct_id":"d1","time":1795374470.6643176,"$insert_id":"edc0","mp_lib":"python","$lib_version":"5.4.1","a":"\u978b\ud83d\ude00","n":9007199254740993,"nul":null,"price":1.50}},
{"event":"$mp_web_page_view","properties":{"$current_url":"http://h/p?utm_source=s","current_url_path":"/p","current_page_title":"店","$referrer":"","utm_source":"s","distinct_id":"$device:v1","$device_id":"v1","mp_lib":"web","$lib_version":"2.55.0","token":"KEY"}},
{"event":"Old","properties":{"$user_id":"u1","distinct_id":"u1","$device_id":"v1","time":1700000000123,"ip":"1.2.3.4","token":"KEY","$app_version_string":"1.2","mp_lib":"swift"}},
{"event":"Anonymous","properties":{"distinct_id":"v1","$device_id":"v1","time":1500000000}},
{"event":"$create_alias","properties":{"distinct_id":"d1","alias":"al1","token":"KEY","mp_lib":"node","$lib_version":"0.24.0"}},
{"event":"$identify","properties":{"$identified_id":"u1","$anon_id":"v1","token":"KEY"}},
{"event":"$merge","properties":{"$distinct_ids":["d1","d2"],"token":"KEY"}}
]"#;

const UPDATES: &str = r#"[
{"$token":"KEY","$time":1795374470.756245,"$distinct_id":"d1","$set":{"a":1,"b":1.50},"$ip":"1.2.3.4","$ignore_time":true},
{"$token":"KEY","$distinct_id":"$device:v1","$set_once":{"f":"v"}},
{"$add":{"c":2},"$token":"KEY","$distinct_id":"d1"},
{"$append":{"t":"x"},"$token":"KEY","$distinct_id":"d1"},
{"$union":{"t":["x"]},"$token":"KEY","$distinct_id":"d1"},
{"$remove":{"t":"x"},"$token":"KEY","$distinct_id":"d1"},
{"$unset":["a","b"],"$token":"KEY","$distinct_id":"d1"},
{"$delete":"","$token":"KEY","$distinct_id":"d1"},
{"$token":"KEY","$distinct_id":"d1"}
]"#;

const GROUPS: &str = r#"[
{"$token":"KEY","$time":1795374910675,"$group_id":"acme","$set":{"a":1},"$group_key":"company"},
{"$unset":["n"],"$token":"KEY","$group_key":"company","$group_id":"acme"},
{"$delete":"","$token":"KEY","$group_key":"company","$group_id":"acme"}
]"#;

fn form(records: &str) -> String {
    let data: String = form_urlencoded::byte_serialize(records.as_bytes()).collect();
    format!("data={data}&verbose=1&ip=0")
}

#[test]
fn events_keep_their_name_and_properties() {
    Request::post("/track", form(EVENTS)).check(
        &MIXPANEL,
        &[
            r#"{"event":"E","time":1795374470664,"user_id":"d1","platform":"server","library":"python/5.4.1","properties":{"mp_lib":"python","$lib_version":"5.4.1","a":"\u978b\ud83d\ude00","n":9007199254740993,"nul":null,"price":1.50}}"#,
            r#"{"event":"$pageview","device_id":"v1","platform":"web","library":"web/2.55.0","properties":{"$current_url":"http://h/p?utm_source=s","current_url_path":"/p","current_page_title":"店","$referrer":"","utm_source":"s","mp_lib":"web","$lib_version":"2.55.0","$page_url":"http://h/p?utm_source=s","$page_path":"/p","$page_title":"店","$utm_source":"s"}}"#,
            r#"{"event":"Old","time":1700000000123,"user_id":"u1","device_id":"v1","platform":"ios","app_version":"1.2","library":"swift","properties":{"$app_version_string":"1.2","mp_lib":"swift"}}"#,
            r#"{"event":"Anonymous","time":1500000000000,"device_id":"v1","properties":{}}"#,
            r#"{"event":"$alias","user_id":"d1","linked_id":"al1","platform":"server","library":"node/0.24.0","properties":{"alias":"al1","mp_lib":"node","$lib_version":"0.24.0"}}"#,
            r#"{"event":"$identify","user_id":"u1","linked_id":"v1","properties":{"$identified_id":"u1","$anon_id":"v1"}}"#,
            r#"{"event":"$alias","user_id":"d1","linked_id":"d2","properties":{"$distinct_ids":["d1","d2"]}}"#,
        ],
    );
    let read = Request::post("/track", form(EVENTS)).read(&MIXPANEL, |batch| {
        let named = |at: usize| match &batch.events[at].as_ref().unwrap().id {
            Identifier::Named(id) => id.clone().into_owned(),
            other => panic!("{other:?}"),
        };
        assert_eq!(batch.events[2].as_ref().unwrap().ip, Some("1.2.3.4".parse().unwrap()));
        (batch.key.clone().unwrap().into_owned(), named(0), named(1))
    });
    assert_eq!(read.unwrap(), ("KEY".to_owned(), "edc0".to_owned(), String::new()));
}

#[test]
fn updates_become_attributes_of_the_person() {
    Request::post("/engage", form(UPDATES)).check(
        &MIXPANEL,
        &[
            r#"{"event":"$profile_set","time":1795374470756,"user_id":"d1","properties":{"$set":{"a":1,"b":1.50}}}"#,
            r#"{"event":"$profile_set_once","device_id":"v1","properties":{"$set_once":{"f":"v"}}}"#,
            r#"{"event":"$profile_increment","user_id":"d1","properties":{"$add":{"c":2}}}"#,
            r#"{"event":"$profile_append","user_id":"d1","properties":{"$append":{"t":"x"}}}"#,
            r#"{"event":"$profile_union","user_id":"d1","properties":{"$union":{"t":["x"]}}}"#,
            r#"{"event":"$profile_remove","user_id":"d1","properties":{"$remove":{"t":"x"}}}"#,
            r#"{"event":"$profile_unset","user_id":"d1","properties":{"$unset":["a","b"]}}"#,
            r#"{"event":"$profile_delete","user_id":"d1","properties":{"$delete":true}}"#,
            "missing $set",
        ],
    );
    Request::post("/groups", form(GROUPS)).check(
        &MIXPANEL,
        &[
            r#"{"event":"$group","time":1795374910675,"about_nobody":true,"properties":{"$group_type":"company","$group_key":"acme","$group_set":{"a":1}}}"#,
            r#"{"event":"$group","about_nobody":true,"properties":{"$group_type":"company","$group_key":"acme","$group_unset":["n"]}}"#,
            r#"{"event":"$group","about_nobody":true,"properties":{"$group_type":"company","$group_key":"acme","$group_delete":true}}"#,
        ],
    );
}

/// The Node client leaves the pluses of its base64 as they are.
#[test]
fn every_wrapping_holds_the_same_event() {
    let record = r#"{"event":"E","properties":{"distinct_id":"d","token":"KEY","x":">>>???~~~鞋😀"}}"#;
    let expected = r#"{"event":"E","user_id":"d","properties":{"x":">>>???~~~鞋😀"}}"#;
    let unescaped = STANDARD.encode(record);
    assert!(unescaped.contains('+') && unescaped.contains('/'), "{unescaped}");
    let escaped: String = form_urlencoded::byte_serialize(unescaped.as_bytes()).collect();
    let json = |path: &str, body: String| Request::post(path, body).with("content-type", "application/json");
    for request in [
        Request::post("/track?ip=0&verbose=0", format!("data={unescaped}")),
        Request::post("/track?ip=0", format!("data={escaped}")),
        Request::post("/track/", form(record)),
        Request::get(&format!("/track?ip=0&verbose=0&data={escaped}&api_key=k")),
        Request::get(&format!("/import?data={escaped}")),
        json("/import?strict=1", format!("[{record}]")),
        json("/track", record.to_owned()),
        Request::post("/import", format!("\n{record}\r\n\n")).with("content-type", "application/x-ndjson"),
    ] {
        request.check(&MIXPANEL, &[expected]);
        assert_eq!(request.read(&MIXPANEL, |batch| batch.key.clone().unwrap().into_owned()).unwrap(), "KEY");
        assert!(request.path.starts_with("/import") || format_at(&request) == "mixpanel");
    }
    let two =
        Request::post("/import", format!("{record}\n{record}")).with("content-type", "application/x-ndjson");
    two.check(&MIXPANEL, &[expected, expected]);
}

#[test]
fn events_of_another_key_are_refused_alone() {
    let event =
        |token: &str| format!(r#"{{"event":"E","properties":{{"distinct_id":"d","token":"{token}"}}}}"#);
    let shown = r#"{"event":"E","user_id":"d","properties":{}}"#;
    let batch = format!("[{},7,{},{},{{\"event\":\"E\"}}]", event("KEY"), event("OTHER"), event("KEY"));
    Request::post("/track", form(&batch))
        .check(&MIXPANEL, &[shown, "malformed ", "malformed key", shown, "missing properties"]);
    // Java's import names its key in the head alone.
    let keyless = Request::post("/import", r#"[{"event":"E","properties":{}}]"#)
        .with("authorization", "Basic S0VZOg==");
    assert!(keyless.read(&MIXPANEL, |batch| batch.key.is_none()).unwrap());
    assert_eq!(keyless.head().authorization().as_deref(), Some("KEY"));
}

/// The body is what counts, and each asks for another one.
#[test]
fn success_is_worded_as_each_client_reads_it() {
    let record = r#"[{"event":"E","properties":{"distinct_id":"d","token":"KEY"}},7]"#;
    let answer = |request: Request| {
        let read = request.read(&MIXPANEL, |batch| {
            told(&MIXPANEL.reply(&request.head(), batch, &report(batch, 1_795_374_980_000)))
        });
        read.unwrap()
    };
    let said = |body: &str| (200, body.to_owned());
    let data = form_urlencoded::byte_serialize(record.as_bytes()).collect::<String>();
    let json = |target: &str| Request::post(target, record).with("content-type", "application/json");
    assert_eq!(answer(Request::post("/track?verbose=0", format!("data={data}"))), said("1"));
    assert_eq!(answer(Request::post("/import?verbose=0", format!("data={data}"))), said("1"));
    assert_eq!(answer(Request::get(&format!("/track?verbose=0&data={data}"))), said("1"));
    assert_eq!(answer(Request::get(&format!("/track?img=1&data={data}"))), told(&crate::Reply::pixel()));
    assert_eq!(answer(Request::post("/track", form(record))), said(r#"{"error":null,"status":1}"#));
    assert_eq!(answer(Request::post("/import", form(record))), said(r#"{"error":null,"status":1}"#));
    assert_eq!(answer(json("/track?verbose=1")), said(r#"{"error":null,"status":1}"#));
    assert_eq!(
        answer(json("/import?strict=1")),
        said(r#"{"code":200,"status":"OK","num_records_imported":1}"#)
    );
    for status in [400, 401, 413, 429, 503] {
        let (answered, body) = refused(&MIXPANEL, &Request::post("/track", ""), status);
        assert_eq!(
            (answered, &body["status"], &body["error"]),
            (status, &0.into(), &"Some sentence.".into())
        );
    }
}

proptest! {
    #[test]
    fn no_body_breaks_it(request in nearly_right(vec![
        Request::post("/track", form(EVENTS)),
        Request::post("/track", format!("data={}", STANDARD.encode(EVENTS))),
        Request::post("/import", EVENTS),
        Request::post("/engage", UPDATES),
        Request::post("/groups", GROUPS),
    ])) {
        survive(&MIXPANEL, &request)?;
    }
}
