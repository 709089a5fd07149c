use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, FromRow};
use suanpan_event::AppId;

use crate::apps::now_ms;
use crate::database::Db;
use crate::leases::{LEASE_MS, LIVE_TERMS};
use crate::load::{storable, unreadable};
use crate::{Catalog, CatalogError, Result};

/// Ended jobs of one app that are still listed; the oldest go.
pub const REPLAY_JOBS_KEPT: usize = 100;

/// Where a replay of dead events stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReplayState {
    /// It goes on.
    Running,
    /// It has tried all that it was to try.
    Finished,
    /// Somebody ended it.
    Cancelled,
    /// Its process ended before it did; it can go on.
    Interrupted,
    /// It could not go on: [`ReplayJob::problem`] says why. It can be tried again.
    Failed,
}

impl ReplayState {
    const ALL: [Self; 5] = [Self::Running, Self::Finished, Self::Cancelled, Self::Interrupted, Self::Failed];

    fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
        }
    }
}

impl TryFrom<String> for ReplayState {
    type Error = sqlx::Error;

    fn try_from(name: String) -> Result<Self, sqlx::Error> {
        let found = Self::ALL.into_iter().find(|state| state.name() == name);
        found.ok_or_else(|| unreadable(format!("the state {name:?}")))
    }
}

/// A replay of dead events.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct ReplayJob {
    /// Its number, unique over all apps.
    pub id: i64,
    /// What it replays: JSON text that the catalog does not look into.
    pub filter: String,
    /// Where it stands.
    #[sqlx(try_from = "String")]
    pub state: ReplayState,
    /// Why it failed; else empty.
    pub problem: String,
    /// The counts so far.
    #[sqlx(flatten)]
    pub counts: ReplayCounts,
    /// When it was started, or went on, in milliseconds since 1970-01-01 UTC.
    pub started_ms: i64,
    /// When it ended.
    pub ended_ms: Option<i64>,
}

/// How far a replay is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromRow)]
pub struct ReplayCounts {
    /// Dead events it tries in all.
    pub total: i64,
    /// Accepted now.
    pub accepted: i64,
    /// Refused again.
    pub rejected: i64,
    /// Those of which nothing is kept that could be tried.
    pub unreadable: i64,
    /// Those that fit but that an earlier replay has brought through: they are not tried.
    pub duplicate: i64,
}

impl ReplayCounts {
    /// How many were tried.
    pub fn done(&self) -> i64 {
        self.accepted + self.rejected + self.unreadable
    }
}

const COLUMNS: &str =
    "id, filter, state, problem, total, accepted, rejected, unreadable, duplicate, started_ms, ended_ms";

impl Catalog {
    /// Notes that this process begins a replay.
    ///
    /// # Errors
    /// The app is unknown, or one of its replays is running.
    pub async fn start_replay(&self, app_id: &AppId, filter: &str) -> Result<ReplayJob> {
        let runner = self.runner().await?;
        let mut change = self.change().await?;
        change.expect_app(app_id).await?;
        expect_none_running(change.db(), app_id).await?;
        let id: i64 = sqlx::query_scalar(
            "INSERT INTO dead_letter_jobs
                 (app_id, filter, state, problem, total, accepted, rejected, unreadable, duplicate, started_ms,
                  runner)
             VALUES ($1, $2, $3, '', 0, 0, 0, 0, 0, $4, $5) RETURNING id",
        )
        .bind(app_id.as_str())
        .bind(storable(filter).as_ref())
        .bind(ReplayState::Running.name())
        .bind(now_ms())
        .bind(runner)
        .fetch_one(change.db())
        .await?;
        sqlx::query(
            "DELETE FROM dead_letter_jobs WHERE app_id = $1 AND id NOT IN
                 (SELECT id FROM dead_letter_jobs WHERE app_id = $1 ORDER BY id DESC LIMIT $2)",
        )
        .bind(app_id.as_str())
        .bind(i64::try_from(REPLAY_JOBS_KEPT).unwrap_or(i64::MAX))
        .execute(change.db())
        .await?;
        let job = job(change.db(), app_id, id).await?;
        change.commit().await?;
        Ok(job)
    }

    /// Notes that a replay that has ended before all was tried goes on in this process.
    ///
    /// # Errors
    /// The app or the replay is unknown, the replay is finished, or one is running.
    pub async fn resume_replay(&self, app_id: &AppId, id: i64) -> Result<ReplayJob> {
        let runner = self.runner().await?;
        let mut change = self.change().await?;
        change.expect_app(app_id).await?;
        expect_none_running(change.db(), app_id).await?;
        if job(change.db(), app_id, id).await?.state == ReplayState::Finished {
            let message = format!("replay {id} is finished; start another one");
            return Err(CatalogError::invalid("state", message));
        }
        sqlx::query(
            "UPDATE dead_letter_jobs SET state = $1, problem = '', started_ms = $2, ended_ms = NULL, runner = $3
             WHERE id = $4",
        )
        .bind(ReplayState::Running.name())
        .bind(now_ms())
        .bind(runner)
        .bind(id)
        .execute(change.db())
        .await?;
        let job = job(change.db(), app_id, id).await?;
        change.commit().await?;
        Ok(job)
    }

    /// Notes how far a replay of this process is.
    ///
    /// # Errors
    /// It is not this process's, or not any more; or the storage failed.
    pub async fn note_replay(&self, id: i64, counts: ReplayCounts) -> Result<()> {
        let runner = self.runner().await?;
        let mut change = self.change().await?;
        let done = sqlx::query(
            "UPDATE dead_letter_jobs
             SET total = $1, accepted = $2, rejected = $3, unreadable = $4, duplicate = $5
             WHERE id = $6 AND state = 'running' AND runner = $7",
        )
        .bind(counts.total)
        .bind(counts.accepted)
        .bind(counts.rejected)
        .bind(counts.unreadable)
        .bind(counts.duplicate)
        .bind(id)
        .bind(runner)
        .execute(change.db())
        .await?;
        expect_ours(id, done.rows_affected())?;
        change.commit().await
    }

    /// Notes that a replay of this process has ended, or that one that is not running is cancelled.
    ///
    /// # Errors
    /// It is not this process's, or not any more; or the storage failed.
    pub async fn end_replay(&self, id: i64, state: ReplayState, problem: &str) -> Result<()> {
        let runner = self.runner().await?;
        let mut change = self.change().await?;
        let done = sqlx::query(
            "UPDATE dead_letter_jobs SET state = $1, problem = $2, ended_ms = $3
             WHERE id = $4 AND (state = 'running' AND runner = $5
                                OR state IN ('interrupted', 'failed') AND $1 = 'cancelled')",
        )
        .bind(state.name())
        .bind(storable(problem).as_ref())
        .bind(now_ms())
        .bind(id)
        .bind(runner)
        .execute(change.db())
        .await?;
        expect_ours(id, done.rows_affected())?;
        change.commit().await
    }

    /// Notes of replays whose process is gone that they were interrupted; returns how many. A process is taken
    /// for gone when it has not renewed its lease for [`crate::LEASE_DURATION`].
    ///
    /// # Errors
    /// The storage failed.
    pub async fn interrupt_replays(&self) -> Result<u64> {
        let mut change = self.change().await?;
        let now = change.db().now_ms().await?;
        let sql = format!(
            "UPDATE dead_letter_jobs SET state = $1, ended_ms = $2
             WHERE state = 'running' AND (runner IS NULL OR runner NOT IN ({LIVE_TERMS}))"
        );
        let interrupt = sqlx::query(AssertSqlSafe(sql)).bind(ReplayState::Interrupted.name()).bind(now_ms());
        let done = interrupt.bind(now).bind(now + LEASE_MS).execute(change.db()).await?;
        change.commit().await?;
        Ok(done.rows_affected())
    }

    /// Notes of all replays that run that they were interrupted; returns how many. For a process that knows
    /// that it is the only one, and has not started any itself.
    ///
    /// # Errors
    /// The storage failed.
    pub async fn interrupt_all_replays(&self) -> Result<u64> {
        let mut change = self.change().await?;
        let done =
            sqlx::query("UPDATE dead_letter_jobs SET state = $1, ended_ms = $2 WHERE state = 'running'")
                .bind(ReplayState::Interrupted.name())
                .bind(now_ms())
                .execute(change.db())
                .await?;
        change.commit().await?;
        Ok(done.rows_affected())
    }

    /// A replay of an app.
    ///
    /// # Errors
    /// The app or the replay is unknown.
    pub async fn replay(&self, app_id: &AppId, id: i64) -> Result<ReplayJob> {
        self.expect_app(app_id)?;
        job(&mut self.look().await?, app_id, id).await
    }

    /// The replays of an app, the newest first.
    ///
    /// # Errors
    /// The app is unknown.
    pub async fn replays(&self, app_id: &AppId) -> Result<Vec<ReplayJob>> {
        self.expect_app(app_id)?;
        let sql = format!("SELECT {COLUMNS} FROM dead_letter_jobs WHERE app_id = $1 ORDER BY id DESC");
        Ok(sqlx::query_as(AssertSqlSafe(sql))
            .bind(app_id.as_str())
            .fetch_all(&mut self.look().await?)
            .await?)
    }
}

async fn job(db: &mut Db, app_id: &AppId, id: i64) -> Result<ReplayJob> {
    let sql = format!("SELECT {COLUMNS} FROM dead_letter_jobs WHERE app_id = $1 AND id = $2");
    let found = sqlx::query_as(AssertSqlSafe(sql)).bind(app_id.as_str()).bind(id).fetch_optional(db).await?;
    found.ok_or_else(|| CatalogError::not_found("replay", &id.to_string(), [] as [&str; 0]))
}

/// A change of a replay touched so many.
fn expect_ours(id: i64, touched: u64) -> Result<()> {
    if touched == 0 { Err(CatalogError::LeaseLost { what: format!("replay {id}") }) } else { Ok(()) }
}

async fn expect_none_running(db: &mut Db, app_id: &AppId) -> Result<()> {
    let running: Option<i64> =
        sqlx::query_scalar("SELECT id FROM dead_letter_jobs WHERE app_id = $1 AND state = $2")
            .bind(app_id.as_str())
            .bind(ReplayState::Running.name())
            .fetch_optional(db)
            .await?;
    match running {
        None => Ok(()),
        Some(id) => Err(CatalogError::Busy { what: "replay", name: id.to_string() }),
    }
}
