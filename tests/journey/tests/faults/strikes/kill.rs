use async_trait::async_trait;

use crate::fault::Fault;
use crate::scene::Scene;

/// Kill -9.
pub enum Kill {
    /// Of the server and its engine, at once.
    Tree,
    /// Of the server alone: its engine ends by itself, some moments later.
    Server,
    /// Of the engine alone: the server starts it again.
    Engine,
    /// Of both, and once more while they still take up their work.
    WhileStarting,
    /// Of the ClickHouse that runs by itself, with what keeps it running.
    Outside,
    /// Of that one's engine alone.
    OutsideEngine,
}

#[async_trait(?Send)]
impl Fault for Kill {
    async fn strike(&self, scene: &mut Scene) {
        match self {
            Self::Tree => {
                scene.server.kill_tree();
                scene.toll.killed("whole tree");
                scene.start_again().await;
            }
            Self::Server => {
                drop(scene.server.kill_server_alone());
                scene.toll.killed("server alone");
                scene.start_again().await;
            }
            Self::Engine => {
                scene.server.break_off_warehouse();
                scene.toll.killed("engine alone");
            }
            Self::WhileStarting => {
                scene.server.kill_tree();
                scene.server.start_only_to_kill().await;
                scene.toll.killed("whole tree");
                scene.toll.killed("whole tree while it starts");
                scene.start_again().await;
            }
            Self::Outside => {
                scene.outside().kill();
                scene.toll.killed("ClickHouse beside the server");
                scene.outside().start_again().await;
            }
            Self::OutsideEngine => {
                scene.outside().kill_engine().await;
                scene.toll.killed("ClickHouse beside the server");
            }
        }
    }
}
