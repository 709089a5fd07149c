use serde::Deserialize;
use suanpan_event::{AppId, DeadEvent, Origin};
use uuid::Uuid;

use super::filter::Conditions;
use super::{DEAD_LETTER_PAGE_MAX, DeadLetterFilter, DeadLetterPlace, EACH_DAY_BY_ITSELF, newest};
use crate::error::Result;
use crate::warehouse::Warehouse;

/// Lines of one count.
const COUNTS_MAX: usize = 1_000;

/// A dead event as it is kept. Texts that are not known are empty.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct StoredDead {
    /// Names it within the app.
    pub id: Uuid,
    /// When it was received, in milliseconds since 1970-01-01 UTC.
    pub received_time_ms: i64,
    /// The wire format it came in.
    pub format: String,
    /// Why it was refused.
    pub code: String,
    /// The field that the refusal is about.
    pub field: String,
    /// The refusal in a sentence.
    pub message: String,
    /// The event's name, as far as it could be read.
    pub event: String,
    /// The user, likewise.
    pub user_id: String,
    /// The device, likewise.
    pub device_id: String,
    /// The event as it was sent.
    pub raw: String,
    /// What a replay admits; empty if that is `raw`.
    pub draft: String,
    /// Whether a replay can read it.
    pub is_replayable: bool,
    /// How far the client's clock was behind, where that was corrected.
    pub clock_correction_ms: Option<i64>,
    /// Whether its key may report old events.
    pub may_report_old: bool,
    /// Where it came from: [`Origin`] as JSON.
    pub origin: String,
    /// When it was last tried again, in milliseconds since 1970-01-01 UTC.
    pub replay_time_ms: Option<i64>,
    /// What became of that; empty if it was not tried.
    pub replay_outcome: String,
    /// If it was refused again, why.
    pub replay_code: String,
    /// That in a sentence.
    pub replay_message: String,
}

impl StoredDead {
    /// Where it stands in the order of receipt.
    pub fn place(&self) -> DeadLetterPlace {
        DeadLetterPlace { received_time_ms: self.received_time_ms, id: self.id }
    }

    /// Where it came from. What can't be read is not known.
    pub fn origin(&self) -> Origin<'_> {
        serde_json::from_str(&self.origin).unwrap_or_default()
    }

    /// The dead event as it was in the log.
    pub fn dead_event(&self, app_id: &AppId) -> DeadEvent<'_> {
        DeadEvent {
            app_id: app_id.clone(),
            id: self.id,
            received_time_ms: self.received_time_ms,
            format: self.format.as_str().into(),
            code: self.code.as_str().into(),
            field: self.field.as_str().into(),
            message: self.message.as_str().into(),
            event: self.event.as_str().into(),
            user_id: self.user_id.as_str().into(),
            device_id: self.device_id.as_str().into(),
            raw: self.raw.as_str().into(),
            draft: self.draft.as_str().into(),
            is_replayable: self.is_replayable,
            clock_correction_ms: self.clock_correction_ms,
            may_report_old: self.may_report_old,
            origin: self.origin(),
        }
    }
}

/// By what dead events are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadLetterBy {
    /// Why they were refused.
    Code,
    /// Their names.
    Event,
}

/// How many dead events have a code or name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DeadLetterCount {
    /// The code or name.
    pub value: String,
    /// How many are kept.
    pub kept: u64,
    /// Of these, those that a replay accepted.
    pub accepted: u64,
    /// Of these, those that can be tried again.
    pub replayable: u64,
}

impl Warehouse {
    /// Dead events of an app, the newest first, from behind a place on; at most
    /// [`DEAD_LETTER_PAGE_MAX`].
    ///
    /// # Errors
    /// ClickHouse does not answer, or a limit of questions was hit.
    pub async fn dead_letter(
        &self,
        app: &AppId,
        filter: &DeadLetterFilter,
        before: Option<DeadLetterPlace>,
        limit: usize,
    ) -> Result<Vec<StoredDead>> {
        let mut conditions = Conditions::new(app, filter);
        if let Some(place) = before {
            conditions.and(beyond(place, "<"));
        }
        self.page(&conditions.limited(), "DESC", limit).await
    }

    /// One dead event; of several days' the newest.
    ///
    /// # Errors
    /// As of [`Self::dead_letter`].
    pub async fn dead_event(&self, app: &AppId, id: Uuid) -> Result<Option<StoredDead>> {
        let filter = DeadLetterFilter { ids: vec![id], ..DeadLetterFilter::default() };
        Ok(self.dead_letter(app, &filter, None, 1).await?.into_iter().next())
    }

    /// How many dead events an app has, by code or by name, the most frequent first; at most 1,000
    /// lines.
    ///
    /// # Errors
    /// As of [`Self::dead_letter`].
    pub async fn dead_letter_counts(
        &self,
        app: &AppId,
        filter: &DeadLetterFilter,
        by: DeadLetterBy,
    ) -> Result<Vec<DeadLetterCount>> {
        let conditions = Conditions::new(app, filter).limited();
        let column = match by {
            DeadLetterBy::Code => "code",
            DeadLetterBy::Event => "event",
        };
        let sql = format!(
            "SELECT toString({column}) AS value, count() AS kept, countIf(replay_outcome = 'accepted') AS accepted, \
             countIf(is_replayable AND replay_outcome != 'accepted') AS replayable \
             FROM {} WHERE {} GROUP BY value ORDER BY kept DESC, value LIMIT {COUNTS_MAX} {EACH_DAY_BY_ITSELF}",
            newest(self),
            conditions.sql(),
        );
        self.look_up(conditions.lookup(sql)).await
    }

    /// A page of whole rows. The rows are found by their short columns first, and only those of the
    /// page are then read whole.
    pub(super) async fn page(
        &self,
        conditions: &Conditions,
        direction: &str,
        limit: usize,
    ) -> Result<Vec<StoredDead>> {
        let table = newest(self);
        let order = format!("ORDER BY received_time {direction}, id {direction}");
        let found = format!(
            "SELECT received_date, id FROM {table} WHERE {} {order} LIMIT {}",
            conditions.sql(),
            limit.clamp(1, DEAD_LETTER_PAGE_MAX),
        );
        let sql = format!(
            "SELECT id, toUnixTimestamp64Milli(received_time) AS received_time_ms, format, code, field, message, event, \
             user_id, device_id, raw, draft, is_replayable, clock_correction_ms, may_report_old, origin, \
             toUnixTimestamp64Milli(replay_time) AS replay_time_ms, replay_outcome, replay_code, replay_message \
             FROM {table} WHERE app_id = {{app:String}} AND (received_date, id) IN ({found}) {order} \
             {EACH_DAY_BY_ITSELF}"
        );
        self.look_up(conditions.lookup(sql)).await
    }
}

/// The rows before or behind a place.
pub(super) fn beyond(place: DeadLetterPlace, sign: &str) -> String {
    let DeadLetterPlace { received_time_ms, id } = place;
    format!("(toUnixTimestamp64Milli(received_time), id) {sign} ({received_time_ms}, toUUID('{id}'))")
}
