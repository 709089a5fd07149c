use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use suanpan_sdk::{Pauses, Sender, SenderConfig};

use super::batch::BATCH_BYTES;
use super::progress::Progress;
use super::{ImportOptions, Target};

/// How long a server that is away or busy is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For one batch in all, from its first failure on.
    pub total: Duration,
    /// Between attempts.
    pub pauses: Pauses,
}

impl Default for Patience {
    fn default() -> Self {
        Self { total: Duration::from_secs(600), pauses: Pauses::default() }
    }
}

/// The sender of an import's batches, each one request unless the server wants less at once. The
/// person is told when it waits for the server.
///
/// # Errors
/// The URL or the key can't be used.
pub fn sender(
    target: &Target,
    options: &ImportOptions,
    patience: Patience,
    progress: &Arc<Progress>,
) -> Result<Sender> {
    let (told, total) = (Arc::clone(progress), patience.total.as_secs());
    let config = SenderConfig {
        user_agent: concat!("suanpan-import/", env!("CARGO_PKG_VERSION")).to_owned(),
        request_events_max: options.batch_events,
        // The last event of a batch may lie beyond its measure.
        request_bytes_max: 2 * BATCH_BYTES,
        // A file's times were not read off this machine's clock.
        sent_at: false,
        pauses: patience.pauses,
        patience: Some(patience.total),
        on_wait: Some(Arc::new(move |wait| {
            if wait.failing_for.is_zero() {
                told.note(&format!("{}; trying again for up to {total} s", wait.why));
            }
        })),
        ..SenderConfig::new(&target.url, &target.key)
    };
    Sender::new(config).with_context(|| format!("can't send to {}", target.url))
}
