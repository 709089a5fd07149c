use proptest::prelude::*;

use super::PLAUSIBLE;
use crate::Format as _;
use crate::formats::testing::{Request, nearly_right, report, survive, told};

/// What plausible-tracker 0.3.9 posts, as text/plain.
const PAGE: &str =
    r#"{"n":"pageview","u":"http://h/p?utm_source=s","d":"KEY","r":"http://r/","w":1280,"h":0}"#;
const EVENT: &str = r##"{"n":"Signup","u":"http://h/#/p","d":"KEY","r":null,"w":1280,"h":1,"p":"{\"plan\":\"鞋😀\",\"n\":9007199254740993}"}"##;
/// What its documented interface takes.
const LONG: &str = r#"{"name":"Buy","url":"http://h/","domain":"KEY,second.org","props":{"a":1.50},"revenue":{"currency":"USD","amount":"1.10"}}"#;

fn post(body: &str) -> Request {
    Request::post("/api/event", body).with("content-type", "text/plain")
}

#[test]
fn each_kind_becomes_its_event() {
    let check = |body: &str, expected: &str| post(body).check(&PLAUSIBLE, &[expected]);
    check(
        PAGE,
        r#"{"event":"$pageview","platform":"web","properties":{"$page_url":"http://h/p?utm_source=s","$page_path":"/p","$utm_source":"s","$page_referrer":"http://r/","$screen_width":1280}}"#,
    );
    check(
        EVENT,
        r##"{"event":"Signup","platform":"web","properties":{"plan":"鞋😀","n":9007199254740993,"$page_url":"http://h/#/p","$page_path":"/#/p","$screen_width":1280}}"##,
    );
    check(
        LONG,
        r#"{"event":"Buy","platform":"web","properties":{"a":1.50,"$page_url":"http://h/","$page_path":"/","$revenue":{"currency":"USD","amount":"1.10"}}}"#,
    );
    check(r#"{"n":"E","d":"KEY","p":"{"}"#, "malformed props");
    check(r#"{"n":"E","d":"KEY","p":"[1]"}"#, "malformed props");
    check(r#"{"n":"E","d":"KEY","u":[]}"#, "wrong_type url");
    check("7", "malformed ");
}

#[test]
fn visitors_are_told_apart_by_the_gateway() {
    for body in [PAGE, EVENT, LONG] {
        let read = post(body).read(&PLAUSIBLE, |batch| {
            assert_eq!(batch.key.as_deref(), Some("KEY"));
            assert!(batch.events[0].as_ref().unwrap().is_anonymous_visitor);
            told(&PLAUSIBLE.reply(&post(body).head(), batch, &report(batch, 0)))
        });
        assert_eq!(read.unwrap(), (202, "ok".to_owned()));
    }
    assert!(post("").read(&PLAUSIBLE, |_| ()).is_err());
}

proptest! {
    #[test]
    fn no_body_breaks_it(request in nearly_right([PAGE, EVENT, LONG].map(post).to_vec())) {
        survive(&PLAUSIBLE, &request)?;
    }
}
