use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use suanpan_catalog::{DeletionJob, Lease};
use suanpan_event::AppId;
use suanpan_log::PartitionPosition;
use suanpan_warehouse::{LogEnd, Person, Removal, RemovalReason, RemovedRows};
use tokio::sync::watch;

use crate::accounts::Parts;
use crate::{Accounts, AccountsError, Result, metrics};

/// Deletions that one round ends at most.
const JOBS_PER_ROUND_MAX: usize = 64;
/// How long one round waits for the pipeline to store what a deletion must find.
const PIPELINE_WAIT: Duration = Duration::from_secs(20);
const PIPELINE_PAUSE: Duration = Duration::from_millis(100);
/// Tries of a deletion that fails for a reason that trying again may not mend.
const TRIES_MAX: u32 = 5;

/// The deletion that is under way. The catalog gives it out once for each time the lease is taken.
#[derive(Default)]
pub(crate) struct Deletions {
    current: Option<Current>,
}

struct Current {
    term: i64,
    job: DeletionJob,
    tries: u32,
}

/// What a deletion has decided, kept with its job as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Plan {
    /// Where the log ended when it began: everything below is to be deleted.
    ends: Vec<LogEnd>,
    /// The number of its removal.
    removal: u64,
    /// Whether it failed meanwhile and was requested again, so that more may have come since.
    #[serde(default)]
    again: bool,
    /// Events that it had deleted before this removal.
    #[serde(default)]
    before: i64,
}

impl Accounts {
    /// Requests the deletion of a person's data: of this id, and of those that are given or linked besides.
    ///
    /// # Errors
    /// As of [`suanpan_catalog::Catalog::request_deletion`]; more than 101 ids are joined by links.
    pub async fn request_deletion(
        &self,
        app: &AppId,
        id: &str,
        (with_linked, others): (bool, Vec<String>),
    ) -> Result<DeletionJob> {
        let mut others = others;
        if with_linked {
            let linked = self.0.warehouse.linked_ids(app, id, true).await?;
            others.extend(linked.into_iter().filter(|linked| linked != id));
        }
        Ok(self.0.catalog.request_deletion(app, id, &others).await?)
    }

    /// Does the deletions that were requested, the oldest first.
    pub(crate) async fn delete_requested(
        &self,
        deletions: &mut Deletions,
        lease: &Lease,
        stop: &watch::Receiver<bool>,
    ) -> Result<()> {
        deletions.current.take_if(|current| current.term != lease.term());
        for _ in 0..JOBS_PER_ROUND_MAX {
            if deletions.current.is_none() {
                let Some(job) = self.0.catalog.claim_deletion(lease).await? else { return Ok(()) };
                deletions.current = Some(Current { term: lease.term(), job, tries: 0 });
            }
            let Some(current) = &mut deletions.current else { return Ok(()) };
            match self.delete(&mut current.job, lease, stop).await {
                Ok(true) => deletions.current = None,
                // It waits for the pipeline; so does what was requested after it.
                Ok(false) => return Ok(()),
                Err(error) if error.is_retryable() => return Err(error),
                Err(AccountsError::Catalog(error)) => {
                    // The lease, or the job, is another's now.
                    deletions.current = None;
                    return Err(error.into());
                }
                Err(error) => {
                    current.tries += 1;
                    if current.tries < TRIES_MAX {
                        return Err(error);
                    }
                    let mut job = current.job.clone();
                    deletions.current = None;
                    self.give_up(&mut job, lease, &error).await?;
                }
            }
        }
        Ok(())
    }

    /// Goes on with a deletion; says whether it has come to its end. Each step can be repeated.
    async fn delete(
        &self,
        job: &mut DeletionJob,
        lease: &Lease,
        stop: &watch::Receiver<bool>,
    ) -> Result<bool> {
        let catalog = &self.0.catalog;
        loop {
            let plan = match serde_json::from_str::<Plan>(&job.log_ends) {
                Ok(plan) => plan,
                Err(_none_yet) => self.begin(job, lease).await?,
            };
            if !self.is_read(&plan.ends, stop).await? {
                return Ok(false);
            }
            self.delete_rows(job, &plan, lease).await?;
            note(job, "forgetting the log");
            catalog.note_deletion(lease, job).await?;
            self.forget(&plan.ends).await?;
            if !plan.again {
                break;
            }
            job.log_ends = String::new();
        }
        note(job, "done");
        catalog.end_deletion(lease, job).await?;
        metrics::deletion_ended("finished");
        tracing::info!(
            app = %job.app, deletion = job.id, events = job.counts.rows,
            dead_letters = job.counts.dead_letters, links = job.counts.links, "a person's data are deleted"
        );
        Ok(true)
    }

    async fn begin(&self, job: &mut DeletionJob, lease: &Lease) -> Result<Plan> {
        let positions = self.0.log.positions().await?;
        let end =
            |p: PartitionPosition| LogEnd { epoch: p.epoch, partition: p.partition, offset: p.end_offset };
        let ends = positions.into_iter().map(end).collect();
        let plan = Plan { ends, removal: Removal::new_job(), again: false, before: job.counts.rows };
        job.log_ends = text(&plan);
        note(job, "waiting until what was acknowledged is stored");
        self.0.catalog.note_deletion(lease, job).await?;
        Ok(plan)
    }

    /// Whether all below these ends is stored; waits for it a while. A partition that was made anew has nothing
    /// of what is meant.
    async fn is_read(&self, ends: &[LogEnd], stop: &watch::Receiver<bool>) -> Result<bool> {
        let begun = Instant::now();
        loop {
            let positions = self.0.log.positions().await?;
            let is_read = |end: &LogEnd| {
                let same = |p: &&PartitionPosition| (p.epoch, p.partition) == (end.epoch, end.partition);
                positions.iter().find(same).is_none_or(|p| p.committed >= end.offset)
            };
            if ends.iter().all(is_read) {
                return Ok(true);
            }
            if begun.elapsed() > PIPELINE_WAIT || *stop.borrow() {
                return Ok(false);
            }
            tokio::time::sleep(PIPELINE_PAUSE).await;
        }
    }

    async fn delete_rows(&self, job: &mut DeletionJob, plan: &Plan, lease: &Lease) -> Result<()> {
        let Parts { warehouse, catalog, .. } = &*self.0;
        let ids: Vec<String> = job.actor.iter().chain(&job.other_ids).cloned().collect();
        if ids.is_empty() {
            return Err(AccountsError::Invalid { message: "the deletion names nobody".into() });
        }
        let person = Person { app: job.app.clone(), ids: ids.clone() };
        let rows = RemovedRows::Person { app: job.app.clone(), ids };
        let removal =
            Removal { job: plan.removal, reason: RemovalReason::Person, rows, ends: plan.ends.clone() };
        note(job, "deleting");
        catalog.note_deletion(lease, job).await?;
        warehouse.forget_samples(&person, plan.removal).await?;
        let removed = warehouse.remove(&removal).await;
        // Also after a failure: the rows may go all the same, and then nobody knows from which days.
        self.0.watermarks.bump_everything();
        let removed = removed?;
        metrics::removed(RemovalReason::Person, removed);
        let dead = warehouse.delete_dead(&person, &plan.ends, plan.removal).await?;
        let links = warehouse.delete_links(&person, plan.removal).await?;
        // A step that is repeated finds what is left; of the events all that went are known.
        job.counts.rows = plan.before.saturating_add(count(removed));
        job.counts.dead_letters += count(dead);
        job.counts.links += count(links);
        catalog.note_deletion(lease, job).await?;
        Ok(())
    }

    /// Takes what is deleted out of the log. Ends of a partition that was made anew are gone with it.
    async fn forget(&self, ends: &[LogEnd]) -> Result<()> {
        let positions = self.0.log.positions().await?;
        let is_there =
            |end: &&LogEnd| positions.iter().any(|p| (p.epoch, p.partition) == (end.epoch, end.partition));
        let below: Vec<(u32, u64)> =
            ends.iter().filter(is_there).map(|end| (end.partition, end.offset)).collect();
        Ok(self.0.log.forget(&below).await?)
    }

    async fn give_up(&self, job: &mut DeletionJob, lease: &Lease, error: &AccountsError) -> Result<()> {
        tracing::error!(app = %job.app, deletion = job.id, %error, "a person's data can't be deleted");
        if let Ok(mut plan) = serde_json::from_str::<Plan>(&job.log_ends) {
            plan.again = true;
            job.log_ends = text(&plan);
        }
        job.problem = format!("{error}; the server's log says more. Request it again when that is mended");
        self.0.catalog.end_deletion(lease, job).await?;
        metrics::deletion_ended("failed");
        Ok(())
    }
}

fn note(job: &mut DeletionJob, step: &str) {
    step.clone_into(&mut job.step);
}

fn text(plan: &Plan) -> String {
    serde_json::to_string(plan).expect("a plan is always JSON")
}

fn count(rows: u64) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
