use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, FromRow};
use suanpan_event::AppId;

use crate::apps::now_ms;
use crate::catalog::Change;
use crate::database::Db;
use crate::limits::check_room;
use crate::load::{storable, unreadable};
use crate::{Catalog, CatalogError, Lease, Result};

/// Ended deletions of one app that are kept as proof; the oldest go.
pub const DELETIONS_KEPT: usize = 10_000;
/// Deletions of one app that have not ended.
pub const DELETIONS_OPEN_MAX: usize = 1_000;
/// Further ids of one person.
const OTHER_IDS_MAX: usize = 100;
const ID_BYTES_MAX: usize = 1024;

/// Where a deletion of a person's data stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeletionState {
    /// Nobody has begun.
    Requested,
    /// It goes on, or its process is gone and another will go on.
    Running,
    /// Nothing is left of the person.
    Finished,
    /// It could not go on: [`DeletionJob::problem`] says why. Requested again, it begins anew.
    Failed,
}

impl DeletionState {
    const ALL: [Self; 4] = [Self::Requested, Self::Running, Self::Finished, Self::Failed];

    fn name(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Failed => "failed",
        }
    }
}

/// What was deleted so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletionCounts {
    /// Events.
    pub rows: i64,
    /// Refused events.
    pub dead_letters: i64,
    /// Links between ids.
    pub links: i64,
}

/// A deletion of a person's data, and once it has finished the proof of it. The proof does not name the
/// person: of the ids only [`Self::actor_hash`] is left, by which [`Catalog::deletions_of`] finds it for
/// somebody who knows the id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletionJob {
    /// Its number, unique over all apps.
    pub id: i64,
    /// Whose person it is.
    pub app: AppId,
    /// The person's id; none once it has finished.
    pub actor: Option<String>,
    /// Other ids of the same person that the request named; empty once it has finished.
    pub other_ids: Vec<String>,
    /// SHA-256 of the app's secret and the person's id, in hex: without the secret nobody finds out the id by
    /// trying.
    pub actor_hash: String,
    /// Where it stands.
    pub state: DeletionState,
    /// When it was requested, for the first time, in milliseconds since 1970-01-01 UTC.
    pub requested_ms: i64,
    /// When it was begun, for the first time.
    pub started_ms: Option<i64>,
    /// When it ended.
    pub ended_ms: Option<i64>,
    /// What is being done, in words of whoever does it, without the person's ids.
    pub step: String,
    /// What was deleted so far.
    pub counts: DeletionCounts,
    /// Up to where the log is to be read before nothing can come any more: JSON text that the catalog does
    /// not look into.
    pub log_ends: String,
    /// Why it failed, without the person's ids; else empty.
    pub problem: String,
}

impl Catalog {
    /// Requests the deletion of a person's data, and of that under other ids of the same person. If the same
    /// was requested and has not ended, that job is given; if it failed, it is to be tried again.
    ///
    /// # Errors
    /// The app is unknown, an id is empty or has more than 1024 bytes, there are more than 100 other ids, or
    /// [`DELETIONS_OPEN_MAX`] is reached.
    pub async fn request_deletion(
        &self,
        app_id: &AppId,
        actor: &str,
        other_ids: &[String],
    ) -> Result<DeletionJob> {
        let ids = checked(actor, other_ids)?;
        let mut change = self.change().await?;
        change.expect_app(app_id).await?;
        let found: Option<(i64, String)> = sqlx::query_as(
            "SELECT id, state FROM deletion_jobs WHERE app_id = $1 AND ids = $2
             AND state IN ('requested', 'running', 'failed') ORDER BY id DESC LIMIT 1",
        )
        .bind(app_id.as_str())
        .bind(&ids)
        .fetch_optional(change.db())
        .await?;
        let id = match found {
            Some((id, state)) => {
                if state == DeletionState::Failed.name() {
                    again(change.db(), id).await?;
                }
                id
            }
            None => insert(&mut change, app_id, actor, &ids).await?,
        };
        let job = job(change.db(), app_id, id).await?;
        change.commit().await?;
        Ok(job)
    }

    /// A deletion of an app.
    ///
    /// # Errors
    /// The app or the deletion is unknown.
    pub async fn deletion(&self, app_id: &AppId, id: i64) -> Result<DeletionJob> {
        self.expect_app(app_id)?;
        job(&mut self.look().await?, app_id, id).await
    }

    /// The deletions of an app, the newest first.
    ///
    /// # Errors
    /// The app is unknown.
    pub async fn deletions(&self, app_id: &AppId) -> Result<Vec<DeletionJob>> {
        self.expect_app(app_id)?;
        let sql = format!("SELECT {COLUMNS} FROM deletion_jobs WHERE app_id = $1 ORDER BY id DESC");
        let rows: Vec<Row> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(app_id.as_str())
            .fetch_all(&mut self.look().await?)
            .await?;
        rows.into_iter().map(Row::job).collect()
    }

    /// The deletions of one person, the newest first: also those that have finished, of which only the hash
    /// of the id is left. A person whose other id was given with a request is not found by that one.
    ///
    /// # Errors
    /// The app is unknown.
    pub async fn deletions_of(&self, app_id: &AppId, actor: &str) -> Result<Vec<DeletionJob>> {
        self.expect_app(app_id)?;
        let mut db = self.look().await?;
        let hash = actor_hash(&mut db, app_id, actor).await?;
        let sql = format!(
            "SELECT {COLUMNS} FROM deletion_jobs WHERE app_id = $1 AND actor_hash = $2 ORDER BY id DESC"
        );
        let query = sqlx::query_as(AssertSqlSafe(sql)).bind(app_id.as_str()).bind(hash);
        let rows: Vec<Row> = query.fetch_all(&mut db).await?;
        rows.into_iter().map(Row::job).collect()
    }

    /// Begins, or goes on with, the oldest deletion that is to be done: one that was requested, or that runs
    /// under another term than this lease's, whose holder is gone. What that one noted is in it.
    ///
    /// Deletions of deleted apps are done too. All who do deletions must hold a lease of the same name.
    ///
    /// # Errors
    /// The lease is lost, or the storage failed.
    pub async fn claim_deletion(&self, lease: &Lease) -> Result<Option<DeletionJob>> {
        let mut change = self.change().await?;
        change.expect_lease(lease).await?;
        let sql = format!(
            "UPDATE deletion_jobs SET state = 'running', runner = $1, started_ms = COALESCE(started_ms, $2)
             WHERE id = (SELECT min(id) FROM deletion_jobs
                         WHERE state = 'requested' OR state = 'running' AND runner <> $1)
             RETURNING {COLUMNS}"
        );
        let query = sqlx::query_as(AssertSqlSafe(sql)).bind(lease.term()).bind(now_ms());
        let row: Option<Row> = query.fetch_optional(change.db()).await?;
        change.commit().await?;
        row.map(Row::job).transpose()
    }

    /// Notes a deletion's step, counts and log ends.
    ///
    /// # Errors
    /// The lease is lost, the deletion does not run under it, or the storage failed.
    pub async fn note_deletion(&self, lease: &Lease, job: &DeletionJob) -> Result<()> {
        let mut change = self.change().await?;
        change.expect_lease(lease).await?;
        note(change.db(), lease, job).await?;
        change.commit().await
    }

    /// Notes a deletion's step, counts and log ends, and that it has ended: failed if the job has a problem,
    /// else finished. Then the person's ids are removed from it.
    ///
    /// # Errors
    /// As [`Self::note_deletion`].
    pub async fn end_deletion(&self, lease: &Lease, job: &DeletionJob) -> Result<()> {
        let mut change = self.change().await?;
        change.expect_lease(lease).await?;
        note(change.db(), lease, job).await?;
        let state = if job.problem.is_empty() { DeletionState::Finished } else { DeletionState::Failed };
        sqlx::query(
            "UPDATE deletion_jobs SET state = $1, problem = $2, ended_ms = $3,
                 ids = CASE WHEN $1 = 'finished' THEN '' ELSE ids END WHERE id = $4",
        )
        .bind(state.name())
        .bind(storable(&job.problem).as_ref())
        .bind(now_ms())
        .bind(job.id)
        .execute(change.db())
        .await?;
        prune(change.db(), &job.app).await?;
        change.commit().await
    }
}

/// The ids as they are kept: the person's first, the others in order.
fn checked(actor: &str, other_ids: &[String]) -> Result<String> {
    let check = |field, id: &str| match id.len() {
        0 => Err(CatalogError::invalid(field, "an id has at least one character")),
        bytes if bytes > ID_BYTES_MAX => {
            Err(CatalogError::invalid(field, format!("{bytes} bytes are more than {ID_BYTES_MAX}")))
        }
        _ => Ok(()),
    };
    check("actor", actor)?;
    other_ids.iter().try_for_each(|id| check("other_ids", id))?;
    let others: BTreeSet<&str> = other_ids.iter().map(String::as_str).filter(|id| *id != actor).collect();
    if others.len() > OTHER_IDS_MAX {
        let message = format!("{} ids are more than {OTHER_IDS_MAX}", others.len());
        return Err(CatalogError::invalid("other_ids", message));
    }
    let ids: Vec<&str> = std::iter::once(actor).chain(others).collect();
    Ok(serde_json::to_string(&ids).expect("texts are JSON"))
}

/// The job's number.
async fn insert(change: &mut Change<'_>, app_id: &AppId, actor: &str, ids: &str) -> Result<i64> {
    let open: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM deletion_jobs WHERE app_id = $1 AND state IN ('requested', 'running')",
    )
    .bind(app_id.as_str())
    .fetch_one(change.db())
    .await?;
    check_room(open, "deletions_open_max", DELETIONS_OPEN_MAX)?;
    let hash = actor_hash(change.db(), app_id, actor).await?;
    Ok(sqlx::query_scalar(
        "INSERT INTO deletion_jobs (app_id, ids, actor_hash, state, requested_ms)
         VALUES ($1, $2, $3, 'requested', $4) RETURNING id",
    )
    .bind(app_id.as_str())
    .bind(ids)
    .bind(hash)
    .bind(now_ms())
    .fetch_one(change.db())
    .await?)
}

async fn again(db: &mut Db, id: i64) -> Result<()> {
    sqlx::query("UPDATE deletion_jobs SET state = 'requested', problem = '', ended_ms = NULL WHERE id = $1")
        .bind(id)
        .execute(db)
        .await?;
    Ok(())
}

async fn note(db: &mut Db, lease: &Lease, job: &DeletionJob) -> Result<()> {
    let done = sqlx::query(
        "UPDATE deletion_jobs SET step = $1, rows_deleted = $2, dead_letters_deleted = $3, links_deleted = $4,
             log_ends = $5 WHERE id = $6 AND state = 'running' AND runner = $7",
    )
    .bind(storable(&job.step).as_ref())
    .bind(job.counts.rows)
    .bind(job.counts.dead_letters)
    .bind(job.counts.links)
    .bind(storable(&job.log_ends).as_ref())
    .bind(job.id)
    .bind(lease.term())
    .execute(db)
    .await?;
    match done.rows_affected() {
        0 => Err(CatalogError::LeaseLost { what: format!("deletion {}", job.id) }),
        _ => Ok(()),
    }
}

async fn prune(db: &mut Db, app_id: &AppId) -> Result<()> {
    sqlx::query(
        "DELETE FROM deletion_jobs WHERE app_id = $1 AND state IN ('finished', 'failed') AND id NOT IN
             (SELECT id FROM deletion_jobs WHERE app_id = $1 AND state IN ('finished', 'failed')
              ORDER BY id DESC LIMIT $2)",
    )
    .bind(app_id.as_str())
    .bind(i64::try_from(DELETIONS_KEPT).unwrap_or(i64::MAX))
    .execute(db)
    .await?;
    Ok(())
}

async fn actor_hash(db: &mut Db, app_id: &AppId, actor: &str) -> Result<String> {
    let key: Vec<u8> = sqlx::query_scalar("SELECT mask_key FROM apps WHERE id = $1")
        .bind(app_id.as_str())
        .fetch_one(db)
        .await?;
    // Other words first than where values are masked with the same key, so that nobody can match the two.
    let hash = Sha256::new().chain_update(key).chain_update("deletion of ").chain_update(actor).finalize();
    Ok(hash.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a string takes all");
        hex
    }))
}

async fn job(db: &mut Db, app_id: &AppId, id: i64) -> Result<DeletionJob> {
    let sql = format!("SELECT {COLUMNS} FROM deletion_jobs WHERE app_id = $1 AND id = $2");
    let query = sqlx::query_as(AssertSqlSafe(sql)).bind(app_id.as_str()).bind(id);
    let row: Option<Row> = query.fetch_optional(db).await?;
    let none: [&str; 0] = [];
    row.ok_or_else(|| CatalogError::not_found("deletion", &id.to_string(), none))?.job()
}

/// The columns of [`Row`].
const COLUMNS: &str = "id, app_id, ids, actor_hash, state, requested_ms, started_ms, ended_ms, step,
    rows_deleted, dead_letters_deleted, links_deleted, log_ends, problem";

#[derive(FromRow)]
struct Row {
    id: i64,
    app_id: String,
    ids: String,
    actor_hash: String,
    state: String,
    requested_ms: i64,
    started_ms: Option<i64>,
    ended_ms: Option<i64>,
    step: String,
    rows_deleted: i64,
    dead_letters_deleted: i64,
    links_deleted: i64,
    log_ends: String,
    problem: String,
}

impl Row {
    fn job(self) -> Result<DeletionJob> {
        let state = DeletionState::ALL.into_iter().find(|state| state.name() == self.state);
        let mut ids: Vec<String> = match self.ids.as_str() {
            "" => Vec::new(),
            ids => serde_json::from_str(ids).map_err(unreadable)?,
        };
        let other_ids = if ids.is_empty() { Vec::new() } else { ids.split_off(1) };
        Ok(DeletionJob {
            id: self.id,
            app: crate::load::app_id(self.app_id)?,
            actor: ids.pop(),
            other_ids,
            actor_hash: self.actor_hash,
            state: state.ok_or_else(|| unreadable(format!("the state {:?}", self.state)))?,
            requested_ms: self.requested_ms,
            started_ms: self.started_ms,
            ended_ms: self.ended_ms,
            step: self.step,
            counts: DeletionCounts {
                rows: self.rows_deleted,
                dead_letters: self.dead_letters_deleted,
                links: self.links_deleted,
            },
            log_ends: self.log_ends,
            problem: self.problem,
        })
    }
}
