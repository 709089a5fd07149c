use async_trait::async_trait;
use rand::RngExt as _;
use suanpan_journey::{CutAt, eventually};

use crate::fault::Fault;
use crate::found::SOMEBODY_ELSE;
use crate::scene::Scene;

/// Blocks whose tokens ClickHouse remembers while this scenario runs.
const WINDOW_BLOCKS: u32 = 3;
const TABLES: [&str; 2] = ["events_local", "ledger_local"];

/// An insert is applied and nobody hears of it; then ClickHouse is away from the servers until it has
/// forgotten the insert's token, because others have written.
pub struct OutlastWindow;

#[async_trait(?Send)]
impl Fault for OutlastWindow {
    async fn strike(&self, scene: &mut Scene) {
        let table = TABLES[scene.rng.random_range(0..TABLES.len())];
        let (is_killed, events) = (scene.rng.random_bool(0.5), scene.rng.random_range(200..1500));
        let outside = scene.outside();
        for table in TABLES {
            let window = format!("non_replicated_deduplication_window = {WINDOW_BLOCKS}");
            outside.store().query(&format!("ALTER TABLE {table} MODIFY SETTING {window}")).await;
        }
        let relay = outside.relay();
        let before = relay.cuts_made();
        relay.cut(CutAt::Answer, &format!("INTO+suanpan.{table}"));
        eventually("an insert is applied unheard", 60, async || (relay.cuts_made() > before).then_some(()))
            .await;
        relay.set_open(false);
        for n in 0..=WINDOW_BLOCKS {
            let somebodys = format!(
                "INSERT INTO events_local (app_id, event, event_time, report_date, event_id) SETTINGS async_insert = 0 \
                 VALUES ('{SOMEBODY_ELSE}', 'pass', now64(3), today(), generateUUIDv4()) -- {n}"
            );
            outside.store().query(&somebodys).await;
            let nothing = "INSERT INTO ledger_local (app_id, minute, outcome, events, log_epoch) SETTINGS async_insert = 0 \
                           VALUES ('', 0, 'stored', 0, 1)";
            outside.store().query(&format!("{nothing} -- {n}")).await;
        }
        scene.load.goes_on(events).await;
        if is_killed {
            drop(scene.server.kill_server_alone());
            scene.toll.killed("server alone");
            scene.outside().relay().set_open(true);
            scene.start_again().await;
        }
        scene.outside().relay().set_open(true);
        scene.toll.did("ClickHouse away for longer than its deduplication window", 1);
    }
}
