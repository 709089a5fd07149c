use std::fs::File;
use std::io::Write as _;
use std::time::Duration;

use async_trait::async_trait;
use rand::RngExt as _;
use suanpan_journey::eventually;

use crate::fault::Fault;
use crate::scene::Scene;

const MIB: usize = 1 << 20;
/// More than any small disk here has.
const BALLAST_MIB: usize = 1024;

/// Something else takes all that is left of a disk, and gives it back later.
pub enum FillDisk {
    /// Of the log: nothing more is acknowledged until there is space again.
    OfLog,
    /// Of the engine: events are acknowledged, and wait in the log.
    OfEngine,
}

#[async_trait(?Send)]
impl Fault for FillDisk {
    async fn strike(&self, scene: &mut Scene) {
        let folder = if matches!(self, Self::OfLog) { "log" } else { "engine" };
        let (is_killed, events) = (scene.rng.random_bool(0.4), scene.rng.random_range(100..800));
        if !scene.server.has_small_disks() {
            // Nobody may make disks here: the log's own bound is tried by another test.
            scene.toll.did("disk could not be made small", 1);
            return;
        }
        let ballast = scene.server.place(folder).join("ballast");
        fill(&ballast);
        match self {
            Self::OfLog => {
                let turned_away = |scene: &Scene| scene.load.known().turned_away.get("503 log_full").copied();
                let before = turned_away(scene);
                eventually("clients are turned away", 60, async || {
                    // What the log gives back by itself is taken as well.
                    fill(&ballast);
                    (turned_away(scene) > before).then_some(())
                })
                .await;
            }
            Self::OfEngine => {
                scene.load.goes_on(events).await;
                let lag = scene.server.calls().status().await["lag"].as_u64();
                assert!(lag.is_some_and(|lag| lag > 0), "a full engine stores nothing: {lag:?}");
            }
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        let mut is_down = is_killed;
        if is_killed {
            scene.server.kill_tree();
            scene.toll.killed("whole tree on a full disk");
            // It may start on the full disk, or say why it does not.
            if matches!(self, Self::OfLog) && scene.rng.random_bool(0.5) {
                match scene.server.try_start().await {
                    Ok(()) => {
                        is_down = false;
                        scene.clients_find_it();
                    }
                    Err(refused) => assert!(refused.said.contains("No space left"), "{refused:?}"),
                }
            }
        }
        std::fs::remove_file(&ballast).expect("the ballast can be removed");
        if is_down {
            scene.start_again().await;
        }
        scene.load.goes_on(200).await;
        scene.toll.did(if folder == "log" { "disk of the log full" } else { "disk of the engine full" }, 1);
    }
}

/// Takes what is left of the disk, to the last byte.
fn fill(ballast: &std::path::Path) {
    let mut file = File::options().create(true).append(true).open(ballast).expect("a file can be made");
    for _ in 0..BALLAST_MIB {
        if file.write_all(&[0; MIB]).is_err() {
            return;
        }
    }
    panic!("the disk is not small: {}", ballast.display());
}
