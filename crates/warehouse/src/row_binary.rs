//! Reads values of ClickHouse's RowBinary format from bytes at hand. None means: not all there yet.

use uuid::Uuid;

/// A cursor over some bytes.
pub(crate) struct RowBinary<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> RowBinary<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    pub fn has_more(&self) -> bool {
        self.position < self.bytes.len()
    }

    pub fn position(&self) -> usize {
        self.position
    }

    pub fn u64(&mut self) -> Option<u64> {
        self.take(8).map(|bytes| u64::from_le_bytes(bytes.try_into().expect("eight bytes were taken")))
    }

    pub fn i64(&mut self) -> Option<i64> {
        self.u64().map(u64::cast_signed)
    }

    /// Two little-endian halves, the higher first.
    pub fn uuid(&mut self) -> Option<Uuid> {
        let high = self.u64()?;
        Some(Uuid::from_u64_pair(high, self.u64()?))
    }

    /// A LEB128 length, then UTF-8.
    pub fn text(&mut self) -> Option<&'a str> {
        let mut length = 0_usize;
        for shift in (0..35).step_by(7) {
            let byte = self.take(1)?[0];
            length |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return std::str::from_utf8(self.take(length)?).ok();
            }
        }
        None
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.position..self.position.checked_add(count)?)?;
        self.position += count;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_as_they_were_written() {
        let id = Uuid::from_u128(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff);
        let (high, low) = id.as_u64_pair();
        let mut bytes = vec![3];
        bytes.extend_from_slice(b"abc");
        bytes.extend_from_slice(&high.to_le_bytes());
        bytes.extend_from_slice(&low.to_le_bytes());
        bytes.extend_from_slice(&(-5_i64).to_le_bytes());
        let mut row = RowBinary::new(&bytes);
        assert_eq!((row.text(), row.uuid(), row.i64()), (Some("abc"), Some(id), Some(-5)));
        assert!(!row.has_more());
        for cut in 0..bytes.len() {
            let mut row = RowBinary::new(&bytes[..cut]);
            let whole = row.text().and_then(|_| row.uuid()).and_then(|_| row.i64());
            assert_eq!(whole, None, "{cut}");
        }
    }
}
