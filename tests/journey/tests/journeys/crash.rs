use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use suanpan_journey::{App, DAY_MS, HOUR_MS, Server, ago, eventually, measure, rule};
use uuid::Uuid;

journeys! {
    every_acknowledged_event_is_there_exactly_once_after_kills,
}

const REPORTERS: u64 = 4;
/// Kills of a normal run; `SUANPAN_KILLS` asks for more.
const KILLS: u64 = 3;

/// What the reporters know, as clients do: what they sent, and what was acknowledged.
#[derive(Default)]
struct Ledger {
    /// Every event ever sent, by id.
    sent: HashMap<Uuid, Value>,
    /// Ids of batches whose answer never came, to be sent again.
    unsure: Vec<Vec<Uuid>>,
    /// Ids that were acknowledged.
    acknowledged: Vec<Uuid>,
}

struct Reporting {
    app: App,
    ledger: Mutex<Ledger>,
    /// Events that the gateway said it has put on disk.
    accepted: AtomicU64,
    over: AtomicBool,
}

async fn every_acknowledged_event_is_there_exactly_once_after_kills() {
    let seed = from_environment("SUANPAN_SEED").unwrap_or_else(rand::random);
    eprintln!("SUANPAN_SEED={seed} repeats these kills");
    let mut rng = StdRng::seed_from_u64(seed);
    let mut server = Server::start().await;
    let app = App::create(&server.calls()).await;
    app.define("n", "string").await;
    let reporting = Arc::new(Reporting {
        app: app.clone(),
        ledger: Mutex::default(),
        accepted: AtomicU64::new(0),
        over: AtomicBool::new(false),
    });
    let reporters: Vec<_> = (0..REPORTERS)
        .map(|n| tokio::spawn(Arc::clone(&reporting).report(StdRng::seed_from_u64(seed.wrapping_add(n + 1)))))
        .collect();

    for kill in 0..from_environment("SUANPAN_KILLS").unwrap_or(KILLS) {
        let moment = reporting.accepted.load(Ordering::Relaxed) + rng.random_range(200..4000);
        let pause = Duration::from_millis(rng.random_range(0..300));
        eventually("reporting goes on", 60, async || {
            (reporting.accepted.load(Ordering::Relaxed) >= moment).then_some(())
        })
        .await;
        tokio::time::sleep(pause).await;
        // The first one is always of everything at once.
        match if kill == 0 { 0 } else { rng.random_range(0..4) } {
            0 | 1 => server.kill_tree(),
            2 => drop(server.kill_server_alone()),
            _ => {
                server.break_off_warehouse();
                server.set_warehouse_away(false);
                continue;
            }
        }
        if rng.random_bool(0.3) {
            server.start_only_to_kill().await;
        }
        server.start_again().await;
    }
    reporting.over.store(true, Ordering::Relaxed);
    for reporter in reporters {
        reporter.await.expect("a reporter ends when told to");
    }
    reporting.send_again_what_is_unsure().await;
    server.settle().await;
    let end_offset = server.calls().status().await["log_end_offset"].as_u64().expect("an offset");

    let mut expected = reporting.ledger().acknowledged.clone();
    expected.sort();
    expected.dedup();
    let count = expected.len();
    let twice = end_offset - count as u64;
    eprintln!("{count} events were acknowledged, {twice} more records repeat some of them");
    assert!(count > 500 && twice > 0, "too little happened: {count} events, {twice} repeated");
    let distinct = json!({ "measure": "distinct", "attribute": "n" });
    let totals = app.totals(&rule(json!({ "measures": [measure("events"), distinct] }))).await;
    assert_eq!(totals, json!([count, count]));
    let outcomes = app.outcomes().await;
    assert_eq!(outcomes, [("stored".to_owned(), count as u64), ("duplicate".to_owned(), twice)].into());

    let (status, said) = server.stop();
    assert_eq!(status.code(), Some(0), "{said}");
    let store = server.store().await;
    let once =
        "SELECT count(), count() - uniqExact(event_id), count() - uniqExact(log_offset) FROM events_local";
    assert_eq!(store.query(once).await, format!("{count}\t0\t0"));
    let stored = store.query("SELECT event_id FROM events_local ORDER BY toString(event_id)").await;
    let expected: Vec<String> = expected.iter().map(Uuid::to_string).collect();
    assert!(stored.lines().eq(expected.iter()), "the stored ids are the acknowledged ones");
}

fn from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_not_a_number| panic!("{name}={text} is no whole number")))
}

impl Reporting {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends batches until told to end. A batch without an answer is sent again some time.
    async fn report(self: Arc<Self>, mut rng: StdRng) {
        while !self.over.load(Ordering::Relaxed) {
            let ids = self.next_batch(&mut rng);
            if !self.send(ids).await {
                // The server is away; it says nothing about when it comes back.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// New events, some sent before, or a batch whose answer never came.
    fn next_batch(&self, rng: &mut StdRng) -> Vec<Uuid> {
        let mut ledger = self.ledger();
        if rng.random_bool(0.3)
            && let Some(unsure) = ledger.unsure.pop()
        {
            return unsure;
        }
        let mut ids = Vec::new();
        for _ in 0..rng.random_range(1..40) {
            if rng.random_bool(0.2)
                && let Some(id) = ledger.acknowledged.choose(rng)
            {
                ids.push(*id);
                continue;
            }
            let id = uuid::Builder::from_random_bytes(rng.random()).into_uuid();
            ledger.sent.insert(id, event(id, rng));
            ids.push(id);
        }
        ids
    }

    /// Whether an answer came.
    async fn send(&self, ids: Vec<Uuid>) -> bool {
        let events: Vec<Value> = ids.iter().map(|id| self.ledger().sent[id].clone()).collect();
        let reply = self.app.try_report(&json!({ "events": events })).await;
        let Some(report) = reply.ok().filter(|reply| reply.status == 200) else {
            self.ledger().unsure.push(ids);
            return false;
        };
        assert_eq!(report.body["rejected"], 0, "{:#}", report.body);
        self.accepted.fetch_add(report.body["accepted"].as_u64().expect("a count"), Ordering::Relaxed);
        self.ledger().acknowledged.extend(ids);
        true
    }

    async fn send_again_what_is_unsure(&self) {
        loop {
            let Some(ids) = self.ledger().unsure.pop() else { return };
            assert!(self.send(ids).await, "the server is up");
        }
    }
}

/// An event of now, of the last hours, of the last weeks, or without a time of its own.
fn event(id: Uuid, rng: &mut StdRng) -> Value {
    let names = ["open", "view", "order"];
    let mut event = json!({
        "id": id,
        "event": names.choose(rng),
        "user_id": format!("u{}", rng.random_range(0..100)),
        "properties": { "n": id },
    });
    let age_ms = match rng.random_range(0..4) {
        0 => return event,
        1 => rng.random_range(0..1000),
        2 => rng.random_range(0..30 * HOUR_MS),
        _ => rng.random_range(0..29 * DAY_MS),
    };
    event["time"] = json!(ago(age_ms));
    event
}
