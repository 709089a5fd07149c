use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use suanpan_log::{LogError, Reader};

use crate::backoff::Backoff;
use crate::intake::Load;
use crate::queue::{Queue, Queued};
use crate::sender::Step;
use crate::set_aside::SetAside;
use crate::shared::{Progress, Shared};
use crate::{Counts, Error, EventResult, Sender, Settled, Status};

/// Pause after the queue's disk could not be read.
const DISK_PAUSE: Duration = Duration::from_secs(1);
/// Longest wait for a batch to fill in debug mode.
const DEBUG_INTERVAL: Duration = Duration::from_millis(100);

/// Takes batches from the queue, sends them, and heeds what the server says of each event.
pub(crate) struct Delivery<'a> {
    shared: &'a Shared,
    queue: &'a Queue,
    sender: &'a Sender,
    reader: Reader,
    /// Taken from the queue and not answered for, oldest first.
    window: Vec<Queued>,
    backoff: Backoff,
    set_aside: SetAside,
}

impl<'a> Delivery<'a> {
    pub(crate) fn new(shared: &'a Shared, queue: &'a Queue, sender: &'a Sender) -> Self {
        let config = &shared.config;
        Self {
            shared,
            queue,
            sender,
            reader: queue.reader(),
            window: Vec::new(),
            backoff: Backoff::new(sender.config().pauses),
            set_aside: SetAside::new(&config.dir, config.set_aside_bytes_max),
        }
    }

    /// Delivers until the client stops. A request that is under way then is given up: its events stay
    /// on disk and go again later, under the same ids.
    pub(crate) async fn run(mut self) {
        let mut stop = self.shared.stop.subscribe();
        tokio::select! {
            biased;
            _stopped = stop.wait_for(|stop| *stop) => {}
            () = self.deliver() => {}
        }
    }

    async fn deliver(&mut self) {
        loop {
            if self.window.is_empty() {
                self.wait_for_work().await;
                if let Err(error) = self.fill().await {
                    self.pause(&error.to_string(), DISK_PAUSE).await;
                }
            }
            self.forget_dropped();
            if self.window.is_empty() {
                continue;
            }
            match self.sender.step(&mut self.backoff, &self.window).await {
                Step::Settled { results, pause } => {
                    self.settle(&results).await;
                    match pause {
                        Some((pause, why)) => self.pause(&why, pause).await,
                        None if self.shared.out_of_trouble() => tracing::info!("events are sent again"),
                        None => {}
                    }
                }
                Step::Wait { why, pause } => self.pause(&why, pause).await,
                Step::Smaller => {}
                Step::Stopped(error) => self.stopped(&error).await,
            }
        }
    }

    /// Waits until a batch is full, or old enough, or somebody waits for a flush.
    async fn wait_for_work(&mut self) {
        let (config, sending) = (&self.shared.config, self.sender.config());
        let position = self.reader.position();
        let enough = |now: &Progress| {
            now.flushes > 0
                || now.end.saturating_sub(position) >= sending.request_events_max as u64
                || self.shared.waiting().bytes >= sending.request_bytes_max as u64
        };
        let mut progress = self.shared.progress.subscribe();
        // The other end lives as long as this: waiting can't fail. What it gives holds a lock.
        drop(progress.wait_for(|now| now.end > position).await);
        let interval =
            if config.debug { config.send_interval.min(DEBUG_INTERVAL) } else { config.send_interval };
        drop(tokio::time::timeout(interval, progress.wait_for(enough)).await);
    }

    async fn fill(&mut self) -> Result<(), LogError> {
        let sending = self.sender.config();
        let (events, bytes) = (sending.request_events_max, sending.request_bytes_max);
        let taken = self.queue.take(&mut self.reader, events, bytes).await?;
        self.window = taken.events;
        self.shared.counts().damaged += taken.damaged;
        self.raise();
        Ok(())
    }

    /// Lets go what the queue has dropped, and counted, while nothing was on its way.
    fn forget_dropped(&mut self) {
        let floor = self.queue.floor();
        self.window.retain(|event| event.offset >= floor);
    }

    async fn settle(&mut self, results: &[EventResult]) {
        let sent: Vec<Queued> = self.window.drain(..results.len()).collect();
        let mut again = Vec::new();
        let (mut settled, floor) = (Counts::default(), self.queue.floor());
        for (event, result) in sent.into_iter().zip(results) {
            self.tell(&event, result);
            // What the queue has dropped meanwhile is counted so.
            if event.offset >= floor {
                settled.settle(result.status);
                again.extend((result.status == Status::Retry).then_some(event));
            }
        }
        self.count(&settled, results);
        self.put_back(again).await;
        self.raise();
    }

    /// Puts what the server wants again behind all others, so that it holds nothing up.
    async fn put_back(&mut self, again: Vec<Queued>) {
        if again.is_empty() {
            return;
        }
        match self.queue.append(&again).await {
            Ok(end) => {
                let bytes = again.iter().map(|event| event.json.len() as u64).sum();
                self.shared.intake.add(Load { events: again.len() as u64, bytes });
                self.shared.progress.send_modify(|progress| {
                    progress.put_back = end;
                    progress.end = end;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "events that the server wants again stay where they are");
                self.window.splice(0..0, again);
            }
        }
    }

    /// Lets the queue go up to the first event that is not answered for.
    fn raise(&mut self) {
        let floor = self.window.first().map_or(self.reader.position(), |event| event.offset);
        self.shared.intake.subtract(self.queue.raise(floor));
        self.shared.progress.send_modify(|progress| progress.floor = self.queue.floor());
    }

    fn tell(&self, event: &Queued, result: &EventResult) {
        let settled = Settled { json: &event.json, result };
        if self.shared.config.debug {
            log(&settled);
        }
        match result.status {
            Status::Retry => return,
            Status::Refused => self.set_aside.add(&event.json, result),
            _ => {}
        }
        if let Some(told) = &self.shared.config.on_settled {
            // A mistake in it must not end the delivery.
            if catch_unwind(AssertUnwindSafe(|| told(&settled))).is_err() {
                tracing::error!("on_settled has panicked");
            }
        }
    }

    fn count(&self, settled: &Counts, results: &[EventResult]) {
        if let Some(first) = results.iter().find(|result| result.status == Status::Rejected)
            && !self.shared.config.debug
        {
            let EventResult { code, field, message, hint, .. } = first;
            tracing::warn!(code, field, message, hint, rejected = settled.rejected, "events were rejected");
        }
        self.shared.counts().add(settled);
    }

    /// The server does not take the key, or is none: people are needed, or a moment.
    async fn stopped(&mut self, error: &Error) {
        let pause = match error {
            Error::KeyRefused { .. } => {
                let pause = self.shared.config.refused_pause;
                tracing::error!(%error, ?pause, "the key is refused: events stay on disk; tried again after a pause");
                self.shared.in_trouble(&error.to_string());
                pause
            }
            _ => self.backoff.next(None),
        };
        self.pause(&error.to_string(), pause).await;
    }

    async fn pause(&self, why: &str, pause: Duration) {
        if self.shared.in_trouble(why) {
            let waiting = self.shared.waiting().events;
            tracing::warn!(why, waiting, "events can't be sent; they stay on disk, and it is tried again");
        }
        tokio::time::sleep(pause).await;
    }
}

/// What debug mode says of an event.
fn log(settled: &Settled<'_>) {
    let (id, event) = (settled.id(), settled.name());
    let EventResult { status, code, field, message, expected, got, hint, notes, .. } = settled.result;
    match status {
        Status::Ok | Status::Duplicate | Status::Retry => {
            tracing::info!(id, event, ?status, "the server says")
        }
        Status::Warning => tracing::warn!(id, event, ?status, ?notes, "the server says"),
        Status::Rejected | Status::Refused => {
            tracing::warn!(id, event, ?status, code, field, message, expected, got, hint, "the server says");
        }
    }
}
