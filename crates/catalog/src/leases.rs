use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::catalog::{Change, Inner};
use crate::database::Db;
use crate::load::storable;
use crate::{Catalog, CatalogError, Result};

/// How long a lease is held without being renewed, by the clock that all who share the catalog have in
/// common: PostgreSQL's, or with SQLite the machine's.
pub const LEASE_DURATION: Duration = Duration::from_secs(10);

/// The same in milliseconds.
pub(crate) const LEASE_MS: i64 = 10_000;
/// The terms of leases that are held; `$3` is now, and `$4` is [`LEASE_MS`] later.
pub(crate) const LIVE_TERMS: &str = "SELECT term FROM leases WHERE expires_ms > $3 AND expires_ms <= $4";
/// Two renewals may fail before the lease is lost.
const RENEW_EVERY: Duration = Duration::from_secs(3);
/// How often somebody who waits for a lease looks whether it is free.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The right to do what only one process may do at a time. It renews itself; dropped, it is given back.
///
/// Who holds a lease is decided by the database, so there are never two. But a holder can be paused between
/// looking and acting: what must hold even then is done under the lease's [term](Self::term), which the
/// database compares (as the catalog does with jobs), or is harmless when done twice.
#[derive(Debug)]
pub struct Lease {
    name: String,
    holder: String,
    term: i64,
    /// Until when it is surely ours; none once it is lost.
    ours_until: watch::Receiver<Option<Instant>>,
    /// Told, or dropped, it makes the renewal end and give the lease back.
    _given_back: oneshot::Sender<()>,
    renewal: JoinHandle<Result<()>>,
}

impl Lease {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Who holds it, as [`Catalog::try_lease`] was told.
    pub fn holder(&self) -> &str {
        &self.holder
    }

    /// A number that grows each time a lease is taken, and is never given twice in a catalog.
    pub fn term(&self) -> i64 {
        self.term
    }

    /// Whether it is ours now. No, as soon as somebody else might have it: also while the database is away, or
    /// just after this process was stopped for a while.
    pub fn is_held(&self) -> bool {
        self.ours_until.borrow().is_some_and(|until| Instant::now() < until)
    }

    /// Waits until it is lost, for good: take another one.
    pub async fn lost(&self) {
        let mut ours_until = self.ours_until.clone();
        loop {
            let until = *ours_until.borrow_and_update();
            let Some(until) = until else { return };
            tokio::select! {
                changed = ours_until.changed() => if changed.is_err() { return },
                () = sleep_until(until) => return,
            }
        }
    }

    /// Gives it back, so that another may take it at once. Dropping does the same a moment later.
    ///
    /// # Errors
    /// The storage failed: others wait for it to expire.
    pub async fn release(self) -> Result<()> {
        let Self { _given_back, renewal, .. } = self;
        drop(_given_back);
        match renewal.await {
            Ok(done) => done,
            Err(ended) => Err(sqlx::Error::Io(std::io::Error::other(ended)).into()),
        }
    }
}

impl Catalog {
    /// Takes a lease for this holder; none if somebody holds it, the same holder included.
    ///
    /// # Errors
    /// The storage failed.
    pub async fn try_lease(&self, name: &str, holder: &str) -> Result<Option<Lease>> {
        let asked = Instant::now();
        let mut change = self.change().await?;
        let now = change.db().now_ms().await?;
        // All that are over go, so that no more are kept than are held. One that ends later than a lease can
        // was given before the clock was set back.
        sqlx::query("DELETE FROM leases WHERE expires_ms <= $1 OR expires_ms > $2")
            .bind(now)
            .bind(now + LEASE_MS)
            .execute(change.db())
            .await?;
        let term: Option<i64> = sqlx::query_scalar(
            "INSERT INTO leases (name, holder, expires_ms) VALUES ($1, $2, $3)
             ON CONFLICT (name) DO NOTHING RETURNING term",
        )
        .bind(storable(name).as_ref())
        .bind(storable(holder).as_ref())
        .bind(now + LEASE_MS)
        .fetch_optional(change.db())
        .await?;
        change.commit().await?;
        Ok(term.map(|term| {
            // Counted from before the database did, so it ends here no later than there.
            let (ours, ours_until) = watch::channel(Some(asked + LEASE_DURATION));
            let (_given_back, is_given_back) = oneshot::channel();
            let renewal = tokio::spawn(keep(Arc::downgrade(&self.0), term, ours, is_given_back));
            Lease { name: name.to_owned(), holder: holder.to_owned(), term, ours_until, _given_back, renewal }
        }))
    }

    /// Waits until this holder has the lease. While the storage fails it goes on waiting.
    pub async fn lease(&self, name: &str, holder: &str) -> Lease {
        loop {
            match self.try_lease(name, holder).await {
                Ok(Some(lease)) => return lease,
                Ok(None) => {}
                Err(error) => tracing::warn!(name, %error, "a lease can't be asked for; trying again"),
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Who holds the lease of this name now.
    ///
    /// # Errors
    /// The storage failed.
    pub async fn lease_holder(&self, name: &str) -> Result<Option<String>> {
        let mut db = self.look().await?;
        let now = db.now_ms().await?;
        let sql = "SELECT holder FROM leases WHERE name = $1 AND expires_ms > $2 AND expires_ms <= $3";
        let name = storable(name);
        let holder = sqlx::query_scalar(sql).bind(name.as_ref()).bind(now).bind(now + LEASE_MS);
        Ok(holder.fetch_optional(&mut db).await?)
    }

    /// The term under which this process runs things: that of a lease of its own, which lasts as long as the
    /// process. Another term than before if that was lost in between.
    pub(crate) async fn runner(&self) -> Result<i64> {
        let mut runner = self.0.runner.lock().await;
        if let Some(lease) = runner.as_ref().filter(|lease| lease.is_held()) {
            return Ok(lease.term());
        }
        let name = format!("process-{:016x}", rand::random::<u64>());
        let holder = std::process::id().to_string();
        let lease =
            self.try_lease(&name, &holder).await?.ok_or(CatalogError::LeaseLost { what: name.clone() })?;
        Ok(runner.insert(lease).term())
    }

    async fn renew(&self, term: i64) -> Result<bool> {
        let mut change = self.change().await?;
        if !is_current(change.db(), term).await? {
            return Ok(false);
        }
        let now = change.db().now_ms().await?;
        sqlx::query("UPDATE leases SET expires_ms = $1 WHERE term = $2")
            .bind(now + LEASE_MS)
            .bind(term)
            .execute(change.db())
            .await?;
        change.commit().await?;
        Ok(true)
    }

    async fn give_back(&self, term: i64) -> Result<()> {
        let mut change = self.change().await?;
        sqlx::query("DELETE FROM leases WHERE term = $1").bind(term).execute(change.db()).await?;
        change.commit().await
    }
}

impl Change<'_> {
    /// The lease is held as the database sees it, and so stays until this change is committed: whoever wants
    /// it waits for its turn.
    pub async fn expect_lease(&mut self, lease: &Lease) -> Result<()> {
        let is_current = is_current(self.db(), lease.term).await?;
        if is_current { Ok(()) } else { Err(CatalogError::LeaseLost { what: lease.name.clone() }) }
    }
}

async fn is_current(db: &mut Db, term: i64) -> Result<bool> {
    let now = db.now_ms().await?;
    let found: Option<i64> = sqlx::query_scalar(
        "SELECT term FROM leases WHERE term = $1 AND expires_ms > $2 AND expires_ms <= $3",
    )
    .bind(term)
    .bind(now)
    .bind(now + LEASE_MS)
    .fetch_optional(db)
    .await?;
    Ok(found.is_some())
}

/// Renews a lease until it is given back, lost, or its catalog closed.
async fn keep(
    catalog: Weak<Inner>,
    term: i64,
    ours: watch::Sender<Option<Instant>>,
    mut is_given_back: oneshot::Receiver<()>,
) -> Result<()> {
    loop {
        tokio::select! {
            // Told or dropped, it comes to the same.
            _ = &mut is_given_back => break,
            () = sleep(RENEW_EVERY) => {}
        }
        let asked = Instant::now();
        let until = ours.borrow().filter(|until| asked < *until);
        let (Some(until), Some(catalog)) = (until, catalog.upgrade()) else {
            ours.send_replace(None);
            return Ok(());
        };
        match timeout_at(until, Catalog(catalog).renew(term)).await {
            Ok(Ok(true)) => {
                ours.send_replace(Some(asked + LEASE_DURATION));
            }
            Ok(Ok(false)) => {
                ours.send_replace(None);
                return Ok(());
            }
            Ok(Err(error)) => tracing::warn!(term, %error, "a lease can't be renewed; trying again"),
            Err(_elapsed) => tracing::warn!(term, "a lease was not renewed in time"),
        }
    }
    ours.send_replace(None);
    match catalog.upgrade() {
        Some(catalog) => Catalog(catalog).give_back(term).await,
        None => Ok(()),
    }
}
