use std::collections::{BTreeMap, BTreeSet, HashMap};

use suanpan_journey::{MINUTE_MS, Store};

use crate::known::Key;
use crate::scene::Scene;

/// The app of rows that are written by hand.
pub const SOMEBODY_ELSE: &str = "somebody-else";

/// What the store has.
pub struct Found {
    /// Rows of each event.
    pub rows: HashMap<Key, u64>,
    /// The ledger: events by app, minute and outcome. Lost ones belong to no app.
    pub ledger: BTreeMap<(String, i64, String), u64>,
    /// Rows by app and minute of receipt.
    pub minutes: BTreeMap<(String, i64), u64>,
    /// Refused events.
    pub dead: BTreeSet<Key>,
    /// How many report dates there are.
    pub dates: u64,
    /// The sum of the ends that the ledger states.
    pub ends: u64,
    /// Rows whose content is not their event's, rows that share a place in the log, and rows of unknown apps.
    pub oddities: String,
}

/// Asks the store for all of it.
pub async fn find(store: &Store, scene: &Scene) -> Found {
    let number: HashMap<&str, usize> =
        scene.load.apps().iter().enumerate().map(|(n, app)| (app.id.as_str(), n)).collect();
    let apps = scene.load.apps().iter().map(|app| format!("'{}'", app.id)).collect::<Vec<_>>().join(", ");
    let rows = format!(
        "SELECT app_id, event_id, count() FROM events_local WHERE app_id IN ({apps}) GROUP BY app_id, event_id"
    );
    let key = |fields: &[String]| Key {
        app: number[fields[0].as_str()],
        id: fields[1].parse().expect("an id is a UUID"),
    };
    let rows = table(store, &rows).await.iter().map(|fields| (key(fields), count(&fields[2]))).collect();
    let ledger = "SELECT app_id, toInt64(toUnixTimestamp(minute)) AS m, outcome, sum(events) FROM ledger \
                  GROUP BY app_id, m, outcome HAVING sum(events) > 0";
    let ledger = table(store, ledger).await;
    let seconds = |text: &str| text.parse::<i64>().expect("seconds") * 1000 / MINUTE_MS;
    let ledger =
        ledger.iter().map(|f| ((f[0].clone(), seconds(&f[1]), f[2].clone()), count(&f[3]))).collect();
    let minutes = format!(
        "SELECT app_id, toInt64(toUnixTimestamp(toStartOfMinute(received_time))) AS m, count() FROM events_local \
         WHERE app_id IN ({apps}) GROUP BY app_id, m"
    );
    let minutes =
        table(store, &minutes).await.iter().map(|f| ((f[0].clone(), seconds(&f[1])), count(&f[2]))).collect();
    let dead = format!("SELECT DISTINCT app_id, id FROM dead_letter_local WHERE app_id IN ({apps})");
    let dead = table(store, &dead).await.iter().map(|fields| key(fields)).collect();
    let ends = "SELECT sum(next) FROM (SELECT max(next_offset) AS next FROM ledger GROUP BY log_epoch, log_partition)";
    let ends = count(&store.query(ends).await);
    let oddities = format!(
        "SELECT countIf(JSONExtractString(content, 'n') != toString(event_id)), \
         count() - uniqExact(log_epoch, log_partition, log_offset), countIf(app_id NOT IN ({apps})) \
         FROM events_local WHERE app_id != '{SOMEBODY_ELSE}'"
    );
    let dates = format!("SELECT uniqExact(report_date) FROM events_local WHERE app_id IN ({apps})");
    let dates = count(&store.query(&dates).await);
    Found { rows, ledger, minutes, dead, dates, ends, oddities: store.query(&oddities).await }
}

async fn table(store: &Store, sql: &str) -> Vec<Vec<String>> {
    let answer = store.query(sql).await;
    answer.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

fn count(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_other| panic!("{text:?} is no count"))
}

impl Found {
    /// Events of one outcome, of one app or of all.
    pub fn sum(&self, app: Option<&str>, outcome: &str) -> u64 {
        let chosen = |(of, _, is): &(String, i64, String)| app.is_none_or(|app| app == of) && is == outcome;
        self.ledger.iter().filter(|(place, _)| chosen(place)).map(|(_, events)| events).sum()
    }

    /// Events by app and outcome.
    pub fn of_apps(&self, scene: &Scene) -> BTreeMap<(String, String), u64> {
        let mut all = BTreeMap::new();
        for ((app, _, outcome), events) in &self.ledger {
            if scene.load.apps().iter().any(|known| known.id == *app) {
                *all.entry((app.clone(), outcome.clone())).or_default() += events;
            }
        }
        all
    }
}
