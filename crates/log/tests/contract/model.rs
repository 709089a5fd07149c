use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use suanpan_log::EventLog;

use crate::fixture::{Fixture, read_texts, subscribe, within};

#[derive(Debug, Clone)]
enum Step {
    /// These batches of keys are appended at once.
    Append(Vec<Vec<u64>>),
    /// Of each partition, this part of what is not committed is read and committed.
    Commit(prop::sample::Index),
    Restart,
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let batches = prop::collection::vec(prop::collection::vec(0..20_u64, 1..6), 1..8);
    let step = prop_oneof![
        6 => batches.prop_map(Step::Append),
        3 => any::<prop::sample::Index>().prop_map(Step::Commit),
        1 => Just(Step::Restart),
        1 => Just(Step::Crash),
    ];
    prop::collection::vec(step, 1..12)
}

struct Model<F> {
    fixture: F,
    log: Option<Arc<dyn EventLog>>,
    partitions: u32,
    /// What is in each partition, and how much of it is committed. The order of what was appended at once is the log's.
    texts: Vec<Vec<String>>,
    committed: Vec<usize>,
    made: u64,
}

impl<F: Fixture> Model<F> {
    async fn new(partitions: u32) -> Self {
        let fixture = F::make(partitions).await;
        let log = Some(fixture.open().await);
        let count = partitions as usize;
        Self { fixture, log, partitions, texts: vec![vec![]; count], committed: vec![0; count], made: 0 }
    }

    fn log(&self) -> &Arc<dyn EventLog> {
        self.log.as_ref().unwrap()
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Append(batches) => self.append(batches).await,
            Step::Commit(part) => self.commit(part).await,
            Step::Restart => {
                let log = self.log.take().unwrap();
                log.close().await;
                drop(log);
                self.log = Some(self.fixture.open().await);
            }
            Step::Crash => {
                let log = self.log.take().unwrap();
                self.fixture.crash(log).await;
                self.log = Some(self.fixture.open().await);
            }
        }
        let positions = self.log().positions().await.unwrap();
        let found: Vec<_> = positions
            .iter()
            .map(|position| (position.committed as usize, position.end_offset as usize))
            .collect();
        let lengths = self.texts.iter().map(Vec::len);
        assert_eq!(found, self.committed.iter().copied().zip(lengths).collect::<Vec<_>>());
    }

    /// Appends all batches at once and learns their order from the log: within a batch it is the batch's own.
    async fn append(&mut self, batches: Vec<Vec<u64>>) {
        let mut appends = Vec::new();
        let mut expected: Vec<Vec<Vec<String>>> = vec![vec![]; self.partitions as usize];
        for keys in batches {
            let mut batch = self.log().batch();
            let mut parts = vec![vec![]; self.partitions as usize];
            for key in keys {
                let text = format!("{}-{key}", self.made);
                self.made += 1;
                batch.push(key, text.as_bytes());
                parts[(key % u64::from(self.partitions)) as usize].push(text);
            }
            expected.iter_mut().zip(parts).for_each(|(all, part)| all.push(part));
            let log = Arc::clone(self.log());
            appends.push(tokio::spawn(async move { log.append(batch).await }));
        }
        for append in appends {
            within("an acknowledgement", append).await.unwrap().unwrap();
        }
        for (partition, parts) in (0..).zip(expected) {
            let known = self.texts[partition as usize].len();
            let count = parts.iter().map(Vec::len).sum();
            let mut look = self.log().look(partition, known as u64).await.unwrap();
            let found = read_texts(look.as_mut(), count).await;
            for part in parts {
                let order: Vec<&String> = found.iter().filter(|text| part.contains(text)).collect();
                assert_eq!(order, part.iter().collect::<Vec<_>>(), "each once, in the order of its batch");
            }
            self.texts[partition as usize].extend(found);
        }
    }

    async fn commit(&mut self, part: prop::sample::Index) {
        let (subscription, mut readers) = subscribe(self.log().as_ref()).await;
        for ((reader, texts), committed) in readers.iter_mut().zip(&self.texts).zip(&mut self.committed) {
            let count = part.index(texts.len() - *committed + 1);
            let next = *committed + count;
            reader.decide(*committed as u64..next as u64).await.unwrap();
            assert_eq!(read_texts(reader.as_mut(), count).await, texts[*committed..next]);
            reader.commit(next as u64).await.unwrap();
            *committed = next;
        }
        drop((readers, subscription));
    }
}

/// Concurrent appends, commits, restarts and crashes, against a list in memory for each partition.
pub fn a_log_is_a_list_for_each_partition<F: Fixture>(cases: u32) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut runner = TestRunner::new(ProptestConfig { cases, ..ProptestConfig::default() });
    let outcome = runner.run(&(1..4_u32, steps()), |(partitions, steps)| {
        runtime.block_on(async {
            let mut model = Model::<F>::new(partitions).await;
            for step in steps {
                model.take(step).await;
            }
            model.log.take().unwrap().close().await;
        });
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
