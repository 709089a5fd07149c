use std::time::Duration;

use suanpan_log::LogError;

use crate::WhenFull;
use crate::intake::Item;
use crate::queue::Queue;
use crate::shared::Shared;

/// Pause after the disk has not taken events; `memory_bytes_max` bounds what gathers meanwhile.
const DISK_PAUSE: Duration = Duration::from_secs(1);

/// Writes tracked events to the queue on disk, all that wait with one sync, until the intake is closed
/// and empty.
pub(crate) async fn journal(shared: &Shared, queue: &Queue) {
    while let Some(items) = shared.intake.take().await {
        let (events, receipts): (Vec<_>, Vec<_>) =
            items.into_iter().map(|Item { json, written }| (json, written)).unzip();
        let mut receipts = receipts.into_iter();
        let mut events = events.as_slice();
        while !events.is_empty() {
            let (part, rest) = events.split_at(queue.fitting(events));
            let written = write(shared, queue, part).await;
            for receipt in receipts.by_ref().take(part.len()) {
                // Who does not wait any more does not need the answer.
                let _ = receipt.send(written.clone().map_err(Into::into));
            }
            events = rest;
        }
    }
}

/// Writes a part, however often that takes; only at the end of the client it gives up.
async fn write(shared: &Shared, queue: &Queue, part: &[Vec<u8>]) -> Result<(), LogError> {
    let written = loop {
        match queue.append(part).await {
            Ok(_end) => break Ok(()),
            Err(error) if shared.intake.is_closed() => break Err(error),
            Err(error) => {
                if shared.in_trouble(&error.to_string()) {
                    tracing::error!(%error, "events can't be written to the queue; it is tried again");
                }
                tokio::time::sleep(DISK_PAUSE).await;
            }
        }
    };
    let events = part.len() as u64;
    match &written {
        Ok(()) if shared.config.when_full == WhenFull::DropOldest => drop_oldest(shared, queue),
        Ok(()) => {}
        Err(error) => {
            tracing::error!(%error, events, "events are lost: the queue's disk did not take them before the end");
            shared.counts().unwritten += events;
            let bytes = part.iter().map(|json| json.len() as u64).sum();
            shared.intake.subtract(crate::intake::Load { events, bytes });
        }
    }
    shared.progress.send_modify(|progress| {
        progress.written += events;
        progress.end = queue.end();
        progress.floor = queue.floor();
    });
    written
}

/// Brings the queue back within its bounds.
pub(crate) fn drop_oldest(shared: &Shared, queue: &Queue) {
    let excess = shared.intake.excess();
    if excess == crate::intake::Load::default() {
        return;
    }
    let shed = queue.shed(excess);
    shared.intake.subtract(shed);
    let mut counts = shared.counts();
    if counts.dropped == 0 && shed.events > 0 {
        tracing::error!("the queue is full: the oldest events are dropped from now on, and counted");
    }
    counts.dropped += shed.events;
}
