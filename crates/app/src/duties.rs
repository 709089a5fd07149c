//! What is done from time to time, by one process of all that have the role `watch`.

use std::time::Duration;

use suanpan_accounts::Accounts;
use suanpan_catalog::{Catalog, Lease};
use tokio::sync::watch;
use uuid::Uuid;

/// The lease that the watching process holds.
const LEASE: &str = "watch";
/// The pause between two rounds.
const PERIOD: Duration = Duration::from_secs(10);

/// Waits to be the one, does the duties while it is, and ends when told to stop.
pub async fn run(catalog: Catalog, accounts: Accounts, mut stop: watch::Receiver<bool>) {
    let holder = format!("watch-{}", Uuid::new_v4());
    let rounds_stop = stop.clone();
    loop {
        let lease = tokio::select! {
            lease = catalog.lease(LEASE, &holder) => lease,
            () = told(&mut stop) => return,
        };
        tracing::debug!(term = lease.term(), "this process does the duties of the watch");
        let is_over = tokio::select! {
            () = lease.lost() => false,
            () = rounds(&catalog, &accounts, &lease, &rounds_stop) => false,
            () = told(&mut stop) => true,
        };
        if !is_over {
            tracing::warn!("another process may do the duties of the watch now");
            continue;
        }
        if let Err(error) = lease.release().await {
            tracing::debug!(%error, "the lease is not given back; it expires by itself");
        }
        return;
    }
}

/// Ready when the process is to end, also when whoever would say so is gone.
async fn told(stop: &mut watch::Receiver<bool>) {
    let _told_or_gone = stop.wait_for(|stop| *stop).await;
}

async fn rounds(catalog: &Catalog, accounts: &Accounts, lease: &Lease, stop: &watch::Receiver<bool>) {
    loop {
        accounts.watch_once(lease, stop).await;
        match catalog.interrupt_replays().await {
            Ok(0) => {}
            Ok(interrupted) => {
                tracing::info!(
                    interrupted,
                    "replays whose process has ended were interrupted; they can go on"
                );
            }
            Err(error) => tracing::warn!(%error, "interrupted replays can't be found just now"),
        }
        tokio::time::sleep(PERIOD).await;
    }
}
