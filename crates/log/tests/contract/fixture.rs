use std::sync::Arc;
use std::time::Duration;

use suanpan_log::{Entry, EventLog, LogReader, PartitionReader, Subscription};

/// No wait of the contract is longer. A log that passes needs a small part of it.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A log somewhere, that can be opened, killed and thrown away.
#[allow(async_fn_in_trait, reason = "only tests implement and call it")]
pub trait Fixture: Sized + 'static {
    /// A log made anew, with so many partitions.
    async fn make(partitions: u32) -> Self;
    /// Opens it. The contract never opens it twice at once.
    async fn open(&self) -> Arc<dyn EventLog>;
    /// The process that has it open dies now: nothing is closed or finished. The next [`Self::open`] finds what a
    /// kill -9 leaves.
    async fn crash(&mut self, log: Arc<dyn EventLog>);
    /// Throws the log away and makes another one in its place, empty. It is not open.
    async fn make_anew(&mut self);
    /// Bytes of the longest record that is taken.
    fn record_bytes_max(&self) -> usize;
    /// Records and bytes of each in a batch that is never taken, though each record is short enough.
    fn batch_too_large(&self) -> (usize, usize);
}

/// Ends a test that waits for what never comes.
pub async fn within<T>(what: &str, waiting: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(LIMIT, waiting).await;
    waited.unwrap_or_else(|_| panic!("{what} did not come within {LIMIT:?}"))
}

/// Appends these texts, each under its key.
pub async fn append(log: &dyn EventLog, records: &[(u64, &str)]) {
    let mut batch = log.batch();
    records.iter().for_each(|(key, text)| batch.push(*key, text.as_bytes()));
    log.append(batch).await.unwrap();
}

/// Appends the numbers of the range as texts, all under this key.
pub async fn append_numbers(log: &dyn EventLog, key: u64, numbers: std::ops::Range<u32>) {
    let texts: Vec<String> = numbers.map(|number| number.to_string()).collect();
    let records: Vec<(u64, &str)> = texts.iter().map(|text| (key, text.as_str())).collect();
    append(log, &records).await;
}

/// Reads so many records, which must be there or come, and checks that no offset is left out.
pub async fn read(reader: &mut dyn LogReader, records: usize) -> Vec<(u64, String)> {
    let mut found: Vec<(u64, String)> = Vec::new();
    within("a record", async {
        while found.len() < records {
            let entries = reader.next_batch(records - found.len(), 1 << 20, Duration::from_millis(200)).await;
            found.extend(entries.unwrap().into_iter().map(record));
        }
    })
    .await;
    for pair in found.windows(2) {
        assert_eq!(pair[0].0 + 1, pair[1].0, "offsets follow one another");
    }
    found
}

/// The texts alone.
pub async fn read_texts(reader: &mut dyn LogReader, records: usize) -> Vec<String> {
    read(reader, records).await.into_iter().map(|(_, text)| text).collect()
}

fn record(entry: Entry) -> (u64, String) {
    match entry {
        Entry::Record { offset, payload } => (offset, String::from_utf8_lossy(&payload).into_owned()),
        Entry::Damaged { offsets } => panic!("{offsets:?} are lost"),
    }
}

/// Subscribes and waits for all partitions; readers in the order of partitions.
pub async fn subscribe(log: &dyn EventLog) -> (Box<dyn Subscription>, Vec<Box<dyn PartitionReader>>) {
    let mut subscription = within("a subscription", log.subscribe()).await.unwrap();
    let mut readers = Vec::new();
    while readers.len() < log.partitions() as usize {
        readers.push(within("a partition", subscription.next()).await.unwrap());
    }
    readers.sort_by_key(|reader| reader.partition());
    (subscription, readers)
}

/// A log of one partition that is read.
pub async fn subscribe_one(log: &dyn EventLog) -> (Box<dyn Subscription>, Box<dyn PartitionReader>) {
    let (subscription, mut readers) = subscribe(log).await;
    assert_eq!(readers.len(), 1);
    (subscription, readers.remove(0))
}
