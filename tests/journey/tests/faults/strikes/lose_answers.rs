use async_trait::async_trait;
use rand::RngExt as _;
use suanpan_journey::{CutAt, eventually};

use crate::fault::Fault;
use crate::scene::Scene;

/// Clients' requests are cut: before the server has them, in the middle, or after it has answered.
/// They send the same again.
pub struct LoseAnswers;

#[async_trait(?Send)]
impl Fault for LoseAnswers {
    async fn strike(&self, scene: &mut Scene) {
        let (before, requests) = (scene.way.cuts_made(), scene.rng.random_range(5..20));
        for n in 0..requests {
            let at = [CutAt::Answer, CutAt::Answer, CutAt::Body, CutAt::Request][n % 4];
            scene.way.cut(at, "POST /v1/events");
        }
        eventually("the answers are lost", 60, async || {
            (scene.way.cuts_made() >= before + requests as u64).then_some(())
        })
        .await;
        scene.toll.did("client's request cut or its answer lost", requests as u64);
    }
}
