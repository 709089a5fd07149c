use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{AppId, Origin};

/// One refused event, as it travels through the log to the dead letter. Its log record is
/// `{"dead": …}`, which tells it from an [`crate::Event`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeadEvent<'a> {
    /// The app whose key was used.
    #[serde(rename = "app")]
    pub app_id: AppId,
    /// Names the dead event within the app, and is the event's id should a replay accept it and
    /// the client gave none. The same record sent again has the same id.
    pub id: Uuid,
    /// When the gateway received it, in milliseconds since 1970-01-01 UTC.
    #[serde(rename = "received")]
    pub received_time_ms: i64,
    /// The wire format it came in.
    #[serde(borrow)]
    pub format: Cow<'a, str>,
    /// Why it was refused: a [`crate::RejectionCode`]'s name.
    #[serde(borrow)]
    pub code: Cow<'a, str>,
    /// The field that the refusal is about.
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub field: Cow<'a, str>,
    /// The refusal in a sentence.
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub message: Cow<'a, str>,
    /// The event's name as far as it could be read.
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub event: Cow<'a, str>,
    /// The known person, likewise.
    #[serde(rename = "user", borrow, default, skip_serializing_if = "str::is_empty")]
    pub user_id: Cow<'a, str>,
    /// The device, likewise.
    #[serde(rename = "device", borrow, default, skip_serializing_if = "str::is_empty")]
    pub device_id: Cow<'a, str>,
    /// The event as it was sent, or with personal data masked where the plan asks for that.
    #[serde(borrow)]
    pub raw: Cow<'a, str>,
    /// What a replay admits: the event in Suanpan's own format. Empty if `raw` is that already, or
    /// if the event could not be read at all.
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub draft: Cow<'a, str>,
    /// Whether a replay can read it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_replayable: bool,
    /// How far the client's clock was behind the server's, where that was corrected.
    #[serde(rename = "behind", default, skip_serializing_if = "Option::is_none")]
    pub clock_correction_ms: Option<i64>,
    /// Whether its key may report old events.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_report_old: bool,
    /// Where it came from.
    #[serde(rename = "from", borrow, default, skip_serializing_if = "Origin::is_empty")]
    pub origin: Origin<'a>,
}

/// What a log record holds.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "nearly all records are events, and each is taken out at once")]
pub enum Record<'a> {
    /// An accepted event.
    Event(crate::Event<'a>),
    /// A refused one.
    Dead(Box<DeadEvent<'a>>),
}

/// How the records of dead events begin.
const DEAD: &[u8] = br#"{"dead":"#;

impl<'a> Record<'a> {
    /// Reads a log record, borrowing from it.
    ///
    /// # Errors
    /// The record is neither an event nor a dead event.
    pub fn decode(record: &'a [u8]) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Wrapped<'a> {
            #[serde(borrow)]
            dead: Box<DeadEvent<'a>>,
        }
        if record.starts_with(DEAD) {
            serde_json::from_slice::<Wrapped<'a>>(record).map(|wrapped| Self::Dead(wrapped.dead))
        } else {
            crate::Event::decode(record).map(Self::Event)
        }
    }
}

impl DeadEvent<'_> {
    /// Appends it to a buffer as a log record.
    pub fn encode_into(&self, buffer: &mut Vec<u8>) {
        buffer.extend_from_slice(DEAD);
        serde_json::to_writer(&mut *buffer, self).expect("a dead event is always JSON, and a Vec takes all");
        buffer.push(b'}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_says_what_it_holds() {
        let dead = DeadEvent {
            app_id: "shop".parse().unwrap(),
            id: Uuid::new_v4(),
            received_time_ms: 17,
            format: "native".into(),
            code: "missing".into(),
            field: "event".into(),
            message: "say \"what\" happened".into(),
            event: "".into(),
            user_id: "u".into(),
            device_id: "".into(),
            raw: "{\"user_id\":\"u\"}".into(),
            draft: "".into(),
            is_replayable: true,
            clock_correction_ms: Some(-5),
            may_report_old: false,
            origin: Origin::default(),
        };
        let mut record = Vec::new();
        dead.encode_into(&mut record);
        let Ok(Record::Dead(read)) = Record::decode(&record) else { panic!("no dead event") };
        assert_eq!(read.raw, dead.raw);
        assert_eq!(read.message, dead.message);
        assert_eq!(read.clock_correction_ms, Some(-5));
        assert!(Record::decode(b"{}").is_err());
    }
}
