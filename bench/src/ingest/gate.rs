use std::time::Duration;

use anyhow::Result;
use suanpan_bench::server::Server;
use tokio::sync::watch;

/// Acknowledged events that may wait to be stored: ten batches. What is beyond would only show how
/// fast the gateway is alone, and then the pipeline alone.
const WAITING_MAX: u64 = 200_000;
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Runs something with a gate that is shut while too many events wait to be stored, until all are
/// stored. Whoever `looks` is told how many are.
pub async fn gated<T>(
    server: &Server,
    mut looks: impl FnMut(u64) -> Result<()>,
    run: impl AsyncFnOnce(watch::Receiver<bool>) -> Result<T>,
) -> Result<T> {
    let (gate, opened) = watch::channel(true);
    let looking = async {
        loop {
            let (stored, waiting) = server.stored_and_waiting().await?;
            looks(stored)?;
            gate.send_replace(waiting < WAITING_MAX);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let running = async {
        let done = run(opened).await?;
        server.stored().await?;
        Ok(done)
    };
    tokio::select! {
        done = running => done,
        failed = looking => failed,
    }
}
