use async_trait::async_trait;
use nix::sys::signal::Signal;
use rand::RngExt as _;

use crate::fault::Fault;
use crate::scene::Scene;

/// What goes wrong with one of several processes, or with Kafka.
pub enum InFleet {
    /// A gateway is killed.
    KillGateway,
    /// A pipeline is killed: the other takes over.
    KillPipeline,
    /// A broker is killed, and comes back.
    KillBroker,
    /// A pipeline stands still (SIGSTOP) until others have its partitions and have stored all there is;
    /// then it wakes up (SIGCONT) in the middle of what it did.
    StopPipeline,
    /// Each process in turn is ended in an orderly way and started again.
    RestartAll,
}

#[async_trait(?Send)]
impl Fault for InFleet {
    async fn strike(&self, scene: &mut Scene) {
        match self {
            Self::KillGateway => {
                let fleet = scene.fleet.as_mut().expect("the plan has a fleet");
                let at = scene.rng.random_range(0..fleet.gateways.len());
                fleet.gateways[at].kill_tree();
                scene.toll.killed("gateway");
                fleet.gateways[at].start_again().await;
                scene.clients_find_it();
            }
            Self::KillPipeline => {
                let fleet = scene.fleet.as_mut().expect("the plan has a fleet");
                let at = scene.rng.random_range(0..fleet.pipelines.len());
                fleet.pipelines[at].kill_tree();
                scene.toll.killed("pipeline");
                let is_left_alone = scene.rng.random_bool(0.3);
                if is_left_alone {
                    // The other must take over before it comes back.
                    scene.all_is_stored().await;
                }
                scene.fleet.as_mut().expect("it is still there").pipelines[at].start_again().await;
            }
            Self::KillBroker => {
                let kafka = &scene.fleet.as_ref().expect("the plan has a fleet").kafka;
                let node = scene.rng.random_range(1..=kafka.nodes());
                kafka.kill(node);
                scene.toll.killed("Kafka broker");
                if kafka.nodes() > 1 {
                    scene.load.goes_on(300).await;
                }
                kafka.restart(node);
            }
            Self::StopPipeline => {
                let fleet = scene.fleet.as_ref().expect("the plan has a fleet");
                let at = scene.rng.random_range(0..fleet.pipelines.len());
                fleet.pipelines[at].process().signal(Signal::SIGSTOP);
                scene.all_is_stored().await;
                scene.load.goes_on(300).await;
                let fleet = scene.fleet.as_ref().expect("it is still there");
                fleet.pipelines[at].process().signal(Signal::SIGCONT);
                scene.toll.did("pipeline stopped until it lost its partitions, and continued", 1);
            }
            Self::RestartAll => {
                let fleet = scene.fleet.as_mut().expect("the plan has a fleet");
                let mut restarted = 0;
                for process in fleet.gateways.iter_mut().chain(&mut fleet.pipelines) {
                    let (status, said) = process.stop();
                    assert_eq!(status.code(), Some(0), "{said}");
                    process.start_again().await;
                    restarted += 1;
                }
                scene.toll.did("process restarted in an orderly way", restarted);
                scene.clients_find_it();
            }
        }
    }
}
