use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use crate::disk::Disk;
use crate::shared::{Shared, lock};
use crate::writer::encoded_bytes;
use crate::{LogConfig, LogError, RecordBatch, metrics};

/// How old a look at the disk's free space may be. In that time the queues' bytes are written at most a few times over,
/// which `disk_free_bytes_min` leaves room for.
const LOOK_AGE_MAX: Duration = Duration::from_millis(100);

/// `disk_free_bytes_min` is never more than this part of the disk.
const SMALL_DISK_PART: u64 = 20;

/// What the partitions of a log share: room in the queues, room in `log_bytes_max`, and the disk. An append is let in
/// whole or refused whole, before any partition has it.
pub(crate) struct Room {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    records_max: usize,
    bytes_max: usize,
    log_bytes_max: u64,
    disk_free_bytes_min: u64,
    queued: Mutex<Queued>,
    /// Bytes of all segments, and of what was let in and is not durable yet.
    taken: AtomicU64,
    /// Those that can give up what they keep.
    partitions: Mutex<Vec<Weak<Shared>>>,
}

/// What waits in the queues of all partitions.
#[derive(Default, Clone, Copy)]
struct Queued {
    records: usize,
    bytes: usize,
}

/// The room on disk that a partition's part of an append was given. Given back when it is dropped.
pub(crate) struct Admission {
    room: Arc<Room>,
    bytes: u64,
}

impl Room {
    pub(crate) fn new(config: &LogConfig, disk: Arc<dyn Disk>) -> Self {
        Self {
            dir: config.dir.clone(),
            disk,
            records_max: config.append_queue_records_max,
            bytes_max: config.append_queue_bytes_max,
            log_bytes_max: config.log_bytes_max,
            disk_free_bytes_min: config.disk_free_bytes_min,
            queued: Mutex::default(),
            taken: AtomicU64::new(0),
            partitions: Mutex::default(),
        }
    }

    pub(crate) fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// From now on this partition is asked to give up what it keeps when room is short.
    pub(crate) fn join(&self, partition: &Arc<Shared>) {
        lock(&self.partitions).push(Arc::downgrade(partition));
    }

    /// Segments take so many more bytes than was admitted: headers, and what was found at open.
    pub(crate) fn occupy(&self, bytes: u64) {
        self.taken.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Segments of so many bytes are gone.
    pub(crate) fn vacate(&self, bytes: u64) {
        self.taken.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Lets an append in that consists of these parts, each for a partition, or refuses it. Each part that is let in must be
    /// put into a queue, or taken out again with [`Room::leave_queue`].
    pub(crate) fn admit(self: &Arc<Self>, parts: &[&RecordBatch]) -> Result<Vec<Admission>, LogError> {
        let admitted = self.admit_all(parts);
        if let Err(error) = &admitted {
            metrics::appends_refused(error);
        }
        admitted
    }

    fn admit_all(self: &Arc<Self>, parts: &[&RecordBatch]) -> Result<Vec<Admission>, LogError> {
        self.check_free_space()?;
        let bytes: u64 = parts.iter().map(|part| encoded_bytes(part)).sum();
        if !self.take(bytes) {
            self.give_up_kept();
            if !self.take(bytes) {
                self.take_if_all_is_committed(bytes)?;
            }
        }
        let admission =
            |part: &&RecordBatch| Admission { room: Arc::clone(self), bytes: encoded_bytes(part) };
        // From here on, what is dropped gives its bytes back.
        let admissions: Vec<Admission> = parts.iter().map(admission).collect();
        self.enter_queue(
            parts.iter().map(|part| part.len()).sum(),
            parts.iter().map(|part| part.payload_bytes()).sum(),
        )?;
        Ok(admissions)
    }

    fn check_free_space(&self) -> Result<(), LogError> {
        if self.disk_free_bytes_min == 0 {
            return Ok(());
        }
        let short = |age_max| {
            // Where the system does not say, the write itself shows whether there is space.
            let space = self.disk.space(&self.dir, age_max).ok()?;
            let least = self.disk_free_bytes_min.min(space.bytes / SMALL_DISK_PART);
            (space.free_bytes < least).then_some(least)
        };
        let Some(mut least) = short(LOOK_AGE_MAX) else { return Ok(()) };
        if self.give_up_kept() {
            match short(Duration::ZERO) {
                Some(again) => least = again,
                None => return Ok(()),
            }
        }
        let message = format!("less than {least} bytes are free, which disk_free_bytes_min leaves to others");
        let source = std::io::Error::new(std::io::ErrorKind::StorageFull, message);
        Err(LogError::DiskFull { source: Arc::new(source) })
    }

    fn take(&self, bytes: u64) -> bool {
        let fits = |taken: u64| taken.checked_add(bytes).filter(|sum| *sum <= self.log_bytes_max);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    /// The bound is on what waits to be read: a log that is committed to its end takes an append whatever lies in its last
    /// segments, also when the bound was lowered below that.
    fn take_if_all_is_committed(&self, bytes: u64) -> Result<(), LogError> {
        let durable: u64 = self.members().iter().map(|partition| partition.segments().bytes()).sum();
        let waits = self.members().iter().any(|partition| partition.lag() > 0);
        let in_flight = self.taken.load(Ordering::Relaxed) > durable;
        if waits || in_flight {
            return Err(LogError::Full { limit: self.log_bytes_max });
        }
        self.occupy(bytes);
        Ok(())
    }

    /// Deletes all committed segments that retention would keep. Whether any was deleted.
    pub(crate) fn give_up_kept(&self) -> bool {
        let mut any = false;
        for partition in self.members() {
            match partition.give_up_kept() {
                Ok(deleted) => any |= deleted > 0,
                Err(error) => tracing::warn!(%error, "could not give up committed segments"),
            }
        }
        any
    }

    fn members(&self) -> Vec<Arc<Shared>> {
        lock(&self.partitions).iter().filter_map(Weak::upgrade).collect()
    }

    fn enter_queue(&self, records: usize, bytes: usize) -> Result<(), LogError> {
        let mut queued = lock(&self.queued);
        let sum = Queued { records: queued.records + records, bytes: queued.bytes + bytes };
        if sum.records > self.records_max || sum.bytes > self.bytes_max {
            metrics::queue_full();
            return Err(LogError::Overloaded { records: queued.records, bytes: queued.bytes });
        }
        *queued = sum;
        Ok(())
    }

    /// So much left a queue, for the disk or because the queue was given up.
    pub(crate) fn leave_queue(&self, records: usize, bytes: usize) {
        let mut queued = lock(&self.queued);
        queued.records -= records;
        queued.bytes -= bytes;
    }
}

impl Admission {
    /// The bytes are on disk now: the segment that has them gives them back when it is deleted.
    pub(crate) fn spend(mut self) {
        self.bytes = 0;
    }
}

impl std::fmt::Debug for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Room").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.room.vacate(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::SystemDisk;

    fn room(change: impl FnOnce(&mut LogConfig)) -> Arc<Room> {
        let mut config = LogConfig { disk_free_bytes_min: 0, ..LogConfig::new("unused") };
        change(&mut config);
        Arc::new(Room::new(&config, Arc::new(SystemDisk::default())))
    }

    fn admit(room: &Arc<Room>, records: &[&[u8]]) -> Result<Vec<Admission>, LogError> {
        let part: RecordBatch = records.iter().collect();
        room.admit(&[&part])
    }

    #[test]
    fn both_bounds_of_the_queue_hold_and_leaving_makes_room() {
        let room = room(|config| (config.append_queue_records_max, config.append_queue_bytes_max) = (3, 10));
        admit(&room, &[b"1234", b"1234"]).unwrap();
        assert!(matches!(admit(&room, &[b"123"]), Err(LogError::Overloaded { records: 2, bytes: 8 })));
        admit(&room, &[b"12"]).unwrap();
        assert!(matches!(admit(&room, &[b""]), Err(LogError::Overloaded { records: 3, bytes: 10 })));
        room.leave_queue(3, 10);
        admit(&room, &[b"1234567890"]).unwrap();
    }

    #[test]
    fn what_is_not_spent_is_given_back() {
        let room = room(|config| config.log_bytes_max = 100);
        room.occupy(20);
        let first = admit(&room, &[&[0; 60]]).unwrap();
        assert!(matches!(admit(&room, &[b""]), Err(LogError::Full { limit: 100 })));
        drop(first);
        let second = admit(&room, &[&[0; 60]]).unwrap();
        second.into_iter().for_each(Admission::spend);
        assert!(matches!(admit(&room, &[b"1"]), Err(LogError::Full { .. })));
        room.vacate(80);
        admit(&room, &[b"1"]).unwrap();
    }
}
