use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::append_queue::{Answer, WaitingBatch};
use crate::arrivals::unix_ms;
use crate::disk::{Disk, SegmentFile};
use crate::folder::header;
use crate::format::{RECORD_HEADER_BYTES, RecordCodec, SEGMENT_HEADER_BYTES};
use crate::room::Admission;
use crate::shared::Shared;
use crate::sparse_index::{Mark, STRIDE_BYTES};
use crate::{LogError, RecordBatch, metrics};

/// The encoding buffer is given back when a burst has made it bigger than this.
const KEPT_BUFFER_BYTES: usize = 4 << 20;
/// How often ages are looked at.
const HOUSEKEEPING_EVERY: Duration = Duration::from_secs(1);
/// A segment is not ended for its age before this, so that a log with few records has few files.
const SEGMENT_AGE_MIN_MS: u64 = 3_600_000;

/// The one thread that writes segments: takes all that waits, writes it, syncs once, publishes, answers.
///
/// After any failed write or sync the segment is given up: a second sync of the same file may say
/// "done" about pages the kernel has dropped. The file is cut back to its durable end where that
/// works, and the next group begins a new segment there, whose first offset fences off whatever stayed behind. So the
/// log needs no restart: each group tries afresh, and the first that succeeds ends the failure.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    disk: Arc<dyn Disk>,
    codec: RecordCodec,
    open: Option<OpenSegment>,
    end_offset: u64,
    group: Group,
    failing: bool,
    kept_house: Instant,
    house_failing: bool,
    /// Held until the thread ends.
    _lock: Arc<File>,
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
    /// Where some of the records begin in `encoded`.
    marks: Vec<Mark>,
    answers: Vec<(Answer, Admission, Range<u64>)>,
}

impl Writer {
    /// Opens the segment that appends go on in, if there is one.
    pub(crate) fn new(
        shared: Arc<Shared>,
        disk: Arc<dyn Disk>,
        appendable: Option<(PathBuf, u64)>,
        lock: Arc<File>,
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
            kept_house: Instant::now(),
            house_failing: false,
            _lock: lock,
        })
    }

    /// Writes until the queue is closed and empty.
    pub(crate) fn run(mut self) {
        let _last_act = CloseWhenDone(Arc::clone(&self.shared));
        while let Some(work) = self.shared.queue.take(HOUSEKEEPING_EVERY) {
            self.write(work.batches);
            for sealed in work.seals {
                let _ = sealed.send(self.seal());
            }
            if self.kept_house.elapsed() >= HOUSEKEEPING_EVERY {
                self.keep_house();
            }
        }
    }

    /// Ends a segment that has grown old, so that its records can go, and deletes what was kept long enough.
    fn keep_house(&mut self) {
        self.kept_house = Instant::now();
        self.shared.report_unread_age();
        let age_max_ms = self.shared.config.committed_kept_ms().max(SEGMENT_AGE_MIN_MS);
        let last = self.shared.segments().filled_last();
        let is_old = last.is_some_and(|last| unix_ms().saturating_sub(last.made_unix_ms) > age_max_ms);
        let kept = if is_old { self.seal() } else { Ok(()) };
        let failed = kept.and_then(|()| self.shared.retire()).err();
        // Said once per failure, not once a second.
        if let Some(error) = failed.as_ref().filter(|_| !self.house_failing) {
            tracing::warn!(%error, source = ?std::error::Error::source(error), "could not delete old segments; it is tried again");
        }
        self.house_failing = failed.is_some();
    }

    /// Ends the present segment, if it holds anything. The next one is there when this returns, so that the log's end is on
    /// disk whatever becomes of the segments before it.
    fn seal(&mut self) -> Result<(), LogError> {
        if self.shared.segments().filled_last().is_none() {
            return Ok(());
        }
        self.open = Some(begin_segment(&self.shared, self.disk.as_ref(), self.end_offset)?);
        Ok(())
    }

    fn write(&mut self, batches: Vec<WaitingBatch>) {
        for batch in batches {
            let bytes = encoded_bytes(&batch.records);
            if bytes > self.room() {
                self.flush();
                self.open = None;
            }
            self.group.push(batch, self.end_offset, &self.codec);
        }
        self.flush();
    }

    /// Bytes the open segment (or the next one) still takes behind the group.
    fn room(&self) -> u64 {
        let used = self.open.as_ref().map_or(SEGMENT_HEADER_BYTES as u64, |open| open.durable_bytes);
        let used = used + self.group.encoded.len() as u64;
        self.shared.config.segment_bytes_max.saturating_sub(used)
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
        let begins = segment.durable_bytes - self.group.encoded.len() as u64;
        self.group.marks.iter_mut().for_each(|mark| mark.position += begins);
        self.shared.publish(segment.durable_bytes, self.end_offset, &self.group.marks);
        metrics::group_synced(
            self.group.answers.len(),
            self.group.records as usize,
            self.group.encoded.len(),
            sync,
        );
        if std::mem::take(&mut self.failing) {
            tracing::info!(end_offset = self.end_offset, "appends succeed again");
        }
        for (answer, admission, offsets) in self.group.answers.drain(..) {
            admission.spend();
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
        if matches!(error, LogError::DiskFull { .. }) {
            // Somebody else took the space that was seen before: what is stored elsewhere goes first.
            self.shared.room.give_up_kept();
        }
        for (answer, admission, _) in self.group.answers.drain(..) {
            drop(admission);
            let _ = answer.send(Err(error.clone()));
        }
    }
}

impl Group {
    fn push(&mut self, batch: WaitingBatch, end_offset: u64, codec: &RecordCodec) {
        let first = end_offset + self.records;
        for (offset, payload) in (first..).zip(batch.records.iter()) {
            let position = self.encoded.len() as u64;
            if self.marks.last().is_none_or(|last| position >= last.position + STRIDE_BYTES) {
                self.marks.push(Mark { offset, position });
            }
            codec.encode(offset, payload, &mut self.encoded);
        }
        self.records += batch.records.len() as u64;
        self.answers.push((batch.answer, batch.admission, first..end_offset + self.records));
    }

    fn clear(&mut self) {
        self.encoded.clear();
        self.encoded.shrink_to(KEPT_BUFFER_BYTES);
        self.answers.clear();
        self.marks.clear();
        self.records = 0;
    }
}

/// Bytes the batch takes on disk.
pub(crate) fn encoded_bytes(records: &RecordBatch) -> u64 {
    (records.payload_bytes() + records.len() * RECORD_HEADER_BYTES) as u64
}

fn begin_segment(shared: &Shared, disk: &dyn Disk, first_offset: u64) -> Result<OpenSegment, LogError> {
    let path = shared.folder.segment(first_offset);
    let now = unix_ms();
    let content = header(shared.identity, first_offset, now).encode();
    let file = disk.create(&path, &content).map_err(|error| LogError::io("make", &path, error))?;
    let durable_bytes = content.len() as u64;
    shared.segments().begin(durable_bytes, now);
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
