use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, SqliteConnection, SqlitePool, Transaction};
use suanpan_event::AppId;
use tokio::sync::{Mutex, MutexGuard, watch};
use tokio::time::{MissedTickBehavior, interval};

use crate::{CatalogError, CatalogLimits, Result, Snapshot, load};

/// How often a catalog looks for changes by other processes: reading one row, unless there are any.
pub const REFRESH_PERIOD: Duration = Duration::from_secs(1);

/// How long a change waits for one by another process before it fails.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// One for the change whose turn it is, the others for listings and the refresher.
const CONNECTIONS_MAX: u32 = 4;

/// The open catalog. Cheap to clone; the last clone's end stops its refresher.
#[derive(Clone)]
pub struct Catalog(Arc<Inner>);

struct Inner {
    pool: SqlitePool,
    limits: CatalogLimits,
    /// Held from a change's first look to its publication, so that snapshots are published in the
    /// order of their commits.
    turn: Mutex<()>,
    published: watch::Sender<Arc<Snapshot>>,
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
        create(path).map_err(|source| CatalogError::Open { path: path.to_owned(), source })?;
        let pool = connect(path).await?;
        // Under one write lock, so that of several processes that start together one does it.
        let mut work = pool.begin_with("BEGIN IMMEDIATE").await?;
        // `run` with a borrowed connection makes a future that can't move between threads.
        sqlx::migrate!("./migrations").run_direct(None, &mut *work, false).await?;
        let first = Arc::new(load::snapshot(&mut work, &Snapshot::default()).await?);
        work.commit().await?;

        let (published, _) = watch::channel(first);
        let catalog = Self(Arc::new(Inner { pool, limits, turn: Mutex::new(()), published }));
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

    /// Begins a change: waits for its turn and locks the file for writing.
    pub(crate) async fn change(&self) -> Result<Change<'_>> {
        let turn = self.0.turn.lock().await;
        let work = self.0.pool.begin_with("BEGIN IMMEDIATE").await?;
        Ok(Change { work, inner: &self.0, _turn: turn })
    }

    pub(crate) fn pool(&self) -> &SqlitePool {
        &self.0.pool
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
    work: Transaction<'static, Sqlite>,
    inner: &'a Inner,
    _turn: MutexGuard<'a, ()>,
}

impl Change<'_> {
    pub fn db(&mut self) -> &mut SqliteConnection {
        &mut self.work
    }

    /// The app is there; gives its slot map's version.
    pub async fn expect_app(&mut self, id: &AppId) -> Result<u32> {
        let slot_map = sqlx::query_scalar("SELECT slot_map FROM apps WHERE id = $1 AND deleted_ms IS NULL")
            .bind(id.as_str())
            .fetch_optional(self.db())
            .await?;
        slot_map.ok_or_else(|| unknown_app(&self.inner.published.borrow(), id))
    }

    /// Ends a change that snapshots don't show.
    pub async fn commit(self) -> Result<()> {
        Ok(self.work.commit().await?)
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

/// SQLite gives its side files (`-wal`, `-shm`) the mode of the file itself. A file that exists is
/// not touched: closing it would end the locks that this process may hold on it.
fn create(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// SQLite's code for a file that another connection holds.
const BUSY: &str = "5";
const CONNECT_PAUSE: Duration = Duration::from_millis(50);
const CONNECTS_MAX: u32 = 100;

/// Switching a new file to WAL does not wait for another process that is just doing the same, so we
/// try again for some seconds.
async fn connect(path: &Path) -> Result<SqlitePool> {
    let mut attempt = 1;
    loop {
        let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS_MAX);
        match pool.connect_with(options(path)).await {
            Err(sqlx::Error::Database(e)) if e.code().as_deref() == Some(BUSY) && attempt < CONNECTS_MAX => {
                attempt += 1;
                tokio::time::sleep(CONNECT_PAUSE).await;
            }
            connected => return Ok(connected?),
        }
    }
}

/// `Full`: what a call reported as done survives a power failure, which matters most for slot
/// maps. A lost version would be given out again, and rows written under it be misread.
fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
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
        let revision = load::revision(&mut *self.pool.acquire().await?).await?;
        if revision == self.published.borrow().version() {
            return Ok(());
        }
        let _turn = self.turn.lock().await;
        let base = self.published.borrow().clone();
        let next = load::snapshot(&mut *self.pool.begin().await?, &base).await?;
        if next.version() != base.version() {
            self.published.send_replace(Arc::new(next));
        }
        Ok(())
    }
}
