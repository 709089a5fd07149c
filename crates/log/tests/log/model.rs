//! The log against a model: a list of acknowledged records and a commit position. Steps append, read, commit,
//! restart, and crash in the middle of a write, which leaves any number of its bytes.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use suanpan_log::{Entry, LogConfig, SegmentLog};

use crate::reading::{read_from, segment_files, small};

#[derive(Debug, Clone)]
enum Step {
    /// Append a batch of records of these lengths.
    Append(Vec<usize>),
    /// Append several batches at once.
    AppendTogether(Vec<Vec<usize>>),
    /// Read everything from this part of the log on, and compare.
    Read(prop::sample::Index),
    /// Commit this part of what is not committed.
    Commit(prop::sample::Index),
    Restart,
    /// The machine stops while this batch is being written; this part of its bytes is on disk.
    CrashWhileAppending(Vec<usize>, prop::sample::Index),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let batch = || prop::collection::vec(0..200usize, 1..6);
    let step = prop_oneof![
        6 => batch().prop_map(Step::Append),
        2 => prop::collection::vec(batch(), 1..6).prop_map(Step::AppendTogether),
        3 => any::<prop::sample::Index>().prop_map(Step::Read),
        2 => any::<prop::sample::Index>().prop_map(Step::Commit),
        1 => Just(Step::Restart),
        2 => (batch(), any::<prop::sample::Index>()).prop_map(|(batch, kept)| Step::CrashWhileAppending(batch, kept)),
    ];
    prop::collection::vec(step, 1..40)
}

struct Model {
    config: LogConfig,
    log: Option<SegmentLog>,
    records: Vec<Vec<u8>>,
    committed: usize,
    /// Makes every record's content its own.
    made: u32,
}

impl Model {
    fn new(dir: &Path) -> Self {
        let config = small(dir, 1500);
        let log = SegmentLog::open(config.clone()).unwrap();
        Self { config, log: Some(log), records: Vec::new(), committed: 0, made: 0 }
    }

    fn log(&self) -> &SegmentLog {
        self.log.as_ref().unwrap()
    }

    fn make(&mut self, lengths: &[usize]) -> Vec<Vec<u8>> {
        let mut make = |length: &usize| {
            self.made += 1;
            let mut record = self.made.to_le_bytes().to_vec();
            record.resize(4 + length, 0xFF);
            record
        };
        lengths.iter().map(&mut make).collect()
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Append(lengths) => self.append(&lengths).await,
            Step::AppendTogether(batches) => self.append_together(&batches).await,
            Step::Read(from) => self.read(from.index(self.records.len() + 1)).await,
            Step::Commit(part) => {
                self.committed += part.index(self.records.len() - self.committed + 1);
                self.log().commit(self.committed as u64).unwrap();
            }
            Step::Restart => {
                self.log.take().unwrap().close().await;
                self.open();
            }
            Step::CrashWhileAppending(lengths, kept) => self.crash(&lengths, kept).await,
        }
        let (end, committed) = (self.records.len() as u64, self.committed as u64);
        let log = self.log();
        assert_eq!((log.end_offset(), log.committed(), log.lag()), (end, committed, end - committed));
        assert!(log.first_offset() <= committed, "only committed records may be gone");
    }

    fn open(&mut self) {
        self.log = Some(SegmentLog::open(self.config.clone()).unwrap());
    }

    async fn append(&mut self, lengths: &[usize]) {
        let records = self.make(lengths);
        let offsets = self.log().append(records.clone()).await.unwrap();
        assert_eq!(offsets.start, self.records.len() as u64);
        self.records.extend(records);
        assert_eq!(offsets.end, self.records.len() as u64);
    }

    async fn append_together(&mut self, batches: &[Vec<usize>]) {
        let mut appends = Vec::new();
        for lengths in batches {
            let (log, records) = (self.log().clone(), self.make(lengths));
            appends.push(tokio::spawn(async move { (log.append(records.clone()).await.unwrap(), records) }));
        }
        let mut acknowledged = Vec::new();
        for append in appends {
            acknowledged.push(append.await.unwrap());
        }
        acknowledged.sort_by_key(|(offsets, _)| offsets.start);
        for (offsets, records) in acknowledged {
            assert_eq!(offsets.start, self.records.len() as u64);
            self.records.extend(records);
        }
    }

    async fn read(&self, from: usize) {
        let first = (self.log().first_offset() as usize).max(from);
        let expected = (first as u64..).zip(&self.records[first..]);
        let expected =
            expected.map(|(offset, record)| Entry::Record { offset, payload: record.clone().into() });
        assert_eq!(read_from(self.log(), from as u64).await, expected.collect::<Vec<_>>());
    }

    /// Appends a batch nobody hears of, and takes back some of the bytes it wrote. Its first records may stay.
    async fn crash(&mut self, lengths: &[usize], kept: prop::sample::Index) {
        let files_before = segment_files(&self.config.dir);
        let bytes_before = files_before.last().map_or(0, |file| file.metadata().unwrap().len());
        let records = self.make(lengths);
        let log = self.log.take().unwrap();
        log.append(records.clone()).await.unwrap();
        log.close().await;
        let files = segment_files(&self.config.dir);
        let last = files.last().unwrap();
        let bytes_after = last.metadata().unwrap().len();
        // A segment's header is durable before the first record is written.
        let least = if files.len() == files_before.len() { bytes_before } else { 48 };
        let left = least + kept.index((bytes_after - least + 1) as usize) as u64;
        fs::OpenOptions::new().write(true).open(last).unwrap().set_len(left).unwrap();
        self.open();
        let survived = self.log().end_offset() as usize - self.records.len();
        let mut end = least;
        let whole = records.iter().take_while(|record| {
            end += 20 + record.len() as u64;
            end <= left
        });
        assert_eq!(survived, whole.count());
        self.records.extend_from_slice(&records[..survived]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn acknowledged_records_are_there_once_and_in_order(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let mut model = Model::new(dir.path());
            for step in steps {
                model.take(step).await;
            }
            model.read(0).await;
        });
    }
}
