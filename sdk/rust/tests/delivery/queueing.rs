//! The client's queue: what is tracked arrives, in whatever order things fail.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use suanpan_log::LogError;
use suanpan_sdk::{Client, ClientConfig, Counts, Error, Event, WhenFull};

use crate::edge::{Edge, LONG, client, event, until};
use crate::relay::{Fate, Relay};

/// Every event that was found or tracked has ended or waits.
fn conserved(client: &Client) -> Counts {
    let counts = client.counts();
    assert_eq!(counts.found + counts.tracked, counts.ended() + client.waiting(), "{counts:?}");
    counts
}

/// Tracks so many events and returns their ids.
fn track(client: &Client, count: usize) -> HashSet<String> {
    (0..count).map(|n| client.track(event(n)).unwrap().id().to_string()).collect()
}

#[tokio::test]
async fn whatever_happens_on_the_way_all_arrive_once() {
    let edge = Edge::start().await;
    let plan = vec![
        Fate::busy(""),
        Fate::busy("Retry-After: 0\r\n"),
        Fate::CutBefore,
        Fate::CutAfter,
        Fate::Delay(Duration::from_millis(30)),
        Fate::answer(502, "<html>bad gateway</html>"),
        Fate::answer(200, "<html>welcome to our network</html>"),
        Fate::CutAfter,
        Fate::answer(404, "no such route"),
    ];
    let faults = plan.len();
    let relay = Relay::with_plan(&edge.address, plan).await;
    let folder = tempfile::tempdir().unwrap();
    let mut config = client(&relay.address, &edge.key, &folder);
    config.sender.request_events_max = 50;
    let client = Client::open(config).unwrap();
    let ids = track(&client, 300);
    client.flush(LONG).await.unwrap();
    assert_eq!((ids.len(), edge.ids().await), (300, ids));
    let counts = conserved(&client);
    assert_eq!((counts.delivered, client.waiting(), client.trouble()), (300, 0, None));
    assert!(relay.seen().len() >= faults);
}

#[tokio::test]
async fn ten_thousand_tracks_at_once_wait_on_disk_until_the_server_comes() {
    let edge = Edge::start().await;
    let away = Arc::new(AtomicBool::new(true));
    let is_away = Arc::clone(&away);
    let judge = move |_: &_| if is_away.load(Ordering::Relaxed) { Fate::CutBefore } else { Fate::Pass };
    let relay = Relay::to(&edge.address, judge).await;
    let folder = tempfile::tempdir().unwrap();
    let client = Client::open(client(&relay.address, &edge.key, &folder)).unwrap();
    let ids = track(&client, 10_000);
    client.track(event(0)).unwrap().on_disk().await.unwrap();
    assert_eq!((conserved(&client).tracked, client.waiting()), (10_001, 10_001));
    until("the server is missed", || client.trouble().is_some()).await;
    let Err(Error::NotFlushed { waiting, why }) = client.flush(Duration::from_millis(20)).await else {
        panic!()
    };
    assert_eq!(waiting, 10_001);
    assert!(why.unwrap().contains("no answer from"));

    away.store(false, Ordering::Relaxed);
    client.flush(LONG).await.unwrap();
    let arrived = edge.ids().await;
    assert!(arrived.is_superset(&ids) && arrived.len() == 10_001);
    assert_eq!(conserved(&client).delivered, 10_001);
}

#[tokio::test]
async fn what_was_not_sent_is_sent_by_the_next_client() {
    let edge = Edge::start().await;
    let folder = tempfile::tempdir().unwrap();
    let unreachable = Client::open(client("127.0.0.1:1", &edge.key, &folder)).unwrap();
    let mut ids = track(&unreachable, 1000);
    let closed = unreachable.shutdown(Duration::from_millis(20)).await;
    assert!(matches!(closed, Err(Error::NotFlushed { waiting: 1000, .. })), "{closed:?}");
    assert!(matches!(unreachable.track(event(1)), Err(Error::Closed)));
    assert!(matches!(unreachable.flush(LONG).await, Err(Error::Closed)));
    unreachable.shutdown(LONG).await.unwrap();

    let next = Client::open(client(&edge.address, &edge.key, &folder)).unwrap();
    ids.extend(track(&next, 10));
    next.shutdown(LONG).await.unwrap();
    assert_eq!(edge.ids().await, ids);
    let counts = conserved(&next);
    assert_eq!((counts.found, counts.tracked, counts.delivered), (1000, 10, 1010));
    drop(next);

    // Nothing is left, and dropping a client writes what it has.
    let third = Client::open(client("127.0.0.1:1", &edge.key, &folder)).unwrap();
    assert_eq!((third.counts().found, third.waiting()), (0, 0));
    ids.extend(track(&third, 5));
    drop(third);
    let last = Client::open(client(&edge.address, &edge.key, &folder)).unwrap();
    last.flush(LONG).await.unwrap();
    assert_eq!((last.counts().found, edge.ids().await), (5, ids));
}

#[tokio::test]
async fn a_full_queue_refuses_if_it_shall() {
    let edge = Edge::start().await;
    let folder = tempfile::tempdir().unwrap();
    let away = client("127.0.0.1:1", &edge.key, &folder);
    let small = ClientConfig { events_max: 10, when_full: WhenFull::Refuse, ..away.clone() };
    let full = Client::open(small).unwrap();
    let ids = track(&full, 10);
    let refused = full.track(event(10));
    assert!(matches!(refused, Err(Error::QueueFull { events: 10, bound: "events_max", .. })), "{refused:?}");
    assert_eq!((conserved(&full).tracked, full.waiting()), (10, 10));
    drop(full);

    // A bound below what is there already gives nothing up.
    let few_bytes =
        ClientConfig { bytes_max: 1000, event_bytes_max: 500, when_full: WhenFull::Refuse, ..away };
    let full = Client::open(few_bytes.clone()).unwrap();
    let refused = full.track(event(10));
    assert!(matches!(refused, Err(Error::QueueFull { bound: "bytes_max", .. })), "{refused:?}");
    drop(full);

    let sender = client(&edge.address, &edge.key, &folder).sender;
    let emptied = Client::open(ClientConfig { sender, ..few_bytes }).unwrap();
    emptied.flush(LONG).await.unwrap();
    assert_eq!(edge.ids().await, ids);
    emptied.track(event(11)).unwrap();
}

#[tokio::test]
async fn a_full_queue_gives_up_the_oldest_if_it_shall() {
    let edge = Edge::start().await;
    let folder = tempfile::tempdir().unwrap();
    let away = Arc::new(AtomicBool::new(true));
    let is_away = Arc::clone(&away);
    let judge = move |_: &_| if is_away.load(Ordering::Relaxed) { Fate::busy("") } else { Fate::Pass };
    let relay = Relay::to(&edge.address, judge).await;
    let mut config = ClientConfig { events_max: 100, ..client(&relay.address, &edge.key, &folder) };
    config.sender.request_events_max = 30;
    let client = Client::open(config).unwrap();
    for n in 0..5000 {
        let receipt = client.track(event(n)).unwrap();
        if n % 50 == 0 {
            receipt.on_disk().await.unwrap();
            assert!(client.waiting() <= 100 + 50, "{}", client.waiting());
        }
    }
    client.track(event(5000)).unwrap().on_disk().await.unwrap();
    away.store(false, Ordering::Relaxed);
    client.flush(LONG).await.unwrap();
    let arrived = edge.events().await;
    let numbers: Vec<u64> = arrived.iter().map(|event| event["props"]["n"].as_u64().unwrap()).collect();
    assert!((4901..=5000).all(|n| numbers.contains(&n)), "the newest stay: {numbers:?}");
    let counts = conserved(&client);
    assert_eq!((counts.delivered, counts.dropped), (100, 4901));
    // The request that was on its way when its events were given up may have arrived.
    assert!(numbers.len() <= 130, "{}", numbers.len());
}

#[tokio::test]
async fn the_disk_holds_no_more_than_the_queue() {
    let folder = tempfile::tempdir().unwrap();
    let config = ClientConfig {
        bytes_max: 300_000,
        event_bytes_max: 4_000,
        memory_bytes_max: 100_000,
        ..client("127.0.0.1:1", "key", &folder)
    };
    let client = Client::open(config).unwrap();
    let noise = "x".repeat(2_000);
    for n in 0..3000 {
        let receipt = client.track(event(n).property("noise", noise.as_str()));
        // More than the disk takes at once is refused; the test waits for it.
        match receipt {
            Ok(receipt) if n % 20 == 0 => drop(receipt.on_disk().await.unwrap()),
            Ok(_) => {}
            Err(error) => panic!("{error}"),
        }
    }
    client.track(event(0)).unwrap().on_disk().await.unwrap();
    assert!((100..=150).contains(&client.waiting()), "{}", client.waiting());
    let files = std::fs::read_dir(folder.path().join("queue/queue")).unwrap();
    let bytes: u64 = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(bytes < 2 * 300_000, "{bytes} bytes on disk");
    conserved(&client);
}

#[tokio::test]
async fn what_is_not_taken_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let config = ClientConfig { event_bytes_max: 2000, ..client("127.0.0.1:1", "key", &folder) };
    let held = Client::open(config.clone()).unwrap();
    let too_large = held.track(event(1).property("noise", "x".repeat(2000)));
    assert!(matches!(too_large, Err(Error::EventTooLarge { limit: 2000, .. })), "{too_large:?}");
    let second = Client::open(config.clone());
    assert!(matches!(second, Err(Error::Disk(LogError::Locked { .. }))), "{second:?}");

    let memory = ClientConfig { memory_bytes_max: 1000, dir: folder.path().join("other"), ..config.clone() };
    let client = Client::open(memory).unwrap();
    let refusals = (0..10_000).filter_map(|n| client.track(event(n)).err());
    assert!(
        refusals.into_iter().all(|error| matches!(error, Error::QueueFull { bound: "memory_bytes_max", .. }))
    );
    client.track(event(0)).map(drop).ok();
    conserved(&client);

    let check = |change: fn(&mut ClientConfig), expected: &str| {
        let mut config = config.clone();
        change(&mut config);
        let Err(Error::Config { option, .. }) = Client::open(config) else { panic!("{expected} is taken") };
        assert_eq!(option, expected);
    };
    check(|c| c.events_max = 0, "events_max");
    check(|c| c.bytes_max = 1, "bytes_max");
    check(|c| c.event_bytes_max = 0, "event_bytes_max");
    check(|c| c.sender.host = "nowhere".into(), "host");
}

#[test]
fn a_program_without_a_runtime_reports_from_many_threads() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let edge = runtime.block_on(Edge::start());
    let client = Client::open(client(&edge.address, &edge.key, &folder)).unwrap();
    let tracked: Vec<HashSet<String>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| track(&client, 250))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    runtime.block_on(client.shutdown(LONG)).unwrap();
    let ids: HashSet<String> = tracked.into_iter().flatten().collect();
    assert_eq!((ids.len(), runtime.block_on(edge.ids())), (2000, ids));
}

#[tokio::test]
async fn properties_of_all_events_and_events_about_persons_arrive() {
    let edge = Edge::start().await;
    let folder = tempfile::tempdir().unwrap();
    let client = Client::open(client(&edge.address, &edge.key, &folder)).unwrap();
    client.set_property_of_all("shop", "north");
    client.set_property_of_all("n", 0);
    client.track(event(1)).unwrap();
    client.unset_property_of_all("shop");
    client.track(Event::identify("u", "d-1")).unwrap();
    client.track(Event::profile_set("u", [("plan", "pro")])).unwrap();
    client.track(Event::profile_set_once("u", [("first", "ad")])).unwrap();
    client.track(Event::profile_increment("u", [("visits", 1)])).unwrap();
    client.track(Event::profile_append("u", [("tags", "new")])).unwrap();
    client.track(Event::profile_unset("u", ["plan"])).unwrap();
    client.track(event(2)).unwrap();
    client.flush(LONG).await.unwrap();
    let arrived = edge.events().await;
    let told: Vec<(&str, &Value)> =
        arrived.iter().map(|event| (event["event"].as_str().unwrap(), &event["props"])).collect();
    let expected = [
        ("step", json!({ "n": 1, "shop": "north" })),
        ("$identify", json!({ "$anonymous_id": "d-1" })),
        ("$profile_set", json!({ "$set": { "plan": "pro" } })),
        ("$profile_set_once", json!({ "$set_once": { "first": "ad" } })),
        ("$profile_increment", json!({ "$add": { "visits": 1 } })),
        ("$profile_append", json!({ "$append": { "tags": "new" } })),
        ("$profile_unset", json!({ "$unset": ["plan"] })),
        ("step", json!({ "n": 2 })),
    ];
    assert_eq!(told, expected.iter().map(|(name, properties)| (*name, properties)).collect::<Vec<_>>());
    assert_eq!(conserved(&client).delivered, 8);
}
