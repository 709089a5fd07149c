use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;

/// Bodies below this gain nothing from gzip.
const GZIP_FROM_BYTES: usize = 1024;

/// A request's body.
#[derive(Debug)]
pub(crate) struct RequestBody {
    pub bytes: Vec<u8>,
    pub gzipped: bool,
}

impl RequestBody {
    /// The third form of docs/event-format.md: the events and, if wished, the clock of this try.
    pub(crate) fn of<E: AsRef<[u8]>>(events: &[E], sent_at: Option<SystemTime>, may_gzip: bool) -> Self {
        let size: usize = events.iter().map(|event| event.as_ref().len() + 1).sum();
        if may_gzip && size >= GZIP_FROM_BYTES {
            // In the fastest mode gzip leaves about a fifth.
            let mut packer = GzEncoder::new(Vec::with_capacity(size / 4), Compression::fast());
            write(&mut packer, events, sent_at).expect("memory takes what is written");
            let bytes = packer.finish().expect("memory takes what is written");
            return Self { bytes, gzipped: true };
        }
        let mut bytes = Vec::with_capacity(size + 64);
        write(&mut bytes, events, sent_at).expect("memory takes what is written");
        Self { bytes, gzipped: false }
    }
}

fn write<E: AsRef<[u8]>>(
    out: &mut impl Write,
    events: &[E],
    sent_at: Option<SystemTime>,
) -> std::io::Result<()> {
    match sent_at {
        Some(at) => write!(out, "{{\"sent_at\":{},\"events\":[", unix_ms(at))?,
        None => out.write_all(b"{\"events\":[")?,
    }
    for (at, event) in events.iter().enumerate() {
        out.write_all(if at == 0 { b"" } else { b"," })?;
        out.write_all(event.as_ref())?;
    }
    out.write_all(b"]}")
}

/// Milliseconds since 1970-01-01 UTC, negative before it.
pub(crate) fn unix_ms(time: SystemTime) -> i64 {
    let ms = |duration: std::time::Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    time.duration_since(UNIX_EPOCH).map_or_else(|before| -ms(before.duration()), ms)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_body_holds_the_events_as_they_are() {
        let at = Some(UNIX_EPOCH + Duration::from_millis(5));
        let text = |body: &RequestBody| String::from_utf8(body.bytes.clone()).expect("events are UTF-8 here");
        assert_eq!(
            text(&RequestBody::of(&["{}", "{\"a\":1.0}"], None, true)),
            r#"{"events":[{},{"a":1.0}]}"#
        );
        assert_eq!(text(&RequestBody::of(&["{}"], at, true)), r#"{"sent_at":5,"events":[{}]}"#);
        assert_eq!(text(&RequestBody::of::<&str>(&[], at, false)), r#"{"sent_at":5,"events":[]}"#);

        let large = [format!("\"{}\"", "x".repeat(GZIP_FROM_BYTES))];
        let packed = RequestBody::of(&large, None, true);
        assert!(packed.gzipped && packed.bytes.len() < 200);
        let mut unpacked = String::new();
        flate2::read::GzDecoder::new(packed.bytes.as_slice()).read_to_string(&mut unpacked).unwrap();
        assert_eq!(unpacked, text(&RequestBody::of(&large, None, false)));
    }

    #[test]
    fn times_are_counted_in_both_directions() {
        assert_eq!(unix_ms(UNIX_EPOCH + Duration::from_micros(1999)), 1);
        assert_eq!(unix_ms(UNIX_EPOCH - Duration::from_millis(7)), -7);
    }
}
