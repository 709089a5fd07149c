use proptest::prelude::*;

use super::UMAMI;
use crate::Format as _;
use crate::formats::testing::{Request, nearly_right, report, survive, told};

/// What @umami/node 0.4.0 posts.
const PAGE: &str = r#"{"type":"event","payload":{"website":"KEY","url":"/home?utm_source=x","title":"T","hostname":"h.com","referrer":"https://g.com/","language":"zh","screen":"1x2","ip":"1.2.3.4","userAgent":"UA"}}"#;
const EVENT: &str = r#"{"type":"event","payload":{"website":"KEY","name":"evt","data":{"a":1.50,"n":9007199254740993,"b":"鞋😀"},"tag":"b","timestamp":1795374474}}"#;
const IDENTIFY: &str = r#"{"type":"identify","payload":{"website":"KEY","id":"u1","data":{"email":"e@x"}}}"#;

fn post(body: &str) -> Request {
    Request::post("/api/send", body).with("content-type", "application/json")
}

#[test]
fn each_kind_becomes_its_event() {
    let check = |body: &str, expected: &str| post(body).check(&UMAMI, &[expected]);
    check(
        PAGE,
        r#"{"event":"$pageview","platform":"web","properties":{"$page_url":"/home?utm_source=x","$page_path":"/home","$utm_source":"x","$page_title":"T","$page_referrer":"https://g.com/","$locale":"zh","$page_host":"h.com","$screen_size":"1x2"}}"#,
    );
    check(
        EVENT,
        r#"{"event":"evt","time":1795374474000,"platform":"web","properties":{"a":1.50,"n":9007199254740993,"b":"鞋😀","$tag":"b"}}"#,
    );
    check(
        IDENTIFY,
        r#"{"event":"$identify","user_id":"u1","platform":"web","properties":{"$set":{"email":"e@x"}}}"#,
    );
    check(r#"{"type":"event","payload":{"website":"KEY","name":{}}}"#, "wrong_type name");
    check(r#"{"type":"event","payload":{"website":"KEY","data":[1]}}"#, "malformed data");
    check(r#"{"type":"event","payload":7}"#, "malformed payload");
}

#[test]
fn visitors_are_told_apart_by_the_gateway() {
    let read = post(PAGE).read(&UMAMI, |batch| {
        let draft = batch.events[0].as_ref().unwrap();
        assert_eq!(batch.key.as_deref(), Some("KEY"));
        assert!(draft.is_anonymous_visitor);
        assert_eq!((draft.ip, &*draft.user_agent), (Some("1.2.3.4".parse().unwrap()), "UA"));
        told(&UMAMI.reply(&post(PAGE).head(), batch, &report(batch, 0)))
    });
    assert_eq!(read.unwrap(), (200, r#"{"ok":true}"#.to_owned()));
    assert!(post("[]").read(&UMAMI, |_| ()).is_err());
}

proptest! {
    #[test]
    fn no_body_breaks_it(request in nearly_right([PAGE, EVENT, IDENTIFY].map(post).to_vec())) {
        survive(&UMAMI, &request)?;
    }
}
