//! The log on a disk that fails on command. Survived: torn and short writes, a full disk, a failed sync, a bit that flips on
//! its way to the disk, a segment that cannot be made, a partition that alone meets these, a disk that runs short.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::disk::{Disk, DiskSpace, SegmentFile, SystemDisk};
use crate::{EmbeddedLog, Entry, EventLog, LogConfig, LogError, SegmentLog};

/// What the next operations do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Fault {
    #[default]
    None,
    /// Half of a write reaches the disk, then the device fails.
    TornWrite,
    /// The disk is full: half of a write fits. New files do not.
    NoSpace,
    /// Data is written but the sync fails.
    FailedSync,
    /// The sync fails, and so does cutting the file back.
    FailedSyncAndCut,
    /// Every write takes at most 7 bytes; nothing fails.
    ShortWrites,
    /// The last bit of every write is flipped on its way.
    FlippedBit,
    /// Syncs wait until the fault is changed.
    HeldSync,
}

struct Controls {
    fault: Mutex<Fault>,
    /// Only files below a folder of this name meet the fault; all of them, if it is empty.
    only_in: Mutex<&'static str>,
    space: Mutex<DiskSpace>,
    changed: Condvar,
    syncs: Mutex<usize>,
}

impl Default for Controls {
    fn default() -> Self {
        Self {
            fault: Mutex::default(),
            only_in: Mutex::default(),
            space: Mutex::new(DiskSpace { bytes: u64::MAX, free_bytes: u64::MAX }),
            changed: Condvar::new(),
            syncs: Mutex::default(),
        }
    }
}

#[derive(Clone, Default)]
struct FaultyDisk {
    controls: Arc<Controls>,
}

struct FaultyFile {
    inner: Box<dyn SegmentFile>,
    folder: String,
    controls: Arc<Controls>,
}

impl FaultyDisk {
    fn set(&self, fault: Fault) {
        *self.controls.fault.lock().unwrap() = fault;
        self.controls.changed.notify_all();
    }

    /// The fault meets only files below folders of this name.
    fn only_in(&self, folder: &'static str) {
        *self.controls.only_in.lock().unwrap() = folder;
    }

    fn leave_free(&self, free_bytes: u64) {
        self.controls.space.lock().unwrap().free_bytes = free_bytes;
    }

    /// The fault that meets an operation on this file.
    fn fault(&self, path: &Path) -> Fault {
        self.controls.fault_in(&only_name(path))
    }

    fn syncs(&self) -> usize {
        *self.controls.syncs.lock().unwrap()
    }

    fn wrap(&self, path: &Path, inner: Box<dyn SegmentFile>) -> Box<dyn SegmentFile> {
        Box::new(FaultyFile { inner, folder: only_name(path), controls: Arc::clone(&self.controls) })
    }
}

impl Controls {
    fn meets(&self, folder: &str) -> bool {
        let only_in = *self.only_in.lock().unwrap();
        only_in.is_empty() || only_in == folder
    }

    fn fault_in(&self, folder: &str) -> Fault {
        if self.meets(folder) { *self.fault.lock().unwrap() } else { Fault::None }
    }
}

/// The name of the folder that a file is in.
fn only_name(path: &Path) -> String {
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
    folder.to_string_lossy().into_owned()
}

impl Disk for FaultyDisk {
    fn create(&self, path: &Path, header: &[u8]) -> io::Result<Box<dyn SegmentFile>> {
        match self.fault(path) {
            Fault::NoSpace => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(self.wrap(path, SystemDisk::default().create(path, header)?)),
        }
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        Ok(self.wrap(path, SystemDisk::default().open(path)?))
    }

    fn create_copy(&self, path: &Path, header: &[u8], source: (&Path, Range<u64>)) -> io::Result<u64> {
        match self.fault(path) {
            Fault::NoSpace => Err(io::ErrorKind::StorageFull.into()),
            _ => SystemDisk::default().create_copy(path, header, source),
        }
    }

    fn space(&self, _dir: &Path, _age_max: Duration) -> io::Result<DiskSpace> {
        Ok(*self.controls.space.lock().unwrap())
    }
}

impl FaultyFile {
    fn fault(&self) -> Fault {
        self.controls.fault_in(&self.folder)
    }
}

impl SegmentFile for FaultyFile {
    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<usize> {
        match self.fault() {
            Fault::TornWrite | Fault::NoSpace => {
                self.inner.write_at(&bytes[..bytes.len() / 2], position)?;
                let full = self.fault() == Fault::NoSpace;
                Err(if full { io::ErrorKind::StorageFull.into() } else { io::Error::other("device gone") })
            }
            Fault::ShortWrites => self.inner.write_at(&bytes[..bytes.len().min(7)], position),
            Fault::FlippedBit => {
                let mut flipped = bytes.to_vec();
                *flipped.last_mut().unwrap() ^= 1;
                self.inner.write_at(&flipped, position)
            }
            _ => self.inner.write_at(bytes, position),
        }
    }

    fn sync(&self) -> io::Result<()> {
        *self.controls.syncs.lock().unwrap() += 1;
        if !self.controls.meets(&self.folder) {
            return self.inner.sync();
        }
        let held = self.controls.fault.lock().unwrap();
        let fault = *self.controls.changed.wait_while(held, |fault| *fault == Fault::HeldSync).unwrap();
        match fault {
            Fault::FailedSync | Fault::FailedSyncAndCut => Err(io::Error::other("sync failed")),
            _ => self.inner.sync(),
        }
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        match self.fault() {
            Fault::FailedSyncAndCut => Err(io::Error::other("cannot cut")),
            _ => self.inner.truncate(bytes),
        }
    }
}

fn open(dir: &Path, disk: &FaultyDisk) -> SegmentLog {
    SegmentLog::open_on(LogConfig::new(dir), Arc::new(disk.clone())).unwrap()
}

async fn append(log: &SegmentLog, record: &str) -> Result<u64, LogError> {
    log.append(vec![record.as_bytes().to_vec()]).await.map(|offsets| offsets.start)
}

/// All that can be read, as `offset:payload` and `!from-to` for damage.
async fn read(log: &SegmentLog) -> Vec<String> {
    let mut reader = log.reader(0);
    let mut found = Vec::new();
    loop {
        let entries = reader.next_batch(100, 1 << 20, Duration::ZERO).await.unwrap();
        if entries.is_empty() {
            return found;
        }
        found.extend(entries.into_iter().map(|entry| match entry {
            Entry::Record { offset, payload } => format!("{offset}:{}", String::from_utf8_lossy(&payload)),
            Entry::Damaged { offsets } => format!("!{}-{}", offsets.start, offsets.end),
        }));
    }
}

/// A record before the fault, two that meet it, one after it, a restart: the two are refused, never read, and their
/// offsets go to the one that follows.
async fn check_refused(fault: Fault, expected: fn(&LogError) -> bool) {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let log = open(dir.path(), &disk);
    assert_eq!(append(&log, "before").await.unwrap(), 0);
    disk.set(fault);
    for record in ["refused", "refused too"] {
        let error = append(&log, record).await.unwrap_err();
        assert!(expected(&error), "{fault:?} gave {error:?}");
        assert_eq!((log.end_offset(), read(&log).await), (1, vec!["0:before".to_owned()]));
    }
    disk.set(Fault::None);
    assert_eq!(append(&log, "after").await.unwrap(), 1, "{fault:?}");
    let next_segment = dir.path().join("00000000000000000001.log");
    assert!(next_segment.exists(), "{fault:?}: the segment that failed must not be written again");
    let all = vec!["0:before".to_owned(), "1:after".to_owned()];
    assert_eq!(read(&log).await, all, "{fault:?}");
    log.close().await;
    assert_eq!(read(&open(dir.path(), &disk)).await, all, "{fault:?}, after a restart");
}

#[tokio::test]
async fn what_the_disk_refuses_is_refused_and_the_log_goes_on() {
    check_refused(Fault::TornWrite, |error| matches!(error, LogError::Io { .. })).await;
    check_refused(Fault::NoSpace, |error| matches!(error, LogError::DiskFull { .. })).await;
    check_refused(Fault::FailedSync, |error| matches!(error, LogError::Io { action: "sync", .. })).await;
    check_refused(Fault::FailedSyncAndCut, |error| matches!(error, LogError::Io { action: "sync", .. }))
        .await;
}

#[tokio::test]
async fn the_first_segment_may_meet_a_full_disk() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    disk.set(Fault::NoSpace);
    let log = open(dir.path(), &disk);
    assert!(matches!(append(&log, "refused").await, Err(LogError::DiskFull { .. })));
    disk.set(Fault::None);
    assert_eq!(append(&log, "kept").await.unwrap(), 0);
    assert_eq!(read(&log).await, ["0:kept"]);
}

#[tokio::test]
async fn short_writes_are_completed() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    disk.set(Fault::ShortWrites);
    let log = open(dir.path(), &disk);
    append(&log, "a record of more than seven bytes").await.unwrap();
    assert_eq!(read(&log).await, ["0:a record of more than seven bytes"]);
}

#[tokio::test]
async fn a_bit_flipped_on_its_way_is_reported_and_costs_one_record() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let log = open(dir.path(), &disk);
    append(&log, "a").await.unwrap();
    disk.set(Fault::FlippedBit);
    append(&log, "b").await.unwrap();
    disk.set(Fault::None);
    append(&log, "c").await.unwrap();
    assert_eq!(read(&log).await, ["0:a", "!1-2", "2:c"]);
}

/// Holds the writer in a sync, lets `count` appends queue up behind it, and frees it when `queued` says they wait.
async fn appends_behind_a_held_sync(
    log: &SegmentLog,
    disk: &FaultyDisk,
    count: usize,
) -> Vec<tokio::task::JoinHandle<Result<u64, LogError>>> {
    disk.set(Fault::HeldSync);
    let before = disk.syncs();
    let spawn = |log: SegmentLog| tokio::spawn(async move { append(&log, "record").await });
    let mut appends = vec![spawn(log.clone())];
    while disk.syncs() == before {
        tokio::task::yield_now().await;
    }
    appends.extend((0..count).map(|_| spawn(log.clone())));
    // One thread runs these tasks in turn: after this each has been polled up to its wait.
    for _ in 0..count + 1 {
        tokio::task::yield_now().await;
    }
    appends
}

#[tokio::test]
async fn concurrent_appends_share_one_sync() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let log = open(dir.path(), &disk);
    append(&log, "makes the segment").await.unwrap();
    let before = disk.syncs();
    let appends = appends_behind_a_held_sync(&log, &disk, 50).await;
    assert_eq!(log.end_offset(), 1, "nothing is readable before its sync");
    disk.set(Fault::None);
    let mut offsets = Vec::new();
    for append in appends {
        offsets.push(append.await.unwrap().unwrap());
    }
    offsets.sort_unstable();
    assert_eq!(offsets, (1..52).collect::<Vec<u64>>());
    assert_eq!(disk.syncs() - before, 2, "one for the held append, one for the fifty behind it");
}

#[tokio::test]
async fn a_failed_sync_refuses_every_append_that_shares_it() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let log = open(dir.path(), &disk);
    let appends = appends_behind_a_held_sync(&log, &disk, 20).await;
    disk.set(Fault::FailedSync);
    for append in appends {
        assert!(matches!(append.await.unwrap(), Err(LogError::Io { .. })));
    }
    disk.set(Fault::None);
    assert_eq!(append(&log, "after").await.unwrap(), 0);
    assert_eq!(read(&log).await, ["0:after"]);
}

#[tokio::test]
async fn over_the_bound_appends_are_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let config = LogConfig { append_queue_records_max: 3, ..LogConfig::new(dir.path()) };
    let log = SegmentLog::open_on(config, Arc::new(disk.clone())).unwrap();
    let appends = appends_behind_a_held_sync(&log, &disk, 3).await;
    assert!(matches!(append(&log, "one too many").await, Err(LogError::Overloaded { records: 3, .. })));
    disk.set(Fault::None);
    for append in appends {
        append.await.unwrap().unwrap();
    }
    assert_eq!((append(&log, "fits again").await.unwrap(), log.end_offset()), (4, 5));
}

fn open_partitions(dir: &Path, disk: &FaultyDisk, partitions: u32) -> EmbeddedLog {
    let config = LogConfig { partitions, segment_bytes_max: 1 << 20, ..LogConfig::new(dir) };
    EmbeddedLog::open_on(config, Arc::new(disk.clone())).unwrap()
}

/// Appends one record for each of these keys.
async fn append_keys(log: &EmbeddedLog, keys: &[u64]) -> Result<(), LogError> {
    let mut batch = log.batch();
    keys.iter().for_each(|key| batch.push(*key, key.to_string().as_bytes()));
    log.append(batch).await
}

async fn ends(log: &EmbeddedLog) -> Vec<u64> {
    log.positions().await.unwrap().iter().map(|position| position.end_offset).collect()
}

/// Partition 1 meets the fault: what touches it is not acknowledged, the other goes on, and so does it afterwards.
async fn check_one_partition(fault: Fault) {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let log = open_partitions(dir.path(), &disk, 2);
    append_keys(&log, &[0, 1]).await.unwrap();
    disk.only_in("partition-1");
    disk.set(fault);
    append_keys(&log, &[1]).await.unwrap_err();
    append_keys(&log, &[2, 3]).await.unwrap_err();
    assert_eq!(ends(&log).await, [2, 1], "{fault:?}: a part may be kept, unacknowledged");
    append_keys(&log, &[4]).await.unwrap();
    disk.set(Fault::None);
    append_keys(&log, &[5, 6]).await.unwrap();
    assert_eq!(ends(&log).await, [4, 2], "{fault:?}");
    log.close().await;
    assert_eq!(ends(&open_partitions(dir.path(), &disk, 2)).await, [4, 2], "{fault:?}, after a restart");
}

#[tokio::test]
async fn a_partition_that_fails_leaves_the_others_working_and_acknowledges_nothing() {
    check_one_partition(Fault::TornWrite).await;
    check_one_partition(Fault::NoSpace).await;
    check_one_partition(Fault::FailedSync).await;
    check_one_partition(Fault::FailedSyncAndCut).await;
}

#[tokio::test]
async fn an_append_waits_for_all_of_its_partitions() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let log = Arc::new(open_partitions(dir.path(), &disk, 2));
    append_keys(&log, &[0, 1]).await.unwrap();
    disk.only_in("partition-1");
    disk.set(Fault::HeldSync);
    let appending = tokio::spawn({
        let log = Arc::clone(&log);
        async move { append_keys(&log, &[2, 3]).await }
    });
    let mut reader = log.look(0, 1).await.unwrap();
    let read = reader.next_batch(1, 1, Duration::from_secs(3600)).await.unwrap();
    assert_eq!(read.len(), 1, "the other partition has its part");
    assert!(!appending.is_finished());
    disk.set(Fault::None);
    appending.await.unwrap().unwrap();
    assert_eq!(ends(&log).await, [2, 2]);
}

#[tokio::test]
async fn a_disk_that_runs_short_is_left_its_last_space() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let log = open_partitions(dir.path(), &disk, 2);
    append_keys(&log, &[0, 1]).await.unwrap();
    disk.leave_free((256 << 20) - 1);
    for _ in 0..2 {
        let refused = append_keys(&log, &[2]).await.unwrap_err();
        assert!(matches!(refused, LogError::DiskFull { .. }), "{refused}");
    }
    assert_eq!(ends(&log).await, [1, 1]);
    disk.leave_free(256 << 20);
    append_keys(&log, &[2]).await.unwrap();
    assert_eq!(ends(&log).await, [2, 1]);

    // Of a small disk it is a twentieth that stays free.
    *disk.controls.space.lock().unwrap() = DiskSpace { bytes: 20 << 20, free_bytes: 1 << 20 };
    append_keys(&log, &[1]).await.unwrap();
    disk.leave_free((1 << 20) - 1);
    assert!(matches!(append_keys(&log, &[1]).await, Err(LogError::DiskFull { .. })));
}

/// Committed segments that were to be kept go first when the disk runs short; what waits stays.
#[tokio::test]
async fn a_short_disk_takes_what_is_kept_and_nothing_that_waits() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let config = LogConfig { segment_bytes_max: 400, record_bytes_max: 300, ..LogConfig::new(dir.path()) };
    let log = SegmentLog::open_on(config, Arc::new(disk.clone())).unwrap();
    let record = "x".repeat(300);
    for _ in 0..4 {
        append(&log, &record).await.unwrap();
    }
    log.commit(2).unwrap();
    assert_eq!(log.first_offset(), 0);
    disk.leave_free(0);
    assert!(matches!(append(&log, &record).await, Err(LogError::DiskFull { .. })));
    assert_eq!((log.first_offset(), log.end_offset()), (2, 4));
}

/// A deletion on request that meets a full disk deletes nothing that is to stay, and succeeds later.
#[tokio::test]
async fn forgetting_on_a_full_disk_can_be_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let log = open_partitions(dir.path(), &disk, 1);
    append_keys(&log, &[0, 1, 2, 3]).await.unwrap();
    let mut subscription = log.subscribe().await.unwrap();
    subscription.next().await.unwrap().commit(2).await.unwrap();
    disk.set(Fault::NoSpace);
    assert!(matches!(log.forget(&[(0, 2)]).await, Err(LogError::DiskFull { .. })));
    let first = async || log.positions().await.unwrap()[0].first_offset;
    assert_eq!(first().await, 0);
    disk.set(Fault::None);
    log.forget(&[(0, 2)]).await.unwrap();
    assert_eq!(first().await, 2);
    let mut reader = log.look(0, 2).await.unwrap();
    assert_eq!(reader.next_batch(9, 1000, Duration::ZERO).await.unwrap().len(), 2);
}
