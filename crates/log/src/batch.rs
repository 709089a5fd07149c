/// Records to be appended together: one buffer for all of them, so that a record costs no allocation.
///
/// Limits are checked by `append`, not here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordBatch {
    bytes: Vec<u8>,
    /// Where each record ends in `bytes`.
    ends: Vec<usize>,
}

impl RecordBatch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty batch with room for `records` records of `bytes` bytes together.
    pub fn with_capacity(records: usize, bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), ends: Vec::with_capacity(records) }
    }

    /// Makes room for so many more records and bytes.
    pub fn reserve(&mut self, records: usize, bytes: usize) {
        self.bytes.reserve(bytes);
        self.ends.reserve(records);
    }

    /// Adds one record.
    pub fn push(&mut self, record: &[u8]) {
        self.bytes.extend_from_slice(record);
        self.ends.push(self.bytes.len());
    }

    /// Adds one record made of what `write` appends to the buffer it is given.
    ///
    /// The buffer holds the earlier records too: `write` must only add to it. What it removes from
    /// them is a mistake of the caller, answered with a panic.
    pub fn push_with<R>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        let start = self.bytes.len();
        let result = write(&mut self.bytes);
        assert!(self.bytes.len() >= start, "a record's writer must only append");
        self.ends.push(self.bytes.len());
        result
    }

    /// The number of records.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of all records together, without what the log adds.
    pub fn payload_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The records in the order they were pushed.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[start..*end])
    }
}

impl<T: AsRef<[u8]>> FromIterator<T> for RecordBatch {
    fn from_iter<I: IntoIterator<Item = T>>(records: I) -> Self {
        let mut batch = Self::new();
        records.into_iter().for_each(|record| batch.push(record.as_ref()));
        batch
    }
}

impl From<Vec<bytes::Bytes>> for RecordBatch {
    fn from(records: Vec<bytes::Bytes>) -> Self {
        records.into_iter().collect()
    }
}

impl From<Vec<Vec<u8>>> for RecordBatch {
    fn from(records: Vec<Vec<u8>>) -> Self {
        records.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_out_as_they_went_in() {
        let mut batch = RecordBatch::new();
        batch.push(b"one");
        batch.push(b"");
        batch.push_with(|buffer| buffer.extend_from_slice(b"three"));
        assert_eq!(batch.iter().collect::<Vec<_>>(), [&b"one"[..], b"", b"three"]);
        assert_eq!((batch.len(), batch.payload_bytes()), (3, 8));
    }
}
