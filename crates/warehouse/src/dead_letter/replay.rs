use serde::Deserialize;
use suanpan_event::AppId;
use uuid::Uuid;

use super::filter::Conditions;
use super::search::beyond;
use super::{
    DEAD_LETTER_PAGE_MAX, DeadLetterFilter, DeadLetterPlace, EACH_DAY_BY_ITSELF, StoredDead, newest,
};
use crate::error::{Result, WarehouseError};
use crate::lookup::Lookup;
use crate::warehouse::Warehouse;

/// What became of a dead event that was tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayNote {
    /// Which one.
    pub id: Uuid,
    /// `accepted`, or another word; never empty.
    pub outcome: &'static str,
    /// If it was refused again, why.
    pub code: &'static str,
    /// That in a sentence.
    pub message: String,
}

/// How many dead events a job noted with an outcome.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ReplayTotal {
    /// The outcome.
    pub outcome: String,
    /// Different dead events.
    pub events: u64,
}

/// What a job is to try, by different dead events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct ReplaySelection {
    /// Those that it has still to try.
    pub left: u64,
    /// Those that another job has brought through before.
    pub accepted_before: u64,
}

/// What can be tried, was accepted by no job, and was not tried by this one.
fn is_left(job: u64) -> String {
    format!("is_replayable AND replay_outcome != 'accepted' AND replay_job != {job}")
}

impl Warehouse {
    /// How many different dead events a job is to try.
    ///
    /// # Errors
    /// As of [`Self::dead_letter`].
    pub async fn dead_selected(
        &self,
        app: &AppId,
        filter: &DeadLetterFilter,
        job: u64,
    ) -> Result<ReplaySelection> {
        let conditions = Conditions::new(app, filter);
        let sql = format!(
            "SELECT uniqExactIf(id, {}) AS left, \
             uniqExactIf(id, replay_outcome = 'accepted' AND replay_job != {job}) AS accepted_before \
             FROM {} WHERE {} {EACH_DAY_BY_ITSELF}",
            is_left(job),
            newest(self),
            conditions.sql(),
        );
        let rows: Vec<ReplaySelection> = self.look_up(conditions.lookup(sql)).await?;
        rows.first().copied().ok_or_else(|| WarehouseError::decode("no row"))
    }

    /// Dead events that a job has still to try, the oldest first, from behind a place on; at most
    /// [`DEAD_LETTER_PAGE_MAX`].
    ///
    /// # Errors
    /// As of [`Self::dead_letter`].
    pub async fn dead_to_replay(
        &self,
        app: &AppId,
        filter: &DeadLetterFilter,
        job: u64,
        (after, limit): (Option<DeadLetterPlace>, usize),
    ) -> Result<Vec<StoredDead>> {
        let mut conditions = Conditions::new(app, filter);
        conditions.and(is_left(job));
        if let Some(place) = after {
            conditions.and(beyond(place, ">"));
        }
        self.page(&conditions, "ASC", limit).await
    }

    /// Notes what a job made of dead events, on each day's row of them; at most
    /// [`DEAD_LETTER_PAGE_MAX`]. Noting it again is harmless.
    ///
    /// # Errors
    /// As of [`Self::dead_letter`].
    pub async fn note_replays(&self, app: &AppId, job: u64, at_ms: i64, notes: &[ReplayNote]) -> Result<()> {
        if notes.is_empty() {
            return Ok(());
        }
        if notes.len() > DEAD_LETTER_PAGE_MAX {
            let message = format!("{} notes are more than {DEAD_LETTER_PAGE_MAX}", notes.len());
            return Err(WarehouseError::BatchInvalid { message });
        }
        let local = format!("{}.dead_letter_local", self.database());
        // Every shard writes its own rows again. They are no worker's then, and pass the fence.
        let sql = format!(
            "INSERT INTO {local} \
             SELECT * REPLACE (\
             fromUnixTimestamp64Milli({at_ms}, 'UTC') AS replay_time, \
             {{outcomes:Array(String)}}[indexOf({{ids:Array(UUID)}}, id)] AS replay_outcome, \
             {{codes:Array(String)}}[indexOf({{ids:Array(UUID)}}, id)] AS replay_code, \
             {{messages:Array(String)}}[indexOf({{ids:Array(UUID)}}, id)] AS replay_message, \
             {job} AS replay_job, greatest(version + 1, {at_ms}) AS version, 0 AS writer) \
             FROM {local} FINAL WHERE app_id = {{app:String}} AND id IN {{ids:Array(UUID)}} \
             {EACH_DAY_BY_ITSELF}, async_insert = 0",
        );
        let ids: Vec<String> = notes.iter().map(|note| note.id.to_string()).collect();
        let lookup = Lookup::new(sql)
            .text("app", app.as_str())
            .texts("ids", ids.iter().map(String::as_str))
            .texts("outcomes", notes.iter().map(|note| note.outcome))
            .texts("codes", notes.iter().map(|note| note.code))
            .texts("messages", notes.iter().map(|note| note.message.as_str()));
        for shard in self.shards() {
            self.run_at(shard, &lookup).await?;
        }
        Ok(())
    }

    /// What a job has noted so far, by outcome.
    ///
    /// # Errors
    /// As of [`Self::dead_letter`].
    pub async fn replay_totals(&self, app: &AppId, job: u64) -> Result<Vec<ReplayTotal>> {
        let sql = format!(
            "SELECT toString(replay_outcome) AS outcome, uniqExact(id) AS events FROM {} \
             WHERE app_id = {{app:String}} AND replay_job = {job} \
             GROUP BY outcome ORDER BY outcome {EACH_DAY_BY_ITSELF}",
            newest(self),
        );
        self.look_up(Lookup::new(sql).text("app", app.as_str())).await
    }
}
