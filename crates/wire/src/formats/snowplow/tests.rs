use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;

use super::SNOWPLOW;
use crate::formats::testing::{Request, nearly_right, refused, report, survive, told};
use crate::{Format as _, Identifier, SentAt};

const TP2: &str = "/com.snowplowanalytics.snowplow/tp2";

const CONTEXTS: &str = r#"{"schema":"iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-0","data":[{"schema":"iglu:com.acme/user/jsonschema/1-0-0","data":{"plan":"x"}},{"schema":"iglu:com.snowplowanalytics.snowplow/client_session/jsonschema/1-0-2","data":{"userId":"dev","sessionId":"ses"}},{"schema":"iglu:com.snowplowanalytics.snowplow/application/jsonschema/1-0-0","data":{"version":"2.1"}}]}"#;

/// An event that describes itself, as a tracker wraps it.
fn described(name: &str, data: &str) -> String {
    let inner = format!(r#"{{"schema":"iglu:com.acme/{name}/jsonschema/1-0-0","data":{data}}}"#);
    let outer = "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0";
    format!(r#"{{"schema":"{outer}","data":{inner}}}"#)
}

/// What @snowplow/node-tracker 4.8.0 posts.
fn batch() -> String {
    let contexts = URL_SAFE_NO_PAD.encode(CONTEXTS);
    let cart =
        URL_SAFE_NO_PAD.encode(described("add_to_cart", r#"{"sku":"鞋","n":[1,{"b":9007199254740993}]}"#));
    let screen = URL_SAFE_NO_PAD.encode(described("screen_view", r#"{"name":"sc","id":"s1"}"#));
    let common = r#""p":"srv","tv":"node-4.8.0","tna":"ns","aid":"KEY","uid":"u1","dtm":"1795374474284","stm":"1795374474287""#;
    let visitor = r#""p":"mob","tv":"js-3.5","aid":"KEY","dtm":"1795374474284","ip":"1.2.3.4","ua":"UA","lang":"zh","tz":"Asia/Shanghai","res":"1x2","vp":"3x4","cd":"24","duid":"duid","nuid":"nuid","sid":"sid","vid":"3""#;
    format!(
        r#"{{"schema":"iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4","data":[
{{"e":"pv","url":"http://h/p?utm_source=s","page":"T 鞋😀","refr":"http://r/","eid":"3bffa5ad","cx":"{contexts}",{common}}},
{{"e":"ue","eid":"1f8663d5","ue_px":"{cart}",{common}}},
{{"e":"se","se_ca":"c","se_ac":"a","se_la":"l","se_pr":"p","se_va":"2.50","eid":"73b05a44",{common}}},
{{"e":"ue","eid":"cb275432","ue_px":"{screen}",{common}}},
{{"e":"tr","tr_id":"o1","tr_af":"af","tr_tt":"12.5","tr_tx":"","tr_ci":"c","tr_cu":"USD","eid":"53f29703",{common}}},
{{"e":"pp","url":"http://h/p","page":"T","pp_max":"1","pp_may":"2","eid":"8200ae54",{visitor}}}
]}}"#
    )
}

const EXPECTED: [&str; 6] = [
    r#"{"event":"$pageview","time":1795374474284,"user_id":"u1","device_id":"dev","session_id":"ses","platform":"server","app_version":"2.1","library":"node/4.8.0","properties":{"$page_url":"http://h/p?utm_source=s","$page_path":"/p","$utm_source":"s","$page_title":"T 鞋😀","$page_referrer":"http://r/","$contexts":[{"schema":"iglu:com.acme/user/jsonschema/1-0-0","data":{"plan":"x"}},{"schema":"iglu:com.snowplowanalytics.snowplow/client_session/jsonschema/1-0-2","data":{"userId":"dev","sessionId":"ses"}},{"schema":"iglu:com.snowplowanalytics.snowplow/application/jsonschema/1-0-0","data":{"version":"2.1"}}]}}"#,
    r#"{"event":"add_to_cart","time":1795374474284,"user_id":"u1","platform":"server","library":"node/4.8.0","properties":{"sku":"鞋","n":[1,{"b":9007199254740993}],"$schema":"iglu:com.acme/add_to_cart/jsonschema/1-0-0"}}"#,
    r#"{"event":"a","time":1795374474284,"user_id":"u1","platform":"server","library":"node/4.8.0","properties":{"$category":"c","$label":"l","$property":"p","$value":2.50}}"#,
    r#"{"event":"$screen","time":1795374474284,"user_id":"u1","platform":"server","library":"node/4.8.0","properties":{"name":"sc","id":"s1","$schema":"iglu:com.acme/screen_view/jsonschema/1-0-0","$screen_name":"sc"}}"#,
    r#"{"event":"$transaction","time":1795374474284,"user_id":"u1","platform":"server","library":"node/4.8.0","properties":{"$transaction_id":"o1","$affiliation":"af","$city":"c","$currency":"USD","$total":12.5}}"#,
    r#"{"event":"$page_ping","time":1795374474284,"device_id":"duid","session_id":"sid","platform":"mobile","library":"js/3.5","properties":{"$page_url":"http://h/p","$page_path":"/p","$page_title":"T","$locale":"zh","$timezone":"Asia/Shanghai","$screen_size":"1x2","$viewport_size":"3x4","$scroll_x_max":1,"$scroll_y_max":2}}"#,
];

#[test]
fn records_become_events() {
    let request = Request::post(TP2, batch());
    request.check(&SNOWPLOW, &EXPECTED);
    let read = request.read(&SNOWPLOW, |batch| {
        let drafts: Vec<_> = batch.events.iter().map(|event| event.as_ref().unwrap()).collect();
        assert_eq!(batch.key.as_deref(), Some("KEY"));
        assert!(matches!(&drafts[0].id, Identifier::Named(id) if id == "3bffa5ad"));
        assert_eq!(drafts[0].sent_at, Some(SentAt { ms: 1_795_374_474_287, is_fresh: true }));
        assert_eq!((drafts[5].ip, &*drafts[5].user_agent), (Some("1.2.3.4".parse().unwrap()), "UA"));
        assert_eq!(report(batch, 1_795_374_480_000).accepted, 6);
    });
    read.unwrap();
}

#[test]
fn a_query_holds_the_same_event() {
    let cart = described("add_to_cart", r#"{"sku":"鞋","n":[1,{"b":9007199254740993}]}"#);
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("e", "ue"), ("ue_pr", &cart), ("eid", "1f8663d5"), ("p", "srv")])
        .extend_pairs([("tv", "node-4.8.0"), ("aid", "KEY"), ("uid", "u1"), ("dtm", "1795374474284")])
        .finish();
    Request::get(&format!("/i?stm=1795374474988&{query}")).check(&SNOWPLOW, &EXPECTED[1..2]);
}

#[test]
fn a_wrong_record_spoils_no_other() {
    let good = r#"{"e":"pv","aid":"KEY","duid":"d"}"#;
    let shown = r#"{"event":"$pageview","device_id":"d","properties":{}}"#;
    let body = format!(
        r#"{{"data":[{good},7,{{"e":"ue","aid":"KEY"}},{{"e":"xx","aid":"KEY"}},{{"e":"pv","dtm":"soon"}},{{"e":"pv","aid":"OTHER"}},{good}]}}"#
    );
    let odd = ["malformed ", "malformed ue_pr", "malformed e", "time_invalid dtm", "malformed key"];
    let expected: Vec<&str> = [shown].into_iter().chain(odd).chain([shown]).collect();
    Request::post(TP2, body).check(&SNOWPLOW, &expected);
}

#[test]
fn what_comes_back_ends_or_repeats_a_trackers_tries() {
    let answer = |request: &Request| {
        let read = request.read(&SNOWPLOW, |batch| SNOWPLOW.reply(&request.head(), batch, &report(batch, 0)));
        told(&read.unwrap())
    };
    assert_eq!(answer(&Request::post(TP2, r#"{"data":[]}"#)), (200, "ok".to_owned()));
    assert_eq!(answer(&Request::get("/i?e=pv")).0, 200);
    let post = Request::post(TP2, "");
    let again = 503;
    for (status, expected) in
        [(400, 400), (401, 401), (403, 403), (413, 400), (415, 400), (429, again), (500, again), (503, again)]
    {
        assert_eq!(refused(&SNOWPLOW, &post, status).0, expected, "{status}");
    }
}

proptest! {
    #[test]
    fn no_body_breaks_it(request in nearly_right(vec![Request::post(TP2, batch())])) {
        survive(&SNOWPLOW, &request)?;
    }

    #[test]
    fn no_entity_breaks_it(wrapped in nearly_right(vec![
        Request::post(TP2, CONTEXTS), Request::post(TP2, described("e", "{\"a\":[1,{\"b\":null}]}")),
    ])) {
        let encoded = URL_SAFE_NO_PAD.encode(&wrapped.body);
        let body = format!(r#"{{"data":[{{"e":"ue","uid":"u","ue_px":"{encoded}","cx":"{encoded}"}}]}}"#);
        survive(&SNOWPLOW, &Request { body: body.into(), ..wrapped })?;
    }
}
