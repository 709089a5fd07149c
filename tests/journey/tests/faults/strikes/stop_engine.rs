use std::time::Duration;

use async_trait::async_trait;
use rand::RngExt as _;

use crate::fault::Fault;
use crate::scene::Scene;

/// The engine hangs for a while (SIGSTOP, SIGCONT): clients notice nothing.
pub struct StopEngine;

#[async_trait(?Send)]
impl Fault for StopEngine {
    async fn strike(&self, scene: &mut Scene) {
        scene.server.set_warehouse_away(true);
        let events = scene.rng.random_range(100..1000);
        scene.load.goes_on(events).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        scene.server.set_warehouse_away(false);
        scene.toll.did("engine stopped and continued", 1);
    }
}
