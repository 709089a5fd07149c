use crate::RecordBatch;

/// Records to be appended together, each placed into a partition by its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionedBatch {
    parts: Vec<RecordBatch>,
}

impl PartitionedBatch {
    /// An empty batch for a log of so many partitions, at least 1.
    pub fn new(partitions: u32) -> Self {
        Self { parts: vec![RecordBatch::new(); partitions.max(1) as usize] }
    }

    /// Makes room for so many records and bytes, if one partition gets all of them.
    pub fn reserve(&mut self, records: usize, bytes: usize) {
        if let [only] = self.parts.as_mut_slice() {
            only.reserve(records, bytes);
        }
    }

    /// Adds one record made of what `write` appends to the buffer it is given. Records with the same key go
    /// into the same partition, `key` modulo their number.
    pub fn push_with<R>(&mut self, key: u64, write: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        let at = key % self.parts.len() as u64;
        self.parts[usize::try_from(at).expect("it is below a length")].push_with(write)
    }

    /// Adds one record.
    pub fn push(&mut self, key: u64, record: &[u8]) {
        self.push_with(key, |buffer| buffer.extend_from_slice(record));
    }

    /// Into how many partitions records are placed.
    pub fn partitions(&self) -> u32 {
        u32::try_from(self.parts.len()).expect("it was made with as many")
    }

    /// The number of records.
    pub fn len(&self) -> usize {
        self.parts.iter().map(RecordBatch::len).sum()
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.parts.iter().all(RecordBatch::is_empty)
    }

    /// What each partition gets.
    pub fn parts(&self) -> &[RecordBatch] {
        &self.parts
    }

    /// The partitions that get something, with their records.
    pub fn into_parts(self) -> impl Iterator<Item = (u32, RecordBatch)> {
        (0..).zip(self.parts).filter(|(_, part)| !part.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_keeps_its_partition() {
        let mut batch = PartitionedBatch::new(3);
        for key in [4, 1, 3, 4] {
            batch.push(key, &key.to_be_bytes());
        }
        assert_eq!((batch.len(), batch.is_empty()), (4, false));
        let parts: Vec<_> =
            batch.into_parts().map(|(partition, records)| (partition, records.len())).collect();
        assert_eq!(parts, [(0, 1), (1, 3)]);
    }
}
