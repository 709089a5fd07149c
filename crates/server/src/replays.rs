use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use suanpan_catalog::{Catalog, CatalogError, ReplayCounts, ReplayJob, ReplayState};
use suanpan_event::{AppId, DeadEvent};
use suanpan_gateway::{Gateway, Problem, Readmitted};
use suanpan_warehouse::{DeadLetterFilter, ReplayNote, StoredDead, Warehouse, WarehouseError};
use tokio::sync::watch;

/// Dead events that are looked for at once.
const PAGE: usize = 500;
/// Bytes of the texts that are handed to the gateway at once, unless one alone has more.
const TURN_BYTES_MAX: usize = 1024 * 1024;
/// How often a step is tried while the log or the warehouse takes nothing, and how long it waits.
const TRIES_MAX: u32 = 60;
const PAUSE: Duration = Duration::from_secs(1);

/// Runs replays of dead events. Cheap to clone; clones share the running ones.
///
/// What a replay has done is noted on the dead events themselves, after the accepted ones are on
/// disk. So one that is ended anywhere goes on where it ended: what was accepted and not yet noted
/// is accepted again under the same id, and counted once by the pipeline.
#[derive(Clone)]
pub(crate) struct Replays {
    catalog: Catalog,
    warehouse: Warehouse,
    gateway: Gateway,
    running: Arc<Mutex<HashMap<i64, watch::Sender<bool>>>>,
}

/// Why a replay did not go on to its end.
enum Ended {
    Cancelled,
    Failed(String),
}

impl From<CatalogError> for Ended {
    fn from(error: CatalogError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Tries a step again while it is refused only for now. (A macro, since a function taking an async
/// closure would make a future that is not `Send`.)
macro_rules! patiently {
    ($cancelled:ident, $step:expr) => {{
        let mut tries = 0;
        loop {
            tries += 1;
            match $step.await {
                Ok(done) => break done,
                Err(error) => wait_after(&error, tries, $cancelled).await?,
            }
        }
    }};
}

impl Replays {
    pub fn new(catalog: Catalog, warehouse: Warehouse, gateway: Gateway) -> Self {
        Self { catalog, warehouse, gateway, running: Arc::default() }
    }

    /// Begins a replay; `text` is the filter for people.
    pub async fn start(
        &self,
        app: &AppId,
        filter: DeadLetterFilter,
        text: &str,
    ) -> Result<ReplayJob, CatalogError> {
        let job = self.catalog.start_replay(app, text).await?;
        self.run(app.clone(), filter, job.id);
        Ok(job)
    }

    /// Lets a replay that ended early go on.
    pub async fn resume(
        &self,
        app: &AppId,
        filter: DeadLetterFilter,
        id: i64,
    ) -> Result<ReplayJob, CatalogError> {
        let job = self.catalog.resume_replay(app, id).await?;
        self.run(app.clone(), filter, job.id);
        Ok(job)
    }

    /// Ends a replay soon. One that has ended stays as it is, but an interrupted one is cancelled.
    pub async fn cancel(&self, app: &AppId, id: i64) -> Result<ReplayJob, CatalogError> {
        let job = self.catalog.replay(app, id).await?;
        let is_told = self.lock().get(&id).map(|cancel| cancel.send_replace(true)).is_some();
        if !is_told && matches!(job.state, ReplayState::Interrupted | ReplayState::Failed) {
            self.catalog.end_replay(id, ReplayState::Cancelled, "").await?;
            return self.catalog.replay(app, id).await;
        }
        Ok(job)
    }

    fn run(&self, app: AppId, filter: DeadLetterFilter, id: i64) {
        let (cancel, mut cancelled) = watch::channel(false);
        self.lock().insert(id, cancel);
        let this = self.clone();
        tokio::spawn(async move {
            let (state, problem) = match this.replay(&app, &filter, id, &mut cancelled).await {
                Ok(()) => (ReplayState::Finished, String::new()),
                Err(Ended::Cancelled) => (ReplayState::Cancelled, String::new()),
                Err(Ended::Failed(problem)) => {
                    tracing::warn!(%app, id, problem, "a replay of refused events failed; it can go on later");
                    (ReplayState::Failed, problem)
                }
            };
            if let Err(error) = this.catalog.end_replay(id, state, &problem).await {
                // The next start of the process notes it as interrupted.
                tracing::error!(%error, id, "the end of a replay can't be noted");
            }
            this.lock().remove(&id);
        });
    }

    async fn replay(
        &self,
        app: &AppId,
        filter: &DeadLetterFilter,
        id: i64,
        cancelled: &mut watch::Receiver<bool>,
    ) -> Result<(), Ended> {
        let job = id.unsigned_abs();
        let selected = patiently!(cancelled, self.warehouse.dead_selected(app, filter, job));
        let noted = patiently!(cancelled, self.warehouse.replay_totals(app, job));
        let before = |outcome: &str| {
            noted.iter().find(|total| total.outcome == outcome).map_or(0, |total| count(total.events))
        };
        let mut counts = ReplayCounts {
            total: 0,
            accepted: before("accepted"),
            rejected: before("rejected"),
            unreadable: before("unreadable"),
            duplicate: count(selected.accepted_before),
        };
        counts.total = counts.done() + count(selected.left);
        self.catalog.note_replay(id, counts).await?;
        let mut after = None;
        loop {
            let page = patiently!(cancelled, self.warehouse.dead_to_replay(app, filter, job, (after, PAGE)));
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.place());
            for turn in turns(&page) {
                if *cancelled.borrow() {
                    return Err(Ended::Cancelled);
                }
                let notes = self.readmit(app, &turn, cancelled).await?;
                let at_ms = Timestamp::now().as_millisecond();
                patiently!(cancelled, self.warehouse.note_replays(app, job, at_ms, &notes));
                for note in &notes {
                    match note.outcome {
                        "accepted" => counts.accepted += 1,
                        "rejected" => counts.rejected += 1,
                        _ => counts.unreadable += 1,
                    }
                }
                self.catalog.note_replay(id, counts).await?;
            }
        }
    }

    /// Hands dead events to the gateway; says what became of each.
    async fn readmit(
        &self,
        app: &AppId,
        turn: &[&StoredDead],
        cancelled: &mut watch::Receiver<bool>,
    ) -> Result<Vec<ReplayNote>, Ended> {
        let dead: Vec<DeadEvent<'_>> = turn.iter().map(|stored| stored.dead_event(app)).collect();
        let results = patiently!(cancelled, self.gateway.readmit(&dead));
        let note = |(stored, result): (&&StoredDead, Readmitted)| {
            let (outcome, code, message) = match result {
                Readmitted::Accepted { .. } => ("accepted", "", String::new()),
                Readmitted::Rejected(why) => ("rejected", why.code.name(), why.message),
                Readmitted::Unreadable => ("unreadable", "", String::new()),
            };
            ReplayNote { id: stored.id, outcome, code, message }
        };
        Ok(turn.iter().zip(results).map(note).collect())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<i64, watch::Sender<bool>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits after a failure that may pass.
async fn wait_after(
    error: &impl Passing,
    tries: u32,
    cancelled: &mut watch::Receiver<bool>,
) -> Result<(), Ended> {
    if !error.passes() || tries >= TRIES_MAX {
        return Err(Ended::Failed(error.text()));
    }
    tokio::select! {
        () = tokio::time::sleep(PAUSE) => {}
        _ = cancelled.changed() => return Err(Ended::Cancelled),
    }
    Ok(())
}

/// An error that may be gone a little later.
trait Passing {
    fn passes(&self) -> bool;
    fn text(&self) -> String;
}

impl Passing for WarehouseError {
    fn passes(&self) -> bool {
        self.is_retryable()
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

impl Passing for Problem {
    fn passes(&self) -> bool {
        self.status() == axum::http::StatusCode::SERVICE_UNAVAILABLE
    }

    fn text(&self) -> String {
        self.detail().to_owned()
    }
}

/// A page in turns of bounded size. A record that came on two days is tried once.
fn turns(page: &[StoredDead]) -> Vec<Vec<&StoredDead>> {
    let (mut turns, mut bytes, mut ids) = (Vec::<Vec<&StoredDead>>::new(), 0, HashSet::new());
    for dead in page.iter().filter(|dead| ids.insert(dead.id)) {
        let size = dead.raw.len() + dead.draft.len();
        match turns.last_mut() {
            Some(turn) if bytes + size <= TURN_BYTES_MAX => turn.push(dead),
            _ => {
                turns.push(vec![dead]);
                bytes = 0;
            }
        }
        bytes += size;
    }
    turns
}

/// A count as the catalog keeps it.
fn count(events: u64) -> i64 {
    i64::try_from(events).unwrap_or(i64::MAX)
}
