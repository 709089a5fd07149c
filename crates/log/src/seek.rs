use std::io;

use crate::scan::SegmentScan;
use crate::segments::Segment;
use crate::shared::Shared;
use crate::sparse_index::STRIDE_BYTES;

/// Where in the segment to begin in order to find this offset: where a record begins, at or before it, and at most
/// [`STRIDE_BYTES`] and a record before it. Where the index knows nothing closer, the record in the middle is looked at,
/// and so on; the index learns of it.
///
/// It takes for granted that offsets rise in the file, which damage may have changed.
pub(crate) fn seek(
    shared: &Shared,
    scan: &mut SegmentScan,
    segment: Segment,
    fence: u64,
    offset: u64,
) -> io::Result<u64> {
    let bounds =
        shared.segments().index(segment.first_offset).map(|index| index.bounds(offset, segment.bytes));
    let Some((mut low, mut high)) = bounds else { return Ok(scan.position()) };
    let mut marks = Vec::new();
    while high - low > STRIDE_BYTES {
        let middle = low + (high - low) / 2;
        scan.extend(high, fence);
        let found = scan.search(middle)?.filter(|record| record.offset < fence);
        marks.extend(found.as_ref().map(|record| record.mark()));
        match found {
            Some(record) if record.offset <= offset => low = record.start,
            _ => high = middle,
        }
    }
    shared.segments().note(segment.first_offset, &marks);
    Ok(low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segments::Place;
    use crate::{LogConfig, RecordBatch, SegmentLog};

    const RECORD_BYTES: usize = 2_000;
    const RECORDS: u64 = 2_000;

    /// A seek begins near every record, and what it learnt serves the next one.
    fn check(log: &SegmentLog) {
        let shared = log.shared();
        for offset in (0..RECORDS).step_by(61) {
            let place = shared.segments().place(offset);
            let Place::In { segment, fence } = place else { panic!("{offset} is at {place:?}") };
            let path = shared.folder.segment(segment.first_offset);
            let mut scan = SegmentScan::open(&path, shared.codec()).unwrap();
            let start = seek(shared, &mut scan, segment, fence, offset).unwrap();
            let record = 48 + offset * (RECORD_BYTES as u64 + 20);
            assert!(
                start <= record && record - start <= STRIDE_BYTES + 2_020,
                "{offset}: {start} for {record}"
            );
            let (low, high) = shared.segments().index(0).unwrap().bounds(offset, segment.bytes);
            assert!(high - low <= 2 * (STRIDE_BYTES + 2_020), "{offset}: the index says {low} to {high}");
        }
    }

    #[tokio::test]
    async fn a_seek_begins_near_its_record() {
        let dir = tempfile::tempdir().unwrap();
        let config = LogConfig { segment_bytes_max: 5 << 20, ..LogConfig::new(dir.path()) };
        let log = SegmentLog::open(config.clone()).unwrap();
        for _ in 0..4 {
            log.append((0..RECORDS / 4).map(|_| [7; RECORD_BYTES]).collect::<RecordBatch>()).await.unwrap();
        }
        check(&log);
        log.clone().close().await;
        let log = SegmentLog::open(config.clone()).unwrap();
        check(&log);
        // A record more than fits makes this segment one that an open does not read through.
        for _ in 0..4 {
            log.append((0..RECORDS / 4).map(|_| [7; RECORD_BYTES]).collect::<RecordBatch>()).await.unwrap();
        }
        log.clone().close().await;
        let log = SegmentLog::open(config).unwrap();
        assert_eq!(log.shared().segments().iter().count(), 2);
        check(&log);
    }
}
