use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::SENSORS;
use crate::formats::testing::{Request, nearly_right, report, survive, told};
use crate::{Format as _, Refusal, Reply, SentAt, WireLimits, route};

/// What sa-sdk-miniprogram 1.17.9 sends: the records of one batch. The second was made before the
/// login, yet its identities are those after it.
const MINI_PROGRAM: &str = r#"[
{"distinct_id":"a-1","identities":{"$identity_mp_id":"m-1"},"lib":{"$lib":"MiniProgram","$lib_method":"code","$lib_version":"1.17.9"},"properties":{"$lib":"MiniProgram","$lib_version":"1.17.9","$network_type":"WIFI","$screen_width":375,"$app_version":"1.0","ver":"x","$latest_scene":"wx-1001","price":12.50,"big":9007199254740993,"list":["a","b"],"nul":null,"$is_first_day":true,"$referrer":"直接打开","$title":"","$url":"pages/i?a=1","$url_path":"pages/i"},"anonymous_id":"a-1","type":"track","event":"Buy","_track_id":705223069,"time":1795374513069,"_flush_time":1795374513070},
{"distinct_id":"a-1","identities":{"$identity_mp_id":"m-1","$identity_login_id":"user-1"},"lib":{"$lib":"MiniProgram","$lib_method":"code","$lib_version":"1.17.9"},"properties":{"$first_visit_time":"2026-11-22 19:16:14.740"},"anonymous_id":"a-1","type":"profile_set_once","time":1795374974742,"_flush_time":1795374974744},
{"distinct_id":"a-1","anonymous_id":"a-1","lib":{},"properties":{"$title":"店","$url_path":"pages/i"},"type":"track","event":"$MPViewScreen","_track_id":1,"time":1795374513069},
{"distinct_id":"user-1","identities":{"$identity_mp_id":"m-1","$identity_login_id":"user-1"},"lib":{"$lib":"MiniProgram","$lib_version":"1.17.9"},"properties":{"$lib":"MiniProgram"},"login_id":"user-1","anonymous_id":"a-1","original_id":"a-1","type":"track_signup","event":"$SignUp","_track_id":122983070,"time":1795374513070,"_flush_time":1795374513070},
{"distinct_id":"user-1","identities":{"$identity_mp_id":"m-1","$identity_login_id":"user-1","$identity_anonymous_id":"o-2","$identity_mp_wxapp_openid":"o-2","$identity_mobile":"138"},"lib":{"$lib":"MiniProgram","$lib_version":"1.17.9"},"properties":{"a":1},"login_id":"user-1","anonymous_id":"o-2","type":"track_id_bind","event":"$BindID","_track_id":781213075,"time":1795374513075,"_flush_time":1795374513079}
]"#;

/// What SensorsAnalyticsSDK 1.11.0 (Python) and 3.4.0 (Java) send.
const SERVERS: &str = r#"[
{"type": "track", "time": 1700000000123, "distinct_id": "u1", "properties": {"$lib": "python", "a": "\u978b\ud83d\ude00", "n": 9007199254740993, "$is_login_id": true}, "lib": {"$lib": "python", "$lib_version": "1.11.0", "$app_version": "1.2.3"}, "event": "View"},
{"type":"track_signup","time":1795374470496,"distinct_id":"user9","properties":{"x":1},"lib":{"$lib":"python","$lib_version":"1.11.0"},"event":"$SignUp","original_id":"anon9"},
{"type":"profile_set","time":1795374470496,"distinct_id":"u1","properties":{"g":"m","$is_login_id":true},"lib":{"$lib":"python"}},
{"type":"profile_set_once","time":1795374470496,"distinct_id":"u1","properties":{"g":"m"}},
{"type":"profile_increment","time":1795374470496,"distinct_id":"u1","properties":{"g":1}},
{"type":"profile_append","time":1795374470497,"distinct_id":"u1","properties":{"g":["x"]}},
{"type":"profile_unset","time":1795374470497,"distinct_id":"u1","properties":{"g":true,"h":null,"$is_login_id":true}},
{"type":"profile_delete","time":1795374470497,"distinct_id":"u1","properties":{}},
{"type":"item_set","time":1795374470497,"item_type":"book","item_id":"b1","properties":{"n":"x"}},
{"type":"item_delete","time":1795374470497,"item_type":"book","item_id":"b1","properties":{}},
{"type":"track_id_bind","time":1795374470497,"distinct_id":"L1","properties":{"$is_login_id":true},"identities":{"$identity_login_id":"L1","$identity_mobile":"138"},"event":"$BindID"},
{"type":"track_id_unbind","time":1795374470497,"distinct_id":"$identity_mobile+138","properties":{},"identities":{"$identity_mobile":"138"},"event":"$UnbindID"},
{"type":"track","time":1795374470497,"distinct_id":"L1","properties":{},"identities":{"$identity_email":"e@x","$identity_login_id":"L1"},"event":"ById"},
{"_track_id":1892481577,"lib":{"$lib":"Java","$lib_version":"3.4.0"},"distinct_id":"u1","project":"other","time":1700000000123,"type":"track","event":"Java","properties":{"d":"2023-11-14 22:13:20.123","$ip":"1.2.3.4","l":["a","b"],"$is_login_id":true}}
]"#;

fn form(name: &str, records: impl AsRef<[u8]>) -> String {
    let encoded = STANDARD.encode(records);
    let data: String = form_urlencoded::byte_serialize(encoded.as_bytes()).collect();
    format!("{name}={data}")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

fn batch(records: impl AsRef<[u8]>) -> Request {
    Request::post("/sa?project=KEY", form("data_list", records))
}

/// A record of the event `E` of somebody, with this beside.
fn event(more: &str) -> String {
    format!(r#"{{"type":"track","event":"E","distinct_id":"d","time":1795374513069,{more}}}"#)
}

/// The ids of the events of a batch of these records.
fn ids(records: &str) -> Vec<String> {
    let app_id = "shop".parse().unwrap();
    let read = batch(records).read(&SENSORS, |batch| {
        let drafts = batch.events.iter().map(|event| event.as_ref().unwrap());
        drafts.map(|draft| draft.event_id(&app_id).unwrap().to_string()).collect()
    });
    read.unwrap()
}

#[test]
fn a_mini_programs_records_become_events() {
    batch(MINI_PROGRAM).check(
        &SENSORS,
        &[
            r#"{"event":"Buy","time":1795374513069,"device_id":"a-1","platform":"wechat","app_version":"1.0","library":"MiniProgram/1.17.9","properties":{"$lib":"MiniProgram","$lib_version":"1.17.9","$network_type":"WIFI","$screen_width":375,"$app_version":"1.0","ver":"x","$latest_scene":"wx-1001","price":12.50,"big":9007199254740993,"list":["a","b"],"nul":null,"$is_first_day":true,"$referrer":"直接打开","$title":"","$url":"pages/i?a=1","$url_path":"pages/i","$page_url":"pages/i?a=1","$page_path":"pages/i","$page_referrer":"直接打开"}}"#,
            r#"{"event":"$profile_set_once","time":1795374974742,"device_id":"a-1","platform":"wechat","library":"MiniProgram/1.17.9","properties":{"$set_once":{"$first_visit_time":"2026-11-22 19:16:14.740"}}}"#,
            r#"{"event":"$pageview","time":1795374513069,"device_id":"a-1","properties":{"$title":"店","$url_path":"pages/i","$page_path":"pages/i","$page_title":"店"}}"#,
            r#"{"event":"$identify","time":1795374513070,"user_id":"user-1","device_id":"a-1","linked_id":"a-1","platform":"wechat","library":"MiniProgram/1.17.9","properties":{"$lib":"MiniProgram"}}"#,
            r#"{"event":"$identify","time":1795374513075,"user_id":"user-1","device_id":"o-2","linked_id":"$identity_mobile+138","platform":"wechat","library":"MiniProgram/1.17.9","properties":{"a":1,"$identities":{"$identity_mp_id":"m-1","$identity_login_id":"user-1","$identity_anonymous_id":"o-2","$identity_mp_wxapp_openid":"o-2","$identity_mobile":"138"}}}"#,
        ],
    );
}

#[test]
fn servers_records_become_events() {
    let packed = Request::post("/sa?project=KEY", form("data_list", gzip(SERVERS.as_bytes())) + "&gzip=1");
    packed.check(
        &SENSORS,
        &[
            r#"{"event":"View","time":1700000000123,"user_id":"u1","platform":"server","app_version":"1.2.3","library":"python/1.11.0","properties":{"$lib": "python", "a": "\u978b\ud83d\ude00", "n": 9007199254740993}}"#,
            r#"{"event":"$identify","time":1795374470496,"user_id":"user9","linked_id":"anon9","platform":"server","library":"python/1.11.0","properties":{"x":1}}"#,
            r#"{"event":"$profile_set","time":1795374470496,"user_id":"u1","platform":"server","library":"python","properties":{"$set":{"g":"m"}}}"#,
            r#"{"event":"$profile_set_once","time":1795374470496,"device_id":"u1","properties":{"$set_once":{"g":"m"}}}"#,
            r#"{"event":"$profile_increment","time":1795374470496,"device_id":"u1","properties":{"$add":{"g":1}}}"#,
            r#"{"event":"$profile_append","time":1795374470497,"device_id":"u1","properties":{"$append":{"g":["x"]}}}"#,
            r#"{"event":"$profile_unset","time":1795374470497,"user_id":"u1","properties":{"$unset":["g","h"]}}"#,
            r#"{"event":"$profile_delete","time":1795374470497,"device_id":"u1","properties":{"$delete":true}}"#,
            r#"{"event":"$item_set","time":1795374470497,"about_nobody":true,"properties":{"$item_type":"book","$item_id":"b1","$item":{"n":"x"}}}"#,
            r#"{"event":"$item_delete","time":1795374470497,"about_nobody":true,"properties":{"$item_type":"book","$item_id":"b1","$item":{}}}"#,
            r#"{"event":"$identify","time":1795374470497,"user_id":"L1","linked_id":"$identity_mobile+138","properties":{"$identities":{"$identity_login_id":"L1","$identity_mobile":"138"}}}"#,
            r#"{"event":"$UnbindID","time":1795374470497,"device_id":"$identity_mobile+138","properties":{"$identities":{"$identity_mobile":"138"}}}"#,
            r#"{"event":"ById","time":1795374470497,"user_id":"L1","properties":{}}"#,
            r#"{"event":"Java","time":1700000000123,"user_id":"u1","platform":"server","library":"Java/3.4.0","properties":{"d":"2023-11-14 22:13:20.123","l":["a","b"]}}"#,
        ],
    );
    let visitor = packed.read(&SENSORS, |batch| batch.events.last().unwrap().as_ref().unwrap().ip).unwrap();
    assert_eq!(visitor, Some("1.2.3.4".parse().unwrap()));
}

/// Media types lie, both alphabets come, padded or not, plus signs as spaces.
#[test]
fn every_wrapping_holds_the_same_records() {
    let record = event(r#""properties":{"a":">>>???~~~鞋😀"}"#);
    let expected = r#"{"event":"E","time":1795374513069,"device_id":"d","properties":{"a":">>>???~~~鞋😀"}}"#;
    let padded = STANDARD.encode(&record);
    assert!(padded.contains(['+', '/']), "{padded}");
    let url_safe = URL_SAFE_NO_PAD.encode(&record);
    let data = form("data", &record);
    let packed = form("data", gzip(record.as_bytes()));
    for request in [
        Request::post("/sa?project=KEY", data.as_str())
            .with("content-type", "application/x-www-form-urlencoded"),
        Request::post("/sa?project=KEY", data.as_str()).with("content-type", "application/json"),
        Request::post("/sa.gif?project=KEY", data.clone() + "&ext=crc%3D-17")
            .with("content-type", "text/plain"),
        Request::post("/sa?project=KEY", format!("gzip=1&{packed}")),
        Request::post("/sa?project=KEY", gzip(data.as_bytes())).with("content-encoding", "gzip"),
        Request::post("/sa?project=KEY", gzip(data.as_bytes())),
        Request::post("/sa?project=KEY", format!("data={padded}&gzip=0")),
        Request::post("/sa?project=KEY", format!("data={url_safe}")),
        Request::post("/sa?project=KEY", record.as_str()),
        Request::get(&format!("/sa?project=KEY&{data}")),
        Request::get(&format!("/sa.gif?project=KEY&{data}&ext=crc%3D-17")),
    ] {
        request.check(&SENSORS, &[expected]);
        assert_eq!(request.read(&SENSORS, |batch| batch.key.clone().unwrap().into_owned()).unwrap(), "KEY");
    }
}

/// A mini-program encodes the halves of a surrogate pair one by one.
#[test]
fn halves_of_emoji_are_joined_or_replaced() {
    let record = |text: &[u8]| {
        [b"{\"type\":\"track\",\"event\":\"E\",\"distinct_id\":\"d\",\"properties\":{\"a\":\"", text, b"\"}}"]
            .concat()
    };
    let check = |text: &[u8], expected: &str, warnings: usize| {
        let read = batch(record(text)).read(&SENSORS, |batch| {
            let draft = batch.events[0].as_ref().unwrap();
            let report = report(batch, 1_795_374_600_000);
            (draft.properties.get().to_owned(), report.results[0].notes.len())
        });
        assert_eq!(read.unwrap(), (format!("{{\"a\":\"{expected}\"}}"), warnings));
    };
    check(b"a\xed\xa0\xbd\xed\xb8\x80b", "a😀b", 0);
    check(b"\xed\xa0\xbd\xed\xb8\x80\xed\xa0\xbd\xed\xb1\xa9", "😀👩", 0);
    // A half alone is left to admission, which replaces it and says so.
    check(b"a\xed\xa0\xbdb", "a\\ud83db", 1);
    check(b"\xed\xb8\x80\xed\xa0\xbd", "\\ude00\\ud83d", 1);
    check(b"\xed\xa0", "\\udc00\\udc00", 1);
    check(b"\xff\xfe", "\\udc00\\udc00", 1);
    let neighbours =
        [b"[".to_vec(), record(b"\xed\xa0\xbd"), b",".to_vec(), record(b"ok"), b"]".to_vec()].concat();
    let notes = batch(neighbours).read(&SENSORS, |batch| {
        report(batch, 1_795_374_600_000).results.iter().map(|result| result.notes.len()).collect::<Vec<_>>()
    });
    assert_eq!(notes.unwrap(), [1, 0]);
}

/// `_track_id` alone is no id, and a retry is regrouped and flushed anew.
#[test]
fn a_record_keeps_its_id_in_any_batch() {
    let first = event(r#""_track_id":705223069,"properties":{"a":1},"_flush_time":1795374513070"#);
    let again = event(r#""_track_id":705223069,"properties":{"a":1},"_flush_time":1795374999999"#);
    let other = event(r#""_track_id":705223070,"properties":{"a":1}"#);
    let id = ids(&first).remove(0);
    assert_eq!(ids(&format!("[{other},{again}]"))[1], id);
    assert_ne!(ids(&other)[0], id);

    let differs = |a: &str, b: &str| assert_ne!(ids(a), ids(b), "{a} {b}");
    for useless in ["null", "0"] {
        let of = |a: u8| event(&format!(r#""_track_id":{useless},"properties":{{"a":{a}}}"#));
        differs(&of(1), &of(2));
        assert_eq!(ids(&of(1)), ids(&of(1)));
    }
    differs(&event(r#""properties":{"a":1}"#), &event(r#""properties":{"a":2}"#));
    let same_track_id = event(r#""_track_id":705223069"#);
    differs(&same_track_id, &same_track_id.replace("\"d\"", "\"e\""));
    differs(&same_track_id, &same_track_id.replace("13069", "13070"));
    differs(&same_track_id, &same_track_id.replace("\"E\"", "\"F\""));
    differs(&same_track_id, &same_track_id.replace("\"track\"", "\"track_signup\""));
    let item = r#"{"type":"item_set","time":1,"item_type":"book","item_id":"b1","properties":{}}"#;
    differs(item, &item.replace("b1", "b2"));
    // Without a time, two equal records may well be two events.
    let timeless = r#"{"type":"track","event":"E","distinct_id":"d","properties":{}}"#;
    let draft_id = batch(timeless)
        .read(&SENSORS, |batch| batch.events[0].as_ref().unwrap().event_id(&"shop".parse().unwrap()));
    assert_eq!(draft_id.unwrap(), None);
}

/// A picture's address holds the whole event.
#[test]
fn long_addresses_are_read() {
    let text = "鞋".repeat(3000);
    let record = event(&format!(r#""properties":{{"a":"{text}"}}"#));
    let request = Request::get(&format!("/sa.gif?project=KEY&{}&ext=crc%3D1", form("data", record)));
    assert!(request.query.len() > 12_000);
    request.check(
        &SENSORS,
        &[&format!(r#"{{"event":"E","time":1795374513069,"device_id":"d","properties":{{"a":"{text}"}}}}"#)],
    );
}

#[test]
fn each_record_tells_when_it_was_sent() {
    let sent =
        |record: &str| batch(record).read(&SENSORS, |b| b.events[0].as_ref().unwrap().sent_at).unwrap();
    assert_eq!(sent(&event(r#""_flush_time":17"#)), Some(SentAt { ms: 17, is_fresh: true }));
    assert_eq!(sent(&event(r#""a":17"#)), None);
}

#[test]
fn a_wrong_record_spoils_no_other() {
    let good = event(r#""properties":{}"#);
    let shown = r#"{"event":"E","time":1795374513069,"device_id":"d","properties":{}}"#;
    let wrong = r#"{"type":"track","event":"E","distinct_id":"d","time":"yesterday"}"#;
    let odd = r#"{"type":"track","event":{},"distinct_id":"d"}"#;
    batch(format!("[{good},7,{wrong},{odd},{good}]"))
        .check(&SENSORS, &[shown, "malformed ", "time_invalid time", "wrong_type event", shown]);
}

#[test]
fn the_key_is_in_the_query_or_the_first_record() {
    let key = |target: &str, records: &str| {
        let request = Request::post(target, form("data_list", records));
        request.read(&SENSORS, |batch| batch.key.clone().unwrap_or_default().into_owned()).unwrap()
    };
    let other = event(r#""project":"other""#);
    assert_eq!(key("/sa?project=KEY", &other), "KEY");
    assert_eq!(key("/sa?project=default&token=KEY", &other), "KEY");
    assert_eq!(key("/sa", &event(r#""token":"KEY","project":"x""#)), "KEY");
    assert_eq!(key("/sa?project=", &event(r#""token":"KEY""#)), "KEY");
    assert_eq!(key("/sa", &event(r#""a":1"#)), "");
    let mixed = format!("[{},{}]", event(r#""project":"KEY","properties":{}"#), other);
    Request::post("/sa", form("data_list", mixed)).check(
        &SENSORS,
        &[r#"{"event":"E","time":1795374513069,"device_id":"d","properties":{}}"#, "malformed key"],
    );
}

#[test]
fn debugging_is_told_what_would_become_of_the_events() {
    let request = |body: &str| Request::post("/debug?project=KEY", form("data_list", body));
    let answer = |request: &Request| {
        request
            .read(&SENSORS, |batch| {
                let report = report(batch, 1_795_374_600_000);
                (batch.is_dry_run, batch.is_debug, told(&SENSORS.reply(&request.head(), batch, &report)))
            })
            .unwrap()
    };
    let (is_dry_run, is_debug, (status, body)) =
        answer(&request(&event(r#""properties":{}"#)).with("dry-run", "true"));
    assert_eq!((is_dry_run, is_debug, status), (true, true, 200));
    assert!(body.contains(r#""accepted":1"#), "{body}");
    let (is_dry_run, is_debug, (status, body)) = answer(&request(&event(r#""properties":[]"#)));
    assert_eq!((is_dry_run, is_debug, status), (false, true, 400));
    assert!(body.contains(r#""code":"wrong_type""#), "{body}");
}

/// An error loses data here, repeats it for ever there.
#[test]
fn no_client_sees_an_error_for_data_it_sent() {
    let answer = |target: &str| {
        let request = if target.contains("data") {
            Request::get(target)
        } else {
            Request::post(target, form("data_list", "[7]"))
        };
        request
            .read(&SENSORS, |batch| {
                let report = report(batch, 1_795_374_600_000);
                assert_eq!(report.rejected, 1);
                SENSORS.reply(&request.head(), batch, &report)
            })
            .unwrap()
    };
    assert_eq!(answer("/sa?project=KEY"), Reply::text(200, ""));
    assert_eq!(answer("/sa.gif?project=KEY"), Reply::pixel());
    assert_eq!(answer("/sa?project=KEY&data=Nw"), Reply::pixel());

    let refused = |target: &str, status: u16, retry_after_s: Option<u32>| {
        let request = Request::post(target, "");
        let refusal = Refusal { status, code: "c", detail: "d", retry_after_s, problem_json: b"{}" };
        told(&SENSORS.refuse(&request.head(), &refusal)).0
    };
    const RESET: u16 = 0;
    for (status, retry_after_s, expected) in [
        (503, Some(1), RESET),
        (429, Some(9), RESET),
        (500, None, RESET),
        (408, None, RESET),
        (401, None, RESET),
        (403, None, RESET),
        (400, None, 200),
        (413, None, 0),
        (415, None, 200),
    ] {
        assert_eq!(refused("/sa", status, retry_after_s), expected, "{status}");
        assert_eq!(refused("/debug", status, retry_after_s), status);
    }
}

#[test]
fn what_is_no_record_is_unreadable() {
    let check = |request: Request, code: &str| {
        assert_eq!(request.read(&SENSORS, |_| ()).unwrap_err().code, code);
    };
    check(Request::post("/sa", ""), "malformed_json");
    check(Request::post("/sa", "crc=1"), "malformed_json");
    check(Request::post("/sa", "data=@@@"), "base64_invalid");
    check(Request::post("/sa", form("data", "7x")), "malformed_json");
    check(Request::post("/sa", form("data", gzip(b"[]").get(..12).unwrap())), "gzip_invalid");
    let max = WireLimits::default().unpacked_bytes_max;
    check(Request::post("/sa", form("data", gzip(&vec![b' '; max + 1]))), "body_too_large");
    let wide = vec![0xff; max / 2];
    check(Request::post("/sa", form("data", [b"[\"", &wide[..]].concat())), "body_too_large");
    let many = format!("[{}1]", "1,".repeat(1000));
    check(batch(many), "too_many_events");
}

#[test]
fn what_clients_ask_for_beside_is_harmless() {
    for path in ["/mp_login", "/config/visualized/Web.conf"] {
        let Some(crate::Route::Document(document)) = route(path) else { panic!("{path}") };
        let request = Request::get(&format!("{path}?project=KEY"));
        assert_eq!(told(&document(&request.head(), b"")), (200, "{}".to_owned()));
    }
}

proptest! {
    #[test]
    fn no_form_breaks_it(request in nearly_right(vec![
        Request::post("/sa", form("data_list", MINI_PROGRAM)),
        Request::post("/sa", form("data_list", gzip(SERVERS.as_bytes()))),
    ])) {
        survive(&SENSORS, &request)?;
    }

    #[test]
    fn no_record_breaks_it(bare in nearly_right(vec![
        Request::post("/sa", MINI_PROGRAM),
        Request::post("/sa", SERVERS),
    ])) {
        survive(&SENSORS, &Request { body: form("data", &bare.body).into(), ..bare })?;
    }
}
