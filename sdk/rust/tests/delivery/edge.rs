use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use suanpan_catalog::{Catalog, NewApp};
use suanpan_gateway::{Gateway, GatewayLimits, GatewayParts, router, system_clock};
use suanpan_log::{EmbeddedLog, Entry, EventLog, LogConfig};
use suanpan_sdk::{ClientConfig, Event, Pauses, SenderConfig};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// A gateway that listens.
pub struct Edge {
    _folder: TempDir,
    log: Arc<dyn EventLog>,
    pub address: String,
    pub key: String,
    pub read_key: String,
}

impl Edge {
    pub async fn start() -> Self {
        Self::with_limits(GatewayLimits::default()).await
    }

    pub async fn with_limits(limits: GatewayLimits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(&folder.path().join("catalog.sqlite")).await.unwrap();
        let app = NewApp { id: "shop".parse().unwrap(), title: "Shop".into(), time_zone: "UTC".into() };
        let id = app.id.clone();
        catalog.create_app(app).await.unwrap();
        let key = async |kind: &str| {
            let new = serde_json::from_value(json!({ "kind": kind })).unwrap();
            catalog.create_key(&id, new).await.unwrap().1.expose().to_owned()
        };
        let (key, read_key) = (key("write").await, key("read").await);
        let config = LogConfig { partitions: 1, ..LogConfig::new(folder.path().join("log")) };
        let log: Arc<dyn EventLog> = Arc::new(EmbeddedLog::open(config).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let parts = GatewayParts::new(catalog, log.clone(), limits, system_clock());
        let gateway = Gateway::open(parts).await.unwrap();
        tokio::spawn(async move { axum::serve(listener, router(gateway)).await.unwrap() });
        Self { _folder: folder, log, address, key, read_key }
    }

    /// All accepted events in the log, in order, as JSON of the log's short names.
    pub async fn events(&self) -> Vec<Value> {
        let mut reader = self.log.look(0, 0).await.unwrap();
        let mut events: Vec<Value> = Vec::new();
        while (events.len() as u64) < self.log.positions().await.unwrap()[0].end_offset {
            for entry in reader.next_batch(1000, 1 << 20, Duration::from_secs(5)).await.unwrap() {
                let Entry::Record { payload, .. } = entry else { panic!("the log is damaged") };
                events.push(serde_json::from_slice(&payload).unwrap());
            }
        }
        events.retain(|event| event.get("dead").is_none());
        events
    }

    /// The ids of all accepted events. One that came more often must be the same each time.
    pub async fn ids(&self) -> HashSet<String> {
        let mut seen: HashMap<String, Value> = HashMap::new();
        for mut event in self.events().await {
            event["received"] = Value::Null;
            let id = event["id"].as_str().unwrap().to_owned();
            if let Some(before) = seen.get(&id) {
                assert_eq!(&event, before, "an event came again as another one");
            }
            seen.insert(id, event);
        }
        seen.into_keys().collect()
    }
}

/// Hasty: a test does not wait for long.
pub fn sender(address: &str, key: &str) -> SenderConfig {
    let pauses = Pauses { first: Duration::from_millis(2), longest: Duration::from_millis(20) };
    SenderConfig { pauses, ..SenderConfig::new(format!("http://{address}"), key) }
}

/// A client in this folder, hasty as well.
pub fn client(address: &str, key: &str, folder: &TempDir) -> ClientConfig {
    let sender = sender(address, key);
    let dir = folder.path().join("queue");
    let (send_interval, refused_pause) = (Duration::from_millis(5), Duration::from_millis(10));
    ClientConfig { sender, send_interval, refused_pause, ..ClientConfig::new("", "", dir) }
}

/// The n-th event of a test.
pub fn event(n: usize) -> Event {
    Event::new("step").user(format!("u{}", n % 7)).property("n", n)
}

/// So many events, as a sender takes them, and their ids.
pub fn encoded(count: usize) -> (Vec<String>, Vec<Vec<u8>>) {
    let encoded = (0..count).map(|n| event(n).into_json());
    encoded.map(|(id, json)| (id.to_string(), json)).unzip()
}

/// Far longer than anything takes that goes well.
pub const LONG: Duration = Duration::from_secs(60);

/// Waits until it is so.
pub async fn until(what: &str, is_so: impl Fn() -> bool) {
    let limit = std::time::Instant::now() + LONG;
    while !is_so() {
        assert!(std::time::Instant::now() < limit, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
