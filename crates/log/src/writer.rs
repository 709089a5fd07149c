use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::append_queue::{Answer, WaitingBatch};
use crate::disk::{Disk, SegmentFile};
use crate::folder::header;
use crate::format::{RECORD_HEADER_BYTES, RecordCodec, SEGMENT_HEADER_BYTES};
use crate::segment_log::Shared;
use crate::{LogError, RecordBatch, metrics};

/// The encoding buffer is given back when a burst has made it bigger than this.
const KEPT_BUFFER_BYTES: usize = 4 << 20;

/// The one thread that writes segments: takes all that waits, writes it, syncs once, publishes, answers.
///
/// After any failed write or sync the segment is given up: a second sync of the same file may say
/// "done" about pages the kernel has dropped. The file is cut back to its durable end where that
/// works, and the next group begins a new segment there, whose first offset fences off whatever stayed behind. So the
/// log needs no restart: each group tries afresh, and the first that succeeds ends the failure.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    disk: Box<dyn Disk>,
    codec: RecordCodec,
    open: Option<OpenSegment>,
    end_offset: u64,
    group: Group,
    failing: bool,
    /// Held until the thread ends.
    _lock: File,
}

struct OpenSegment {
    file: Box<dyn SegmentFile>,
    path: PathBuf,
    durable_bytes: u64,
}

/// Encoded batches that share one write and one sync.
#[derive(Default)]
struct Group {
    encoded: Vec<u8>,
    records: u64,
    answers: Vec<(Answer, Range<u64>)>,
}

impl Writer {
    /// Opens the segment that appends go on in, if there is one.
    pub(crate) fn new(
        shared: Arc<Shared>,
        disk: Box<dyn Disk>,
        appendable: Option<(PathBuf, u64)>,
        lock: File,
    ) -> Result<Self, LogError> {
        let open = match appendable {
            Some((path, durable_bytes)) => {
                let file = disk.open(&path).map_err(|error| LogError::io("open", &path, error))?;
                Some(OpenSegment { file, path, durable_bytes })
            }
            None => None,
        };
        let codec = RecordCodec::new(shared.identity.epoch);
        let end_offset = shared.segments().end_offset();
        Ok(Self {
            shared,
            disk,
            codec,
            open,
            end_offset,
            group: Group::default(),
            failing: false,
            _lock: lock,
        })
    }

    /// Writes until the queue is closed and empty.
    pub(crate) fn run(mut self) {
        let _last_act = CloseWhenDone(Arc::clone(&self.shared));
        while let Some(batches) = self.shared.queue.take() {
            self.write(batches);
        }
    }

    fn write(&mut self, batches: Vec<WaitingBatch>) {
        for batch in batches {
            let bytes = encoded_bytes(&batch.records);
            if bytes > self.room() {
                self.flush();
                self.open = None;
            }
            match self.check_log_bound(bytes) {
                Ok(()) => self.group.push(batch, self.end_offset, &self.codec),
                Err(error) => {
                    metrics::appends_failed(1, &error);
                    let _ = batch.answer.send(Err(error));
                }
            }
        }
        self.flush();
    }

    /// Bytes the open segment (or the next one) still takes behind the group.
    fn room(&self) -> u64 {
        let used = self.open.as_ref().map_or(SEGMENT_HEADER_BYTES as u64, |open| open.durable_bytes);
        let used = used + self.group.encoded.len() as u64;
        self.shared.config.segment_bytes_max.saturating_sub(used)
    }

    /// The bound is on what waits to be read: a log that is committed to its end takes a batch whatever it keeps.
    fn check_log_bound(&self, bytes: u64) -> Result<(), LogError> {
        let limit = self.shared.config.log_bytes_max;
        let begins = if self.open.is_none() { SEGMENT_HEADER_BYTES as u64 } else { 0 };
        let total = self.shared.segments().bytes() + begins + self.group.encoded.len() as u64 + bytes;
        let waits = self.end_offset + self.group.records > self.shared.committed();
        if total > limit && waits { Err(LogError::Full { limit }) } else { Ok(()) }
    }

    /// Makes the group durable and answers its batches; all of them fail together.
    fn flush(&mut self) {
        if self.group.answers.is_empty() {
            return;
        }
        match self.store() {
            Ok(sync) => self.acknowledge(sync),
            Err(error) => self.refuse(&error),
        }
        self.group.clear();
    }

    fn store(&mut self) -> Result<Duration, LogError> {
        let segment = match &mut self.open {
            Some(segment) => segment,
            None => self.open.insert(begin_segment(&self.shared, self.disk.as_ref(), self.end_offset)?),
        };
        let path = &segment.path;
        let failed = |action| move |error| LogError::io(action, path, error);
        let encoded = &self.group.encoded;
        write_all(segment.file.as_ref(), encoded, segment.durable_bytes).map_err(failed("append to"))?;
        let begun = Instant::now();
        segment.file.sync().map_err(failed("sync"))?;
        segment.durable_bytes += encoded.len() as u64;
        Ok(begun.elapsed())
    }

    /// Publishes before it answers: who has an acknowledgement can read the record.
    fn acknowledge(&mut self, sync: Duration) {
        let segment = self.open.as_ref().expect("a stored group has an open segment");
        self.end_offset += self.group.records;
        self.shared.publish(segment.durable_bytes, self.end_offset);
        metrics::group_synced(
            self.group.answers.len(),
            self.group.records as usize,
            self.group.encoded.len(),
            sync,
        );
        if std::mem::take(&mut self.failing) {
            tracing::info!(end_offset = self.end_offset, "appends succeed again");
        }
        for (answer, offsets) in self.group.answers.drain(..) {
            // Who does not wait any more does not need the answer.
            let _ = answer.send(Ok(offsets));
        }
    }

    fn refuse(&mut self, error: &LogError) {
        if let Some(segment) = self.open.take()
            && let Err(kept) = segment.file.truncate(segment.durable_bytes)
        {
            tracing::debug!(path = %segment.path.display(), error = %kept, "could not cut a failed write off");
        }
        // Said once per failure, not once per group: the metric counts.
        if !std::mem::replace(&mut self.failing, true) {
            tracing::error!(%error, source = ?std::error::Error::source(error), "appends fail; nothing of them is acknowledged");
        }
        metrics::appends_failed(self.group.answers.len(), error);
        for (answer, _) in self.group.answers.drain(..) {
            let _ = answer.send(Err(error.clone()));
        }
    }
}

impl Group {
    fn push(&mut self, batch: WaitingBatch, end_offset: u64, codec: &RecordCodec) {
        let first = end_offset + self.records;
        for (offset, payload) in (first..).zip(batch.records.iter()) {
            codec.encode(offset, payload, &mut self.encoded);
        }
        self.records += batch.records.len() as u64;
        self.answers.push((batch.answer, first..end_offset + self.records));
    }

    fn clear(&mut self) {
        self.encoded.clear();
        self.encoded.shrink_to(KEPT_BUFFER_BYTES);
        self.answers.clear();
        self.records = 0;
    }
}

/// Bytes the batch takes on disk.
pub(crate) fn encoded_bytes(records: &RecordBatch) -> u64 {
    (records.payload_bytes() + records.len() * RECORD_HEADER_BYTES) as u64
}

fn begin_segment(shared: &Shared, disk: &dyn Disk, first_offset: u64) -> Result<OpenSegment, LogError> {
    let path = shared.folder.segment(first_offset);
    let content = header(shared.identity, first_offset).encode();
    let file = disk.create(&path, &content).map_err(|error| LogError::io("make", &path, error))?;
    let durable_bytes = content.len() as u64;
    shared.segments().begin(durable_bytes);
    Ok(OpenSegment { file, path, durable_bytes })
}

fn write_all(file: &dyn SegmentFile, mut bytes: &[u8], mut position: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write_at(bytes, position) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = &bytes[written..];
                position += written as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// However the thread ends, nobody waits for it afterwards.
struct CloseWhenDone(Arc<Shared>);

impl Drop for CloseWhenDone {
    fn drop(&mut self) {
        self.0.queue.abandon();
        self.0.announce_close();
    }
}
