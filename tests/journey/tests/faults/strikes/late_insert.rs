use async_trait::async_trait;
use nix::sys::signal::Signal;
use rand::RngExt as _;
use rand::seq::IndexedRandom as _;
use suanpan_journey::{CutAt, Server, eventually};

use crate::fault::Fault;
use crate::scene::Scene;

/// An insert comes to ClickHouse, wholly or by half, only after who sent it was killed or lost its
/// partitions, and others have done the work.
pub struct LateInsert;

#[async_trait(?Send)]
impl Fault for LateInsert {
    async fn strike(&self, scene: &mut Scene) {
        let at = *[CutAt::LateBody, CutAt::LateRequest].choose(&mut scene.rng).expect("two");
        let table = *["events_local", "events_local", "ledger_local"].choose(&mut scene.rng).expect("three");
        let relay = scene.outside().relay();
        let (made, arrived) = (relay.cuts_made(), relay.late_arrived());
        relay.cut(at, &format!("INTO+suanpan.{table}"));
        eventually("an insert is held back", 60, async || (relay.cuts_made() > made).then_some(())).await;
        let spare = others_take_over(scene).await;
        scene.all_is_stored().await;
        let relay = scene.outside().relay();
        relay.let_late_ones_arrive();
        eventually("the late insert is answered", 60, async || {
            (relay.late_arrived() > arrived).then_some(())
        })
        .await;
        if let (Some(mut spare), Some(fleet)) = (spare, &scene.fleet) {
            fleet.pipelines.iter().for_each(|pipeline| pipeline.process().signal(Signal::SIGCONT));
            scene.load.goes_on(300).await;
            let (status, said) = spare.stop();
            assert_eq!(status.code(), Some(0), "{said}");
        }
        scene.toll.did("insert that came late, after others did its work", 1);
    }
}

/// Whoever sends inserts now is killed and started again; or, in a fleet, stopped, while another one begins.
async fn others_take_over(scene: &mut Scene) -> Option<Server> {
    let is_killed = scene.rng.random_bool(0.5);
    let Some(fleet) = &mut scene.fleet else {
        drop(scene.server.kill_server_alone());
        scene.toll.killed("server alone");
        scene.start_again().await;
        return None;
    };
    if is_killed {
        for pipeline in &mut fleet.pipelines {
            pipeline.kill_tree();
            scene.toll.killed("pipeline");
        }
        for pipeline in &mut fleet.pipelines {
            pipeline.start_again().await;
        }
        return None;
    }
    fleet.pipelines.iter().for_each(|pipeline| pipeline.process().signal(Signal::SIGSTOP));
    Some(Server::start_as(fleet.setup("pipeline")).await)
}
