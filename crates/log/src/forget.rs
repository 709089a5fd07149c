use std::io;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::LogError;
use crate::arrivals::unix_ms;
use crate::disk::sync_folder_of;
use crate::folder::header;
use crate::scan::SegmentScan;
use crate::seek::seek;
use crate::segments::{Keep, Place, Segment};
use crate::shared::Shared;

impl Shared {
    /// Deletes the records below this committed offset, exactly, and returns when no file has them any more. The present
    /// segment is ended first, if it has such records. A segment with records on both sides is cut.
    pub(crate) async fn forget(self: &Arc<Self>, below: u64) -> Result<(), LogError> {
        if self.segments().filled_last().is_some_and(|last| last.first_offset < below) {
            let (sealed, answer) = oneshot::channel();
            self.queue.seal(sealed)?;
            answer.await.unwrap_or(Err(LogError::Closed))?;
        }
        let shared = Arc::clone(self);
        let forgotten = tokio::task::spawn_blocking(move || shared.forget_sealed(below)).await;
        // Only a runtime that shuts down cancels the task.
        forgotten.unwrap_or(Err(LogError::Closed))
    }

    fn forget_sealed(&self, below: u64) -> Result<(), LogError> {
        // Whoever else deletes segments waits meanwhile.
        let commit_file = self.lock_commits();
        self.sync_commit(&commit_file)?;
        let cut = self.segments().place(below);
        if let Place::In { segment, fence } = cut
            && segment.first_offset < below
        {
            self.cut_below(segment, fence, below)?;
        }
        let released = self.segments().release(below, Keep::NOTHING);
        released.iter().try_for_each(|segment| self.delete(segment))?;
        let path = self.folder.meta();
        sync_folder_of(&path).map_err(|error| LogError::io("sync the folder of", &path, error))?;
        tracing::info!(
            partition = self.identity.partition,
            below,
            segments = released.len(),
            "deleted records on request"
        );
        Ok(())
    }

    /// Copies what the segment has from `below` on into a segment of its own, durably, and then deletes it. A crash in between
    /// leaves both: the first one then ends where the second begins, as segments do.
    fn cut_below(&self, segment: Segment, fence: u64, below: u64) -> Result<(), LogError> {
        let path = self.folder.segment(segment.first_offset);
        let begin =
            self.begin_of(segment, fence, below).map_err(|error| LogError::io("read", &path, error))?;
        let header = header(self.identity, below, unix_ms()).encode();
        let target = self.folder.segment(below);
        let copied = self.disk().create_copy(&target, &header, (&path, begin..segment.bytes));
        let bytes = copied.map_err(|error| LogError::io("make", &target, error))?;
        self.segments().replace(segment.first_offset, Segment { first_offset: below, bytes, ..segment });
        self.delete(&segment)
    }

    /// Where the first record from `below` on begins; the segment's end if none is whole.
    fn begin_of(&self, segment: Segment, fence: u64, below: u64) -> io::Result<u64> {
        let path = self.folder.segment(segment.first_offset);
        let mut scan = SegmentScan::open(&path, self.codec())?;
        let start = seek(self, &mut scan, segment, fence, below)?;
        scan.go_to(start);
        scan.extend(segment.bytes, fence);
        while let Some(record) = scan.next()? {
            if record.offset >= below {
                return Ok(record.start);
            }
        }
        Ok(segment.bytes)
    }
}
