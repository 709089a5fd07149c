use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use suanpan_journey::{App, DAY_MS, HOUR_MS, Reply, ago, eventually, now_ms};
use tokio::sync::{OwnedRwLockWriteGuard, RwLock};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::known::{Key, Known, random_id};

const NAMES: [&str; 3] = ["open", "view", "order"];
/// Longer than the server takes to answer anything that it will answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(45);
/// Of a reporter that was turned away.
const PAUSE_AWAY: Duration = Duration::from_millis(30);
/// One of so many requests without an answer is never sent again.
const FORGOTTEN_ONE_OF: u32 = 5;

/// What clients report.
#[derive(Debug, Clone, Copy)]
pub struct Mix {
    pub apps: usize,
    pub reporters: u64,
    pub events_per_request_max: usize,
    /// Bytes that make each event larger and do not compress.
    pub padding_bytes: usize,
    pub times: Times,
    /// Between two requests of a reporter.
    pub pause_ms: u64,
}

/// When the events happened, by their own word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// Now, in the last hours or weeks, or not said.
    Usual,
    /// Always said, within some hours around noon of yesterday.
    Said,
    /// Spread evenly over so many days.
    Days(i64),
}

impl Mix {
    pub const USUAL: Self = Self {
        apps: 3,
        reporters: 4,
        events_per_request_max: 40,
        padding_bytes: 0,
        times: Times::Usual,
        pause_ms: 4,
    };
}

/// Clients that report until told to end, and send again what got no answer.
pub struct Load {
    shared: Arc<Shared>,
    reporters: Vec<JoinHandle<()>>,
}

struct Shared {
    /// Where clients find the server, faults of the way included.
    url: String,
    http: reqwest::Client,
    apps: Vec<App>,
    mix: Mix,
    known: Mutex<Known>,
    /// Read by each request under way, written to let none be.
    way: Arc<RwLock<()>>,
    over: AtomicBool,
    acknowledged: AtomicU64,
}

impl Load {
    /// Begins to report to these apps by way of `url`.
    pub fn start(url: String, apps: Vec<App>, mix: Mix, seed: u64) -> Self {
        let http = reqwest::Client::builder().timeout(ANSWER_LIMIT).no_proxy().build();
        let shared = Arc::new(Shared {
            url,
            http: http.expect("a client can be made"),
            apps,
            mix,
            known: Mutex::default(),
            way: Arc::default(),
            over: AtomicBool::new(false),
            acknowledged: AtomicU64::new(0),
        });
        let report = |n: u64| {
            let rng = StdRng::seed_from_u64(seed.wrapping_add(n + 1));
            suanpan_journey::runtime().spawn(Arc::clone(&shared).report(rng))
        };
        let reporters = (0..mix.reporters).map(report).collect();
        Self { shared, reporters }
    }

    /// The apps that are reported to.
    pub fn apps(&self) -> &[App] {
        &self.shared.apps
    }

    pub fn mix(&self) -> Mix {
        self.shared.mix
    }

    /// What the clients know now.
    pub fn known(&self) -> MutexGuard<'_, Known> {
        self.shared.known()
    }

    /// How many events were acknowledged, repeated ones as often as they were.
    pub fn acknowledged(&self) -> u64 {
        self.shared.acknowledged.load(Ordering::Acquire)
    }

    /// Waits until so many more are acknowledged.
    pub async fn goes_on(&self, events: u64) {
        let moment = self.acknowledged() + events;
        eventually("reporting goes on", 120, async || (self.acknowledged() >= moment).then_some(())).await;
    }

    /// Lets no request be under way for as long as this is held.
    pub async fn pause(&self) -> OwnedRwLockWriteGuard<()> {
        Arc::clone(&self.shared.way).write_owned().await
    }

    /// Reports so many new good events while the load is paused; every answer comes. Gives them by app.
    ///
    /// # Panics
    /// They are not all acknowledged.
    pub async fn report_new(&self, events: usize, rng: &mut StdRng) -> Vec<Key> {
        let mut reported = Vec::new();
        for n in 0..events.div_ceil(self.mix().events_per_request_max) {
            let app = n % self.apps().len();
            let count = self.mix().events_per_request_max.min(events - reported.len());
            let keys: Vec<Key> =
                (0..count).map(|_| self.shared.new_event(app, random_id(rng), rng)).collect();
            let is_answered = self.shared.send(keys.clone(), rng).await;
            assert!(is_answered, "the server is up and acknowledges");
            reported.extend(keys);
        }
        reported
    }

    /// Ends the reporters, and sends again most of what got no answer, until it is answered.
    pub async fn end(&mut self, rng: &mut StdRng) {
        self.shared.over.store(true, Ordering::Release);
        for reporter in self.reporters.drain(..) {
            reporter.await.expect("a reporter ends when told to");
        }
        loop {
            let Some(keys) = self.known().take_unsure(rng) else { return };
            if rng.random_ratio(1, FORGOTTEN_ONE_OF) {
                continue;
            }
            eventually("what got no answer is acknowledged when sent again", 60, async || {
                self.shared.try_send(&keys, rng).await.then_some(())
            })
            .await;
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.reporters.iter().for_each(JoinHandle::abort);
    }
}

impl Shared {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports until told to end.
    async fn report(self: Arc<Self>, mut rng: StdRng) {
        while !self.over.load(Ordering::Acquire) {
            let pause = {
                let _under_way = self.way.read().await;
                let keys = self.next_request(&mut rng);
                let is_answered = self.send(keys, &mut rng).await;
                if is_answered { Duration::from_millis(self.mix.pause_ms) } else { PAUSE_AWAY }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// New events with some that were sent before, or a request whose answer never came.
    fn next_request(&self, rng: &mut StdRng) -> Vec<Key> {
        if rng.random_bool(0.4)
            && let Some(unsure) = self.known().take_unsure(rng)
        {
            return unsure;
        }
        let app = rng.random_range(0..self.apps.len());
        let most = if rng.random_bool(0.3) { 1 } else { self.mix.events_per_request_max };
        let mut keys: Vec<Key> = Vec::new();
        for _ in 0..rng.random_range(1..=most) {
            let repeated = if rng.random_bool(0.15) { self.known().any_acknowledged(app, rng) } else { None };
            let key = match repeated {
                Some(key) => key,
                None => {
                    let shared_id =
                        if rng.random_bool(0.05) { self.known().id_of_another(app, rng) } else { None };
                    let id = shared_id.unwrap_or_else(|| random_id(rng));
                    if rng.random_bool(0.03) {
                        self.bad_event(app, id, rng)
                    } else {
                        self.new_event(app, id, rng)
                    }
                }
            };
            keys.push(key);
        }
        if rng.random_bool(0.1)
            && let Some(again) = keys.choose(rng).copied()
        {
            keys.push(again);
        }
        keys
    }

    /// Notes a new event that the gateway takes.
    fn new_event(&self, app: usize, id: Uuid, rng: &mut StdRng) -> Key {
        let mut properties = json!({ "n": id });
        if self.mix.padding_bytes > 0 {
            let digits =
                (0..self.mix.padding_bytes.div_ceil(16)).map(|_| format!("{:016x}", rng.random::<u64>()));
            properties["padding"] = json!(digits.collect::<String>());
        }
        let person = if rng.random_bool(0.8) { "user_id" } else { "device_id" };
        let name = NAMES.choose(rng);
        let mut event = json!({
            "id": id,
            "event": name,
            (person): format!("u{}", rng.random_range(0..200)),
            "properties": properties,
        });
        if let Some(time) = self.mix.times.any(rng) {
            event["time"] = json!(time);
        }
        let key = Key { app, id };
        self.known().add(key, event, true);
        key
    }

    /// Notes a new event that the gateway refuses.
    fn bad_event(&self, app: usize, id: Uuid, rng: &mut StdRng) -> Key {
        let properties = json!({ "n": id });
        let event = match rng.random_range(0..3) {
            0 => json!({ "id": id, "user_id": "ann", "properties": properties }),
            1 => json!({ "id": id, "event": "open", "properties": properties }),
            _ => json!({ "id": id, "event": "x".repeat(300), "user_id": "ann", "properties": properties }),
        };
        let key = Key { app, id };
        self.known().add(key, event, false);
        key
    }

    /// Sends a request and notes what became of it; whether it was answered for good.
    async fn send(&self, keys: Vec<Key>, rng: &mut StdRng) -> bool {
        self.try_send(&keys, rng).await || {
            // The next try is another request.
            self.known().give_back(keys);
            false
        }
    }

    async fn try_send(&self, keys: &[Key], rng: &mut StdRng) -> bool {
        let app = &self.apps[keys[0].app];
        let body = self.body(keys, rng);
        let from_ms = now_ms();
        let request = self.http.post(format!("{}/v1/events", self.url)).bearer_auth(&app.write_key);
        let reply = Reply::try_of(request.json(&body)).await;
        let when = (from_ms, now_ms());
        match reply {
            Ok(reply) if reply.status == 200 => {
                let taken = self.judge(keys, &reply.body);
                let acknowledged = taken.iter().filter(|taken| **taken).count() as u64;
                self.known().answered(keys, when, &taken);
                self.acknowledged.fetch_add(acknowledged, Ordering::AcqRel);
                true
            }
            Ok(reply) => {
                self.turned_away(&reply);
                self.known().unanswered(keys, when);
                false
            }
            Err(_nobody_answers) => {
                self.known().unanswered(keys, when);
                false
            }
        }
    }

    /// The body in one of the forms that the format has.
    fn body(&self, keys: &[Key], rng: &mut StdRng) -> Value {
        let events: Vec<Arc<Value>> = {
            let known = self.known();
            keys.iter().map(|key| Arc::clone(&known.events[key].body)).collect()
        };
        match events.as_slice() {
            [only] if rng.random_bool(0.5) => json!(**only),
            events if rng.random_bool(0.5) => events.iter().map(|event| (**event).clone()).collect(),
            events => json!({ "events": events.iter().map(|event| &**event).collect::<Vec<_>>() }),
        }
    }

    /// Which events were taken, by the answer; it must fit what they are.
    fn judge(&self, keys: &[Key], report: &Value) -> Vec<bool> {
        let mut known = self.known();
        let mut taken = Vec::with_capacity(keys.len());
        for (n, key) in keys.iter().enumerate() {
            let result = &report["results"][n];
            // What stands twice in a request is acknowledged, too, and told to be a duplicate.
            let is_repeated = keys[..n].contains(key);
            let is_taken = match result["status"].as_str() {
                Some("ok" | "warning") => !is_repeated,
                Some("duplicate") => is_repeated,
                _ => false,
            };
            let is_good = known.events[key].is_good;
            // Where the server's clock is stepped, a good event may be too old or too far ahead.
            let code = result["error"]["code"].as_str().or(result["code"].as_str()).unwrap_or_default();
            let is_untimely = code.starts_with("time_");
            if is_taken != is_good && !is_untimely {
                let wrong = format!("{} got {result}", known.events[key].body);
                known.wrong_answers.push(wrong);
            }
            taken.push(is_taken);
        }
        taken
    }

    fn turned_away(&self, reply: &Reply) {
        let mut known = self.known();
        let code = reply.body["code"].as_str().unwrap_or("no code");
        *known.turned_away.entry(format!("{} {code}", reply.status)).or_default() += 1;
        if reply.status != 503 || reply.retry_after_s.is_none() {
            known.wrong_answers.push(format!("{} {:#}", reply.status, reply.body));
        }
    }
}

impl Times {
    fn any(self, rng: &mut StdRng) -> Option<i64> {
        match self {
            Self::Usual => match rng.random_range(0..4) {
                0 => None,
                1 => Some(ago(rng.random_range(0..1000))),
                2 => Some(ago(rng.random_range(0..30 * HOUR_MS))),
                _ => Some(ago(rng.random_range(0..29 * DAY_MS))),
            },
            Self::Said => Some(ago(rng.random_range(0..12 * HOUR_MS))),
            Self::Days(days) => Some(ago(rng.random_range(0..days) * DAY_MS)),
        }
    }
}
