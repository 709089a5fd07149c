//! What the server says of events, and servers that say no.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use suanpan_sdk::{Client, Error, Event, Status};

use crate::edge::{Edge, LONG, client, event, until};
use crate::relay::{Fate, Relay, Seen};

/// A place for what is told.
type Told = Arc<Mutex<Vec<(String, Status)>>>;

fn telling(config: &mut suanpan_sdk::ClientConfig) -> Told {
    let told = Told::default();
    let list = Arc::clone(&told);
    config.on_settled =
        Some(Arc::new(move |settled| list.lock().unwrap().push((settled.name(), settled.result.status))));
    told
}

#[tokio::test]
async fn rejected_events_are_told_counted_and_gone() {
    let edge = Edge::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut config = client(&edge.address, &edge.key, &folder);
    let told = telling(&mut config);
    // All in one request, that of the flush.
    config.send_interval = LONG;
    let client = Client::open(config).unwrap();
    let twice = uuid::Uuid::now_v7();
    client.track(Event::new("good").user("u").id(twice)).unwrap();
    client.track(Event::new("nobody's")).unwrap();
    client.track(Event::new("good").user("u").id(twice)).unwrap();
    client.track(Event::new("").user("u")).unwrap().on_disk().await.unwrap();
    client.flush(LONG).await.unwrap();
    let expected = [
        ("good", Status::Ok),
        ("nobody's", Status::Rejected),
        ("good", Status::Duplicate),
        ("", Status::Rejected),
    ];
    assert_eq!(*told.lock().unwrap(), expected.map(|(name, status)| (name.to_owned(), status)));
    let counts = client.counts();
    assert_eq!((counts.delivered, counts.duplicate, counts.rejected, client.waiting()), (1, 1, 2, 0));
    assert_eq!(edge.ids().await, [twice.to_string()].into());
}

#[tokio::test]
async fn a_callback_that_panics_stops_nothing() {
    let edge = Edge::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut config = client(&edge.address, &edge.key, &folder);
    config.on_settled = Some(Arc::new(|_| panic!("a mistake of the program")));
    let client = Client::open(config).unwrap();
    (0..20).for_each(|n| drop(client.track(event(n)).unwrap()));
    client.flush(LONG).await.unwrap();
    assert_eq!((client.counts().delivered, edge.events().await.len()), (20, 20));
}

#[tokio::test]
async fn the_event_that_requests_are_refused_for_is_set_aside() {
    let edge = Edge::start().await;
    let is_bad = |event: &Value| event["properties"]["n"].as_u64().is_some_and(|n| n % 100 == 42);
    let judge = move |seen: &Seen| match seen.events().iter().any(is_bad) {
        true => Fate::answer(400, r#"{"code":"unloved","detail":"no such thing here"}"#),
        false => Fate::Pass,
    };
    let relay = Relay::to(&edge.address, judge).await;
    let folder = tempfile::tempdir().unwrap();
    let mut config = client(&relay.address, &edge.key, &folder);
    let told = telling(&mut config);
    let client = Client::open(config).unwrap();
    (0..300).for_each(|n| drop(client.track(event(n)).unwrap()));
    client.flush(LONG).await.unwrap();
    assert_eq!(edge.events().await.len(), 297);
    let counts = client.counts();
    assert_eq!((counts.delivered, counts.set_aside, client.waiting()), (297, 3, 0));
    let refused = told.lock().unwrap().iter().filter(|(_, status)| *status == Status::Refused).count();
    assert_eq!(refused, 3);
    let kept = std::fs::read_to_string(folder.path().join("queue/set-aside.ndjson")).unwrap();
    let kept: Vec<Value> = kept.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let numbers: Vec<&Value> = kept.iter().map(|line| &line["event"]["properties"]["n"]).collect();
    assert_eq!(numbers, [42, 142, 242]);
    assert_eq!((&kept[0]["code"], &kept[0]["message"]), (&json!("unloved"), &json!("no such thing here")));
}

#[tokio::test]
async fn the_file_of_events_set_aside_is_bounded() {
    let relay = Relay::to("127.0.0.1:1", |_| Fate::answer(400, "no")).await;
    let folder = tempfile::tempdir().unwrap();
    let mut config = client(&relay.address, "key", &folder);
    config.set_aside_bytes_max = 1000;
    let client = Client::open(config).unwrap();
    (0..20).for_each(|n| drop(client.track(event(n)).unwrap()));
    client.flush(LONG).await.unwrap();
    assert_eq!((client.counts().set_aside, client.waiting()), (20, 0));
    let bytes = folder.path().join("queue/set-aside.ndjson").metadata().unwrap().len();
    assert!((500..=1000).contains(&bytes), "{bytes}");
}

#[tokio::test]
async fn a_refused_key_pauses_and_says_so() {
    let edge = Edge::start().await;
    let folder = tempfile::tempdir().unwrap();
    let refused = Client::open(client(&edge.address, "spw_nonsense", &folder)).unwrap();
    (0..20).for_each(|n| drop(refused.track(event(n)).unwrap()));
    until("the key is refused", || refused.trouble().is_some()).await;
    let trouble = refused.trouble().unwrap();
    assert!(trouble.contains("401 key_unknown"), "{trouble}");
    assert_eq!(refused.waiting(), 20);
    drop(refused);

    // The key is made known while the client waits.
    let plan = vec![Fate::answer(401, "{}"), Fate::answer(403, "{}")];
    let relay = Relay::with_plan(&edge.address, plan).await;
    let client = Client::open(client(&relay.address, &edge.key, &folder)).unwrap();
    client.flush(LONG).await.unwrap();
    assert_eq!((edge.events().await.len(), client.trouble()), (20, None));
}

#[tokio::test]
async fn what_the_server_wants_again_holds_nothing_up() {
    let edge = Edge::start().await;
    // The first four times, the server is not ready for every tenth.
    let judge = |seen: &Seen| {
        let unready = |event: &Value| event["properties"]["n"].as_u64().unwrap().is_multiple_of(10);
        if seen.number >= 4 || !seen.events().iter().any(unready) {
            return Fate::Pass;
        }
        let status = |event: &Value| json!({ "status": if unready(event) { "retry" } else { "ok" } });
        let results: Vec<Value> = seen.events().iter().map(status).collect();
        Fate::answer(200, json!({ "results": results }).to_string())
    };
    let relay = Relay::to(&edge.address, judge).await;
    let folder = tempfile::tempdir().unwrap();
    let mut config = client(&relay.address, &edge.key, &folder);
    config.sender.request_events_max = 20;
    let client = Client::open(config).unwrap();
    (0..100).for_each(|n| drop(client.track(event(n)).unwrap()));
    client.flush(LONG).await.unwrap();
    let counts = client.counts();
    assert_eq!((counts.delivered, client.waiting()), (100, 0));
    let unready = |event: &Value| event["n"].as_u64().unwrap().is_multiple_of(10);
    let seen: Vec<Value> = relay.seen()[..4].iter().flat_map(|seen| seen.events().to_vec()).collect();
    let put_back = seen.iter().filter(|event| unready(&event["properties"])).count();
    assert_eq!(counts.retried, put_back as u64);
    // What the relay said `ok` to never came to the gateway; what was wanted again did, and once.
    let arrived = edge.events().await;
    let wanted = arrived.iter().filter(|event| unready(&event["props"])).count();
    assert_eq!((wanted, arrived.len()), (10, 100 - (seen.len() - put_back)));
}

/// What a program logs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn debug_mode_says_what_the_server_says_of_each_event() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).init();
    let edge = Edge::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut config = client(&edge.address, &edge.key, &folder);
    config.debug = true;
    let client = Client::open(config).unwrap();
    let good = client.track(Event::new("good").user("u")).unwrap().id();
    let bad = client.track(Event::new("bad")).unwrap().id();
    client.flush(LONG).await.unwrap();
    let said = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let line = |id: uuid::Uuid| said.lines().find(|line| line.contains(&id.to_string())).unwrap();
    assert!(line(good).contains("INFO") && line(good).contains("Ok"), "{said}");
    assert!(line(bad).contains("WARN") && line(bad).contains("identity_missing"), "{said}");
}

#[tokio::test]
async fn a_server_that_always_wants_one_event_again_gets_the_others() {
    let edge = Edge::start().await;
    let stubborn = |event: &Value| event["properties"]["n"] == 5;
    let judge = move |seen: &Seen| {
        if !seen.events().iter().any(stubborn) {
            return Fate::Pass;
        }
        let status = |event: &Value| json!({ "status": if stubborn(event) { "retry" } else { "ok" } });
        let results: Vec<Value> = seen.events().iter().map(status).collect();
        Fate::answer(200, json!({ "results": results }).to_string())
    };
    let relay = Relay::to(&edge.address, judge).await;
    let folder = tempfile::tempdir().unwrap();
    let client = Client::open(client(&relay.address, &edge.key, &folder)).unwrap();
    for round in 0..5 {
        (0..10).for_each(|n| drop(client.track(event(round * 100 + n)).unwrap()));
        until("the others are delivered", || client.counts().delivered == round as u64 * 10 + 9).await;
    }
    let flushed = client.flush(Duration::from_millis(20)).await;
    assert!(matches!(flushed, Err(Error::NotFlushed { waiting: 1.., .. })), "{flushed:?}");
    assert!(client.trouble().unwrap().contains("wants 1 of"));
}
