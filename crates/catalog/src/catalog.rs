use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use suanpan_event::AppId;
use tokio::sync::{Mutex, MutexGuard, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::database::{Database, Db, ServerAddress};
use crate::{CatalogError, CatalogLimits, Lease, Result, Snapshot, file, load};

/// How often a catalog looks for changes by other processes: reading one row, unless there are any.
pub const REFRESH_PERIOD: Duration = Duration::from_secs(1);

/// How long a change waits for the ones before it in this process. Once it has its turn, it waits for those of
/// other processes as long as [`Database::begin_changing`] does.
const TURN_MAX: Duration = Duration::from_secs(10);

/// The open catalog. Cheap to clone; the last clone's end stops its refresher.
#[derive(Clone)]
pub struct Catalog(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    database: Database,
    limits: CatalogLimits,
    /// Held from a change's first look to its publication, so that snapshots are published in the
    /// order of their commits.
    turn: Mutex<()>,
    published: watch::Sender<Arc<Snapshot>>,
    /// What this process runs is tied to it; held from the first time that it runs something.
    pub(crate) runner: Mutex<Option<Lease>>,
}

impl Catalog {
    /// Opens the catalog in this file with the default limits. What is missing is created, for the
    /// owner's eyes only: folders with mode 0700, the file with 0600.
    ///
    /// # Errors
    /// The file can't be made or opened, or its tables are not ours.
    pub async fn open(path: &Path) -> Result<Self> {
        Self::open_with_limits(path, CatalogLimits::default()).await
    }

    /// Opens the catalog in this file. Limits bind what is added from now on.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_with_limits(path: &Path, limits: CatalogLimits) -> Result<Self> {
        let _held = file::prepare(path).await?;
        Self::of(Database::file(path).await?, limits).await
    }

    /// Opens the catalog in a PostgreSQL, in which it makes its tables if they are not there:
    /// `postgres://user:password@host:port/database?sslmode=verify-full&sslrootcert=…`. What the URL leaves
    /// out is taken from where PostgreSQL's own clients take it (`PGPASSWORD`, `~/.pgpass`, …); a
    /// connection is encrypted where the server can, unless `sslmode` says more. Any number of processes
    /// may share it.
    ///
    /// # Errors
    /// The URL is none, the server is not there within some seconds or refuses us, or its tables are not
    /// ours. No error has the password.
    pub async fn open_url(url: &str, limits: CatalogLimits) -> Result<Self> {
        Self::of(Database::server(&ServerAddress::parse(url)?).await?, limits).await
    }

    async fn of(database: Database, limits: CatalogLimits) -> Result<Self> {
        database.bring_up_to_date().await?;
        let first = load::snapshot(&mut database.begin_reading().await?, &Snapshot::default()).await?;

        let (published, _) = watch::channel(Arc::new(first));
        let inner = Inner { database, limits, turn: Mutex::new(()), published, runner: Mutex::default() };
        let catalog = Self(Arc::new(inner));
        tokio::spawn(keep_fresh(Arc::downgrade(&catalog.0)));
        Ok(catalog)
    }

    /// The newest snapshot: what this process changed, and what others did up to
    /// [`REFRESH_PERIOD`] ago.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.0.published.borrow().clone()
    }

    /// Sees every later snapshot; a slow reader skips to the newest.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.0.published.subscribe()
    }

    /// The limits in force.
    pub fn limits(&self) -> &CatalogLimits {
        &self.0.limits
    }

    /// Begins a change: waits for its turn and keeps other processes from changing anything.
    pub(crate) async fn change(&self) -> Result<Change<'_>> {
        let turn = timeout(TURN_MAX, self.0.turn.lock()).await;
        let turn = turn.map_err(|_elapsed| sqlx::Error::PoolTimedOut)?;
        let work = self.0.database.begin_changing().await?;
        Ok(Change { work, inner: &self.0, _turn: turn })
    }

    /// A connection for a look that needs no snapshot.
    pub(crate) async fn look(&self) -> Result<Db> {
        self.0.database.connect().await
    }

    /// For reads: the app is there.
    pub(crate) fn expect_app(&self, id: &AppId) -> Result<()> {
        let snapshot = self.snapshot();
        match snapshot.app(id) {
            Some(_) => Ok(()),
            None => Err(unknown_app(&snapshot, id)),
        }
    }
}

impl std::fmt::Debug for Catalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Catalog").field(&*self.0.published.borrow()).finish()
    }
}

/// A change in the making. Dropped before its end, it leaves no trace.
pub(crate) struct Change<'a> {
    // Declared before the turn, so that a dropped change rolls back before the next one begins.
    work: Db,
    inner: &'a Inner,
    _turn: MutexGuard<'a, ()>,
}

impl Change<'_> {
    pub fn db(&mut self) -> &mut Db {
        &mut self.work
    }

    /// The app is there; gives its slot map's version.
    pub async fn expect_app(&mut self, id: &AppId) -> Result<u32> {
        let slot_map: Option<i64> =
            sqlx::query_scalar("SELECT slot_map FROM apps WHERE id = $1 AND deleted_ms IS NULL")
                .bind(id.as_str())
                .fetch_optional(self.db())
                .await?;
        load::small(slot_map.ok_or_else(|| unknown_app(&self.inner.published.borrow(), id))?)
    }

    /// Ends a change that snapshots don't show.
    pub async fn commit(self) -> Result<()> {
        self.work.commit().await
    }

    /// Ends a change of this app: stamps the next revision on it, commits, and publishes.
    ///
    /// The snapshot is loaded before the commit, so nothing can fail after it. Should the caller
    /// go away in between, the refresher finds the new revision.
    pub async fn publish(mut self, app_id: &AppId) -> Result<()> {
        let revision: i64 =
            sqlx::query_scalar("UPDATE catalog SET revision = revision + 1 RETURNING revision")
                .fetch_one(self.db())
                .await?;
        sqlx::query("UPDATE apps SET revision = $1 WHERE id = $2")
            .bind(revision)
            .bind(app_id.as_str())
            .execute(self.db())
            .await?;
        let base = self.inner.published.borrow().clone();
        let next = load::snapshot(self.db(), &base).await?;
        self.work.commit().await?;
        self.inner.published.send_replace(Arc::new(next));
        Ok(())
    }
}

fn unknown_app(snapshot: &Snapshot, id: &AppId) -> CatalogError {
    CatalogError::not_found("app", id.as_str(), snapshot.apps().map(|a| a.id.as_str()))
}

/// Publishes what other processes changed, for as long as the catalog is open. A failing look is
/// repeated at the next tick; it is logged when it begins and when it is over.
async fn keep_fresh(catalog: Weak<Inner>) {
    let mut tick = interval(REFRESH_PERIOD);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_failing = false;
    loop {
        tick.tick().await;
        let Some(catalog) = catalog.upgrade() else { return };
        match catalog.refresh().await {
            Ok(()) if is_failing => {
                tracing::info!("the catalog is fresh again");
                is_failing = false;
            }
            Err(error) if !is_failing => {
                tracing::warn!(%error, "the catalog can't be refreshed; changes by other processes wait");
                is_failing = true;
            }
            Ok(()) | Err(_) => {}
        }
    }
}

impl Inner {
    async fn refresh(&self) -> Result<()> {
        let revision = load::revision(&mut self.database.connect().await?).await?;
        if revision == self.published.borrow().version() {
            return Ok(());
        }
        let turn = timeout(TURN_MAX, self.turn.lock()).await;
        let _turn = turn.map_err(|_elapsed| sqlx::Error::PoolTimedOut)?;
        let mut work = self.database.begin_reading().await?;
        let base = self.published.borrow().clone();
        // A database that went back to an earlier time (a backup, a replica that was behind) has other
        // content under the same revisions.
        let is_older = load::revision(&mut work).await? < base.version();
        let base = if is_older { Arc::default() } else { base };
        let next = load::snapshot(&mut work, &base).await?;
        if is_older || next.version() != base.version() {
            self.published.send_replace(Arc::new(next));
        }
        Ok(())
    }
}
