use std::ops::Range;
use std::time::Duration;

use suanpan_log::{Entry, LogError, PartitionReader};

use crate::PipelineConfig;
use crate::signals::{Halt, Retry, Signals};

/// How long one wait for events lasts; nothing depends on it.
pub(crate) const IDLE: Duration = Duration::from_secs(10);

/// Where a partition's reading is, and how much it takes at once.
///
/// A batch's records are only read when its turn has come: one record is waited for, then `batch_age_ms` pass
/// while the log gathers more, then all of them are read in one go. So partitions that wait hold no memory.
///
/// A batch that is full means that more waits. Then the next one is read at once, and may have twice as many
/// events, up to `batch_events_behind_max`: fewer and larger inserts are what ClickHouse takes fastest.
#[derive(Debug)]
pub(crate) struct Reading {
    /// The offset behind what was read.
    next: u64,
    events_max: usize,
    /// Read, but not in a batch yet: at most one.
    first: Vec<Entry>,
    is_behind: bool,
}

impl Reading {
    pub fn new(next: u64, config: &PipelineConfig) -> Self {
        Self { next, events_max: config.batch_events_max, first: Vec::new(), is_behind: false }
    }

    /// The offset that the next batch begins with.
    pub fn begins_at(&self) -> u64 {
        self.first.first().map_or(self.next, |entry| offsets(entry).start)
    }

    /// Waits for a first record, and for others to join it. Returns whether there is one.
    pub async fn wait(
        &mut self,
        reader: &mut dyn PartitionReader,
        (signals, config): (&mut Signals, &PipelineConfig),
    ) -> Result<bool, Halt> {
        let mut retry = Retry::new(config.retry_pause_ms_max, signals);
        let (stopping, mut other) = (signals.is_stopping(), signals.clone());
        if self.first.is_empty() {
            tokio::select! {
                read = reader.next_batch(1, 1, IDLE) => match read {
                    Ok(first) => self.take(first),
                    Err(error) => return retry.pause_after_log(error).await.map(|()| false),
                },
                () = signals.stopping(), if !stopping => {}
                () = other.revoking() => {}
            }
        }
        if !self.first.is_empty() && !self.is_behind && !stopping {
            signals.pause(Duration::from_millis(config.batch_age_ms)).await;
        }
        Ok(!self.first.is_empty())
    }

    /// Reads a batch: what is there, up to the bounds.
    pub async fn batch(
        &mut self,
        reader: &mut dyn PartitionReader,
        config: &PipelineConfig,
    ) -> Result<Vec<Entry>, Halt> {
        let mut entries = std::mem::take(&mut self.first);
        let mut bytes: usize = entries.iter().map(size).sum();
        loop {
            let events_left = self.events_max.saturating_sub(entries.len());
            let bytes_left = config.batch_bytes_max.saturating_sub(bytes);
            self.is_behind = events_left == 0 || bytes_left == 0;
            if self.is_behind {
                break;
            }
            match reader.next_batch(events_left, bytes_left, Duration::ZERO).await {
                Ok(more) if more.is_empty() => break,
                Ok(more) => {
                    bytes += more.iter().map(size).sum::<usize>();
                    self.read_to(&more);
                    entries.extend(more);
                }
                Err(error @ LogError::Revoked { .. }) => return Err(error.into()),
                // What was read is a batch; the next call meets the error again.
                Err(_closed_or_away) => break,
            }
        }
        let (least, most) = (config.batch_events_max, config.batch_events_behind_max);
        self.events_max = if self.is_behind { (self.events_max * 2).min(most) } else { least }.max(least);
        Ok(entries)
    }

    /// Reads exactly these offsets, which the log has: a batch that was decided before.
    pub async fn exactly(
        &mut self,
        reader: &mut dyn PartitionReader,
        batch: Range<u64>,
        (signals, mut retry): (&Signals, Retry),
    ) -> Result<Vec<Entry>, Halt> {
        reader.seek(batch.start);
        let (mut entries, mut next) = (Vec::new(), batch.start);
        while next < batch.end {
            if signals.is_revoked() {
                return Err(Halt::Revoked);
            }
            let records = usize::try_from(batch.end - next).unwrap_or(usize::MAX);
            match reader.next_batch(records, usize::MAX, IDLE).await {
                Ok(more) => {
                    next = more.last().map_or(next, |entry| offsets(entry).end);
                    // An entry of damage covers many offsets, so more may have come than was asked for.
                    entries.extend(more.into_iter().filter_map(|entry| below(entry, batch.end)));
                }
                Err(error) => retry.pause_after_log(error).await?,
            }
        }
        reader.seek(batch.end);
        self.next = batch.end;
        Ok(entries)
    }

    fn take(&mut self, entries: Vec<Entry>) {
        self.read_to(&entries);
        self.first = entries;
    }

    fn read_to(&mut self, entries: &[Entry]) {
        self.next = entries.last().map_or(self.next, |entry| offsets(entry).end);
    }
}

/// The offsets of an entry.
pub(crate) fn offsets(entry: &Entry) -> Range<u64> {
    match entry {
        Entry::Record { offset, .. } => *offset..*offset + 1,
        Entry::Damaged { offsets } => offsets.clone(),
    }
}

fn size(entry: &Entry) -> usize {
    match entry {
        Entry::Record { payload, .. } => payload.len(),
        Entry::Damaged { .. } => 0,
    }
}

/// The part of an entry that lies below an offset.
fn below(entry: Entry, end: u64) -> Option<Entry> {
    match entry {
        Entry::Damaged { offsets } if offsets.start < end => {
            Some(Entry::Damaged { offsets: offsets.start..offsets.end.min(end) })
        }
        Entry::Record { offset, payload } if offset < end => Some(Entry::Record { offset, payload }),
        Entry::Damaged { .. } | Entry::Record { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use suanpan_log::{LogReader, PartitionPosition};
    use tokio::sync::watch;

    use super::*;

    /// A partition whose first five of twenty records are damaged: one entry, as the files' reader gives it.
    struct Damaged {
        next: u64,
        sought: Mutex<Vec<u64>>,
    }

    #[async_trait]
    impl LogReader for Damaged {
        fn partition(&self) -> u32 {
            0
        }

        fn epoch(&self) -> u64 {
            1
        }

        async fn position(&self) -> Result<PartitionPosition, LogError> {
            Err(LogError::Closed)
        }

        fn seek(&mut self, offset: u64) {
            self.next = offset;
            self.sought.lock().unwrap().push(offset);
        }

        async fn next_batch(
            &mut self,
            records_max: usize,
            _: usize,
            _: Duration,
        ) -> Result<Vec<Entry>, LogError> {
            let mut entries = Vec::new();
            while entries.len() < records_max && self.next < 20 {
                let entry = match self.next {
                    from @ ..5 => Entry::Damaged { offsets: from..5 },
                    offset => Entry::Record { offset, payload: Default::default() },
                };
                self.next = offsets(&entry).end;
                entries.push(entry);
            }
            Ok(entries)
        }
    }

    #[async_trait]
    impl PartitionReader for Damaged {
        fn decided(&self) -> Option<Range<u64>> {
            None
        }

        async fn decide(&mut self, _: Range<u64>) -> Result<(), LogError> {
            Ok(())
        }

        async fn commit(&mut self, _: u64) -> Result<(), LogError> {
            Ok(())
        }

        fn revoked(&self) -> watch::Receiver<bool> {
            watch::Sender::new(false).subscribe()
        }
    }

    /// What is read of a batch that was decided before the damage came, and where the reader is then.
    async fn read(batch: Range<u64>) -> (Vec<Range<u64>>, Option<u64>) {
        let mut reader = Damaged { next: 0, sought: Mutex::default() };
        let config = PipelineConfig::default();
        let (_stop, stopped) = watch::channel(false);
        let signals = Signals::new(stopped);
        let mut reading = Reading::new(0, &config);
        let about = (&signals, Retry::new(config.retry_pause_ms_max, &signals));
        let entries = reading.exactly(&mut reader, batch.clone(), about).await.unwrap();
        assert_eq!(reading.begins_at(), batch.end);
        let last = reader.sought.lock().unwrap().last().copied();
        (entries.iter().map(offsets).collect(), last)
    }

    #[tokio::test]
    async fn a_decided_batch_stays_what_it_was_though_records_are_damaged_since() {
        for end in [3, 5, 6, 10, 20] {
            let (read, sought) = read(0..end).await;
            let damaged = std::iter::once(0..end.min(5));
            let expected: Vec<_> = damaged.chain((5..end).map(|offset| offset..offset + 1)).collect();
            assert_eq!((read, sought), (expected, Some(end)), "up to {end}");
        }
    }
}
