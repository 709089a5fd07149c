use async_trait::async_trait;
use rand::RngExt as _;
use rand::seq::IndexedRandom as _;

use crate::fault::Fault;
use crate::scene::Scene;

const STEPS: [&str; 7] = ["-1d", "+1d", "-1d", "+1d", "-3h", "+5h", "+0"];

/// The server's clock is stepped, by up to a day, forwards or back; the engine's is not.
pub struct StepClock;

#[async_trait(?Send)]
impl Fault for StepClock {
    async fn strike(&self, scene: &mut Scene) {
        let step = STEPS.choose(&mut scene.rng).expect("there are some");
        scene.clock.as_ref().expect("the plan gives the server a clock").step(step);
        let (events, is_killed) = (scene.rng.random_range(50..600), scene.rng.random_bool(0.4));
        scene.load.goes_on(events).await;
        if is_killed {
            drop(scene.server.kill_server_alone());
            scene.toll.killed("server alone");
            scene.start_again().await;
        }
        scene.toll.did("clock of the server stepped", 1);
    }
}
