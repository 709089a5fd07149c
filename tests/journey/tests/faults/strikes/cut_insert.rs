use async_trait::async_trait;
use rand::RngExt as _;
use rand::seq::IndexedRandom as _;
use suanpan_journey::{CutAt, eventually};

use crate::fault::Fault;
use crate::scene::Scene;

/// Inserts are cut on their way to ClickHouse: most of all after they were applied, so that the
/// pipeline does not hear of it.
pub enum CutInsert {
    /// Of the events.
    Events,
    /// Of the ledger, which is the commit.
    Ledger,
    /// Of refused events, whose table stands beside.
    Beside,
}

#[async_trait(?Send)]
impl Fault for CutInsert {
    async fn strike(&self, scene: &mut Scene) {
        let table = match self {
            Self::Events => "events_local",
            Self::Ledger => "ledger_local",
            Self::Beside => "dead_letter_local",
        };
        let (cuts, is_killed) = (scene.rng.random_range(1..4), scene.rng.random_bool(0.3));
        let at: Vec<CutAt> = (0..cuts)
            .map(|_| *[CutAt::Answer, CutAt::Answer, CutAt::Body].choose(&mut scene.rng).expect("three"))
            .collect();
        let relay = scene.outside().relay();
        let before = relay.cuts_made();
        for at in at {
            relay.cut(at, &format!("INTO+suanpan.{table}"));
        }
        eventually("the inserts are cut", 60, async || (relay.cuts_made() > before).then_some(())).await;
        if is_killed && scene.fleet.is_none() {
            // The next life must find out what the last one did not hear.
            drop(scene.server.kill_server_alone());
            scene.toll.killed("server alone");
            scene.start_again().await;
        }
        let relay = scene.outside().relay();
        eventually("the inserts are cut", 60, async || (relay.cuts_made() >= before + cuts).then_some(()))
            .await;
        scene.toll.did("insert cut, most of them after they were applied", cuts);
    }
}
