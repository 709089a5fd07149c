//! The sender alone.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use suanpan_gateway::GatewayLimits;
use suanpan_sdk::{Error, Event, Sender, SenderConfig, Status};

use crate::edge::{Edge, encoded, event, sender};
use crate::relay::{Fate, Relay};

fn statuses(results: &[suanpan_sdk::EventResult]) -> Vec<Status> {
    results.iter().map(|result| result.status).collect()
}

#[tokio::test]
async fn each_event_gets_its_result() {
    let edge = Edge::start().await;
    let (id, good) = event(1).into_json();
    let events = [
        good.clone(),
        br#"{"event":"odd","user_id":"u","colour":"red"}"#.to_vec(),
        good,
        Event::new("nobody's").into_json().1,
    ];
    let results = Sender::new(sender(&edge.address, &edge.key)).unwrap().send(&events).await.unwrap();
    assert_eq!(statuses(&results), [Status::Ok, Status::Warning, Status::Duplicate, Status::Rejected]);
    assert_eq!(results[0].id, id.to_string());
    assert_eq!(
        (results[1].notes[0].code.as_str(), results[1].notes[0].field.as_str()),
        ("unknown_field", "colour")
    );
    assert_eq!((results[3].code.as_str(), results[3].field.as_str()), ("identity_missing", "user_id"));
    assert!(!results[3].message.is_empty());
    // The repetition is in the log as well: it is counted with all other duplicates.
    let arrived = edge.events().await;
    assert_eq!((arrived.len(), edge.ids().await.len()), (3, 2));
    assert_eq!((&arrived[0]["user"], &arrived[0]["props"]), (&json!("u1"), &json!({ "n": 1 })));
}

#[tokio::test]
async fn nothing_is_nothing_to_send() {
    let nobody = Sender::new(sender("127.0.0.1:1", "key")).unwrap();
    assert_eq!(nobody.send::<Vec<u8>>(&[]).await.unwrap(), []);
}

#[tokio::test]
async fn whatever_happens_on_the_way_all_arrive_once() {
    let edge = Edge::start().await;
    let plan = vec![
        Fate::busy(""),
        Fate::CutBefore,
        Fate::busy(""),
        Fate::CutAfter,
        Fate::CutAfter,
        Fate::Delay(Duration::from_millis(30)),
        Fate::answer(500, "oops"),
        Fate::CutAfter,
    ];
    let relay = Relay::with_plan(&edge.address, plan).await;
    let config = SenderConfig { request_events_max: 40, ..sender(&relay.address, &edge.key) };
    let (ids, events) = encoded(150);
    let results = Sender::new(config).unwrap().send(&events).await.unwrap();
    let answered: Vec<&str> = results.iter().map(|result| result.id.as_str()).collect();
    assert_eq!(answered, ids, "results come in the order of the events");
    assert_eq!(edge.ids().await, ids.into_iter().collect());
    // Three answers were swallowed, and their events came again.
    assert_eq!(edge.events().await.len(), 150 + 3 * 40);
    assert!(relay.seen().iter().all(|seen| seen.head.contains("gzip")));
}

#[tokio::test]
async fn what_a_busy_server_asks_for_is_a_minimum_and_each_try_says_its_time() {
    let edge = Edge::start().await;
    let plan = vec![Fate::busy("Retry-After: 1\r\n"), Fate::busy("")];
    let relay = Relay::with_plan(&edge.address, plan).await;
    let pauses: Arc<Mutex<Vec<Duration>>> = Arc::default();
    let heard = Arc::clone(&pauses);
    let mut config = sender(&relay.address, &edge.key);
    config.on_wait = Some(Arc::new(move |wait| {
        assert_eq!(wait.why, "too many reports at once");
        heard.lock().unwrap().push(wait.pause);
    }));
    Sender::new(config).unwrap().send(&encoded(1).1).await.unwrap();
    let pauses = pauses.lock().unwrap();
    assert_eq!(pauses.len(), 2);
    assert!(pauses[0] >= Duration::from_secs(1) && pauses[1] < Duration::from_secs(1), "{pauses:?}");
    let sent_at: Vec<i64> = relay.seen().iter().map(|seen| seen.body["sent_at"].as_i64().unwrap()).collect();
    assert!(sent_at[1] - sent_at[0] >= 1000, "{sent_at:?}");
}

#[tokio::test]
async fn times_of_another_clock_are_sent_without_ours() {
    let edge = Edge::start().await;
    let relay = Relay::with_plan(&edge.address, Vec::new()).await;
    let config = SenderConfig { sent_at: false, gzip: false, ..sender(&relay.address, &edge.key) };
    Sender::new(config).unwrap().send(&encoded(100).1).await.unwrap();
    let seen = &relay.seen()[0];
    assert!(seen.body.get("sent_at").is_none() && !seen.head.contains("gzip"), "{}", seen.head);
}

#[tokio::test]
async fn requests_too_large_for_the_server_are_cut() {
    let limits = GatewayLimits { events_per_request_max: 7, ..GatewayLimits::default() };
    let edge = Edge::with_limits(limits).await;
    let relay = Relay::with_plan(&edge.address, Vec::new()).await;
    let sender = Sender::new(sender(&relay.address, &edge.key)).unwrap();
    let (ids, events) = encoded(100);
    let results = sender.send(&events).await.unwrap();
    assert!(statuses(&results).iter().all(|status| *status == Status::Ok));
    let arrived: Vec<Value> = edge.events().await.iter().map(|event| event["props"]["n"].clone()).collect();
    assert_eq!(arrived, (0..100).map(Value::from).collect::<Vec<_>>(), "none twice, and in order");
    assert_eq!(edge.ids().await, ids.into_iter().collect());

    // Beside what is large, no event is: one alone that does not fit is named.
    let limits = GatewayLimits { body_bytes_max: 500, ..GatewayLimits::default() };
    let edge = Edge::with_limits(limits).await;
    let config = SenderConfig { gzip: false, ..crate::edge::sender(&edge.address, &edge.key) };
    let mut events = encoded(9).1;
    events[4] = event(4).property("noise", "x".repeat(600)).into_json().1;
    let results = Sender::new(config).unwrap().send(&events).await.unwrap();
    let refused: Vec<usize> = (0..9).filter(|at| results[*at].status == Status::Refused).collect();
    assert_eq!((refused.as_slice(), results[4].code.as_str()), ([4].as_slice(), "body_too_large"));
    assert_eq!(edge.events().await.len(), 8);
}

#[tokio::test]
async fn the_one_event_that_a_request_is_refused_for_is_found() {
    let edge = Edge::start().await;
    let is_bad = |event: &Value| event["properties"]["n"] == 3 || event["properties"]["n"] == 77;
    let judge = move |seen: &crate::relay::Seen| match seen.events().iter().any(is_bad) {
        true => Fate::answer(422, r#"{"code":"unloved","detail":"no"}"#),
        false => Fate::Pass,
    };
    let relay = Relay::to(&edge.address, judge).await;
    let results =
        Sender::new(sender(&relay.address, &edge.key)).unwrap().send(&encoded(100).1).await.unwrap();
    let refused: Vec<usize> = (0..100).filter(|at| results[*at].status == Status::Refused).collect();
    assert_eq!((refused.as_slice(), results[77].code.as_str()), ([3, 77].as_slice(), "unloved"));
    assert_eq!(edge.events().await.len(), 98);
}

#[tokio::test]
async fn events_that_the_server_wants_again_are_sent_again() {
    let edge = Edge::start().await;
    let some = json!({ "results": [
        { "status": "retry", "hint": "in a moment" }, { "status": "ok", "id": "x" }, { "status": "a new one" },
    ] });
    let relay = Relay::with_plan(&edge.address, vec![Fate::answer(200, some.to_string())]).await;
    let (ids, events) = encoded(3);
    let results = Sender::new(sender(&relay.address, &edge.key)).unwrap().send(&events).await.unwrap();
    assert_eq!(statuses(&results), [Status::Ok; 3]);
    assert_eq!((results[0].id.as_str(), results[1].id.as_str()), (ids[0].as_str(), "x"));
    assert_eq!(edge.ids().await, [ids[0].clone(), ids[2].clone()].into());
}

#[tokio::test]
async fn what_is_no_gateway_is_not_believed() {
    let check = async |fate: Fate, part: &str| {
        let relay = Relay::with_plan("127.0.0.1:1", vec![fate]).await;
        let error =
            Sender::new(sender(&relay.address, "key")).unwrap().send(&encoded(2).1).await.unwrap_err();
        assert!(matches!(error, Error::NotAGateway { .. }), "{error}");
        assert!(error.to_string().contains(part), "{error}");
    };
    check(Fate::answer(200, "<html>Please log in</html>"), "200 OK with another body").await;
    check(Fate::answer(200, ""), "another body").await;
    check(Fate::answer(200, r#"{"results":[{"status":"ok"}]}"#), "1 results for 2 events").await;
    check(Fate::answer(204, ""), "204").await;
    check(Fate::answer(404, "none"), "404 Not Found").await;
    check(Fate::Answer { status: 302, headers: "Location: /login\r\n", body: String::new() }, "302").await;
}

#[tokio::test]
async fn a_refused_key_is_said_at_once() {
    let edge = Edge::start().await;
    for (key, status, code) in
        [("spw_nonsense", 401, "key_unknown"), (&edge.read_key, 403, "key_cannot_write")]
    {
        let error = Sender::new(sender(&edge.address, key)).unwrap().send(&encoded(1).1).await.unwrap_err();
        let Error::KeyRefused { status: found, code: reason, .. } = &error else { panic!("{error}") };
        assert_eq!((*found, reason.as_str()), (status, code));
    }
}

#[tokio::test]
async fn patience_ends() {
    let relay = Relay::to("127.0.0.1:1", |_| Fate::busy("")).await;
    let patience = Some(Duration::from_millis(50));
    let config = SenderConfig { patience, ..sender(&relay.address, "key") };
    let error = Sender::new(config).unwrap().send(&encoded(1).1).await.unwrap_err();
    assert!(matches!(&error, Error::GaveUp { why, .. } if why == "too many reports at once"), "{error}");
    let config = SenderConfig { patience, ..sender("127.0.0.1:1", "key") };
    let error = Sender::new(config).unwrap().send(&encoded(1).1).await.unwrap_err();
    assert!(error.to_string().contains("no server answers at http://127.0.0.1:1; gave up"), "{error}");
}

#[test]
fn options_that_cannot_be_are_named() {
    let check = |change: fn(&mut SenderConfig), expected: &str| {
        let mut config = SenderConfig::new("http://a.example", "key");
        change(&mut config);
        let Err(Error::Config { option, .. }) = Sender::new(config) else { panic!("{expected} is taken") };
        assert_eq!(option, expected);
    };
    check(|c| c.host = "a.example".into(), "host");
    check(|c| c.key = "line\nbreak".into(), "key");
    check(|c| c.request_events_max = 0, "request_events_max");
    let shown = format!("{:?}", SenderConfig::new("http://a.example", "spw_secret"));
    assert!(shown.contains("[redacted]") && !shown.contains("spw_secret"), "{shown}");
}
