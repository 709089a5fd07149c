use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use jiff::civil::Date;
use suanpan_catalog::{AppView, Catalog, CatalogError, KeyGrant, KeyId, Usage};
use suanpan_event::AppId;

use crate::bucket::Bucket;
use crate::quota_day::Days;
use crate::{Clock, Problem, metrics};

/// How often counts go to the catalog and come back from it with those of other processes. A
/// process that is killed forgets the events of about this time.
const FLUSH_PERIOD: Duration = Duration::from_secs(1);

/// The pause is at least this many times as long as the work: a catalog of 10,000 apps takes tens
/// of milliseconds.
const FLUSH_PAUSE_TIMES: u32 = 20;

/// An app that reported nothing for so long is forgotten here.
const IDLE_MS: i64 = 15 * 60 * 1000;

/// How many events apps and keys may report: a second, a day, a month. Days begin where the app's
/// time zone says. All processes that share a catalog count together, each a second behind the
/// others; rates hold for each process alone. Cheap to clone.
#[derive(Clone)]
pub struct Quotas(Arc<Inner>);

struct Inner {
    catalog: Catalog,
    clock: Clock,
    /// Apps that reported in the last quarter of an hour, each with its own lock.
    apps: RwLock<HashMap<AppId, Arc<Mutex<AppQuota>>>>,
    /// What the catalog said last, for apps that are not among them.
    totals: RwLock<Totals>,
    /// One flush at a time.
    flushing: tokio::sync::Mutex<()>,
}

type Totals = HashMap<Date, HashMap<AppId, Usage>>;

#[derive(Default)]
struct AppQuota {
    rate: (u32, Bucket),
    keys: HashMap<KeyId, (u32, Bucket)>,
    days: Days,
    has_quota: bool,
    last_ms: i64,
}

impl Quotas {
    /// Reads what was counted before, and goes on counting together with other processes.
    ///
    /// # Errors
    /// The catalog can't be read.
    pub async fn open(catalog: Catalog, clock: Clock) -> Result<Self, CatalogError> {
        let now = jiff::Timestamp::from_millisecond(clock()).unwrap_or_default();
        let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
        let mut totals = Totals::new();
        // At each moment it is one of these days, wherever an app is.
        for day in [today.yesterday(), Ok(today), today.tomorrow()].into_iter().flatten() {
            totals.insert(day, catalog.usage_totals(day).await?);
        }
        let quotas = Arc::new(Inner {
            catalog,
            clock,
            apps: RwLock::default(),
            totals: RwLock::new(totals),
            flushing: tokio::sync::Mutex::default(),
        });
        tokio::spawn(keep_flushing(Arc::downgrade(&quotas)));
        Ok(Self(quotas))
    }

    /// Counts events that are about to be accepted, all or none.
    ///
    /// # Errors
    /// 429 with Retry-After and the limit's name: code `rate_limited` for
    /// `app.events_per_second` and `key.events_per_second`, code `quota_exceeded` for
    /// `app.events_per_day` and `app.events_per_month`.
    pub fn take(&self, view: &AppView, grant: &KeyGrant, events: u64, now_ms: i64) -> Result<(), Problem> {
        if events == 0 {
            return Ok(());
        }
        let entry = self.0.entry(&view.id);
        let mut quota = lock(&entry);
        self.0.roll(&mut quota, view, now_ms);
        let taken = quota.take(view, grant, events, now_ms);
        if let Err(over) = &taken {
            metrics::over_quota(over.limit);
        }
        taken.map_err(|over| over.problem(events))
    }

    /// Takes back what was counted for events that were not accepted after all.
    pub fn give_back(&self, view: &AppView, grant: &KeyGrant, events: u64) {
        let entry = self.0.entry(&view.id);
        let mut quota = lock(&entry);
        quota.rate.1.give_back(events);
        if let Some((_, bucket)) = quota.keys.get_mut(&grant.key_id) {
            bucket.give_back(events);
        }
        quota.days.give_back(events);
    }

    /// Sends what was counted to the catalog, and learns what other processes counted. Done about
    /// each second by itself; to be called at the end, so that nothing is forgotten.
    ///
    /// # Errors
    /// The catalog can't be written or read. Nothing is lost by it.
    pub async fn flush(&self) -> Result<(), CatalogError> {
        self.0.flush().await
    }
}

impl std::fmt::Debug for Quotas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Quotas")
    }
}

/// A limit that was hit.
struct Over {
    limit: &'static str,
    max: u64,
    wait_s: u32,
}

impl Over {
    fn problem(self, events: u64) -> Problem {
        let Self { limit, max, wait_s } = self;
        let code = if limit.ends_with("_second") { "rate_limited" } else { "quota_exceeded" };
        let detail = format!(
            "{events} more events would go over {limit}, {max}; there is room in {wait_s} s. \
             Nothing of this request was kept"
        );
        Problem::new(StatusCode::TOO_MANY_REQUESTS, code, detail).limit(limit).retry_after_s(wait_s)
    }
}

impl AppQuota {
    /// Looks at every limit before anything is taken.
    fn take(&mut self, view: &AppView, grant: &KeyGrant, events: u64, now_ms: i64) -> Result<(), Over> {
        let settings = &view.settings;
        let over_rate = |limit, max: u32| move |wait_s| Over { limit, max: max.into(), wait_s };
        if let Some(max) = settings.events_per_second {
            self.rate.0 = max;
            self.rate.1.ask(events, max, now_ms).map_err(over_rate("app.events_per_second", max))?;
        }
        if let Some(max) = grant.events_per_second {
            let (rate, bucket) = self.keys.entry(grant.key_id).or_default();
            *rate = max;
            bucket.ask(events, max, now_ms).map_err(over_rate("key.events_per_second", max))?;
        }
        let used = self.days.used();
        let quotas = [
            ("app.events_per_day", settings.events_per_day, used.day, self.days.day_ends_ms()),
            ("app.events_per_month", settings.events_per_month, used.month, self.days.month_ends_ms()),
        ];
        self.has_quota = settings.events_per_day.is_some() || settings.events_per_month.is_some();
        for (limit, max, used, ends_ms) in quotas {
            let Some(max) = max else { continue };
            if used.saturating_add(events) > max {
                let wait_s = ends_ms.saturating_sub(now_ms).max(0).unsigned_abs().div_ceil(1000).max(1);
                return Err(Over { limit, max, wait_s: u32::try_from(wait_s).unwrap_or(u32::MAX) });
            }
        }
        if settings.events_per_second.is_some() {
            self.rate.1.take(events);
        }
        if let Some((_, bucket)) =
            self.keys.get_mut(&grant.key_id).filter(|_| grant.events_per_second.is_some())
        {
            bucket.take(events);
        }
        self.days.add(events);
        self.last_ms = now_ms;
        Ok(())
    }

    /// Forgets what is as good as new, and says whether nothing is left.
    fn is_idle(&mut self, now_ms: i64) -> bool {
        self.keys.retain(|_, (rate, bucket)| !bucket.is_full(*rate, now_ms));
        self.keys.is_empty()
            && self.rate.1.is_full(self.rate.0.max(1), now_ms)
            && self.days.is_sent()
            && now_ms.saturating_sub(self.last_ms) > IDLE_MS
    }
}

impl Inner {
    fn entry(&self, app: &AppId) -> Arc<Mutex<AppQuota>> {
        if let Some(entry) = read(&self.apps).get(app) {
            return Arc::clone(entry);
        }
        Arc::clone(write(&self.apps).entry(app.clone()).or_default())
    }

    /// Sees to it that the counts are those of the app's present day.
    fn roll(&self, quota: &mut AppQuota, view: &AppView, now_ms: i64) {
        if let Some(day) = quota.days.roll(view, now_ms) {
            let seen = read(&self.totals).get(&day).and_then(|apps| apps.get(&view.id)).copied();
            quota.days.learn_at_least(seen.unwrap_or_default());
        }
    }

    async fn flush(&self) -> Result<(), CatalogError> {
        let _alone = self.flushing.lock().await;
        let apps: Vec<(AppId, Arc<Mutex<AppQuota>>)> =
            read(&self.apps).iter().map(|(app, entry)| (app.clone(), Arc::clone(entry))).collect();
        let mut sending = Vec::new();
        for (app, entry) in &apps {
            sending.extend(lock(entry).days.send().iter().map(|(day, events)| (app.clone(), *day, *events)));
        }
        if !sending.is_empty()
            && let Err(error) = self.catalog.add_usage(&sending).await
        {
            apps.iter().for_each(|(_, entry)| lock(entry).days.not_sent());
            return Err(error);
        }
        apps.iter().for_each(|(_, entry)| lock(entry).days.sent());
        self.learn(&apps).await?;
        drop(apps);
        self.forget_idle();
        Ok(())
    }

    /// Asks the catalog for the totals of apps that have quotas.
    async fn learn(&self, apps: &[(AppId, Arc<Mutex<AppQuota>>)]) -> Result<(), CatalogError> {
        let mut days: Vec<Date> = Vec::new();
        for (_, entry) in apps {
            let quota = lock(entry);
            days.extend(quota.days.today().filter(|day| quota.has_quota && !days.contains(day)));
        }
        let mut totals = Totals::new();
        for day in days {
            totals.insert(day, self.catalog.usage_totals(day).await?);
        }
        for (app, entry) in apps {
            let mut quota = lock(entry);
            let today = quota.days.today().and_then(|day| totals.get(&day));
            if let Some(usage) = today.and_then(|apps| apps.get(app)) {
                quota.days.learn_at_least(*usage);
            }
        }
        if !totals.is_empty() {
            *write(&self.totals) = totals;
        }
        Ok(())
    }

    fn forget_idle(&self) {
        let now_ms = (self.clock)();
        write(&self.apps).retain(|_, entry| {
            // A request that has it in its hands is not idle.
            Arc::strong_count(entry) > 1 || !lock(entry).is_idle(now_ms)
        });
    }
}

async fn keep_flushing(quotas: Weak<Inner>) {
    let (mut pause, mut is_failing) = (FLUSH_PERIOD, false);
    loop {
        tokio::time::sleep(pause).await;
        let Some(quotas) = quotas.upgrade() else { return };
        let started = Instant::now();
        match quotas.flush().await {
            Err(error) if !is_failing => {
                tracing::warn!(%error, "events can't be counted in the catalog; quotas are those of this process");
                is_failing = true;
            }
            Ok(()) if is_failing => {
                tracing::info!("events are counted in the catalog again");
                is_failing = false;
            }
            Ok(()) | Err(_) => {}
        }
        pause = FLUSH_PERIOD.max(started.elapsed() * FLUSH_PAUSE_TIMES);
    }
}

// Whoever panicked with one of these locks was a test, or between two whole changes.
fn lock(entry: &Mutex<AppQuota>) -> MutexGuard<'_, AppQuota> {
    entry.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use suanpan_catalog::{KeyKind, NewApp, NewKey, SettingsChange};

    use super::*;

    /// 2026-03-01 12:00 UTC, when it is 20:00 in Shanghai.
    const NOON_MS: i64 = 1_772_366_400_000;
    const HOUR_MS: i64 = 3_600_000;

    struct Fixture {
        catalog: Catalog,
        quotas: Quotas,
        now_ms: Arc<AtomicI64>,
        folder: tempfile::TempDir,
    }

    impl Fixture {
        async fn new(settings: SettingsChange, key_rate: Option<u32>) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let catalog = Catalog::open(&folder.path().join("catalog.sqlite")).await.unwrap();
            let id: AppId = "shop".parse().unwrap();
            let time_zone = "Asia/Shanghai".to_owned();
            catalog.create_app(NewApp { id: id.clone(), title: String::new(), time_zone }).await.unwrap();
            catalog.update_settings(&id, settings).await.unwrap();
            let key = NewKey { events_per_second: key_rate, ..NewKey::new(KeyKind::Write) };
            let (_, secret) = catalog.create_key(&id, key).await.unwrap();
            std::fs::write(folder.path().join("key"), secret.expose()).unwrap();
            let now_ms = Arc::new(AtomicI64::new(NOON_MS));
            Self { quotas: quotas(&catalog, &now_ms).await, catalog, now_ms, folder }
        }

        /// Takes from this process, or from another one.
        fn take_from(&self, quotas: &Quotas, events: u64) -> Result<(), (String, Option<u32>)> {
            let snapshot = self.catalog.snapshot();
            let key = std::fs::read_to_string(self.folder.path().join("key")).unwrap();
            let grant = snapshot.key(&key).unwrap();
            let view = snapshot.app(&grant.app_id).unwrap();
            let taken = quotas.take(view, grant, events, self.now_ms.load(Ordering::Relaxed));
            taken.map_err(|problem| {
                assert_eq!(problem.status(), StatusCode::TOO_MANY_REQUESTS);
                let json = serde_json::to_value(&problem).unwrap();
                (json["limit"].as_str().unwrap().to_owned(), problem.retry_after())
            })
        }

        fn take(&self, events: u64) -> Result<(), (String, Option<u32>)> {
            self.take_from(&self.quotas, events)
        }

        fn wait(&self, ms: i64) {
            self.now_ms.fetch_add(ms, Ordering::Relaxed);
        }
    }

    async fn quotas(catalog: &Catalog, now_ms: &Arc<AtomicI64>) -> Quotas {
        let now_ms = Arc::clone(now_ms);
        let clock: Clock = Arc::new(move || now_ms.load(Ordering::Relaxed));
        Quotas::open(catalog.clone(), clock).await.unwrap()
    }

    fn over(limit: &str, seconds: u32) -> Result<(), (String, Option<u32>)> {
        Err((limit.to_owned(), Some(seconds)))
    }

    #[tokio::test]
    async fn rates_of_app_and_key() {
        let settings = SettingsChange { events_per_second: Some(Some(100)), ..SettingsChange::default() };
        let shop = Fixture::new(settings, Some(50)).await;
        assert_eq!(shop.take(500), Ok(()));
        assert_eq!(shop.take(100), over("key.events_per_second", 2));
        shop.wait(2000);
        assert_eq!(shop.take(100), Ok(()));
        // What is refused takes nothing.
        assert_eq!(shop.take(1000), over("app.events_per_second", 4));
        shop.wait(1000);
        assert_eq!(shop.take(50), Ok(()));
    }

    #[tokio::test]
    async fn a_day_ends_at_the_midnight_of_the_app() {
        let settings = SettingsChange { events_per_day: Some(Some(100)), ..SettingsChange::default() };
        let shop = Fixture::new(settings, None).await;
        assert_eq!(shop.take(100), Ok(()));
        assert_eq!(shop.take(1), over("app.events_per_day", 4 * 3600));
        shop.wait(4 * HOUR_MS - 1);
        assert_eq!(shop.take(1), over("app.events_per_day", 1));
        shop.wait(1);
        assert_eq!(shop.take(100), Ok(()));
        assert_eq!(shop.take(1), over("app.events_per_day", 24 * 3600));
        shop.quotas.flush().await.unwrap();
        let days = shop.catalog.usage(&"shop".parse().unwrap(), "2026-03-15".parse().unwrap()).await.unwrap();
        let day = |text: &str| text.parse::<Date>().unwrap();
        assert_eq!(days, [(day("2026-03-01"), 100), (day("2026-03-02"), 100)]);
    }

    #[tokio::test]
    async fn a_month_counts_its_days_together() {
        let settings = SettingsChange { events_per_month: Some(Some(150)), ..SettingsChange::default() };
        let shop = Fixture::new(settings, None).await;
        assert_eq!(shop.take(100), Ok(()));
        shop.quotas.flush().await.unwrap();
        shop.wait(24 * HOUR_MS);
        assert_eq!(shop.take(50), Ok(()));
        let to_april_s = 29 * 24 * 3600 + 4 * 3600;
        assert_eq!(shop.take(1), over("app.events_per_month", to_april_s));
        shop.quotas.flush().await.unwrap();
        assert_eq!(shop.take(1), over("app.events_per_month", to_april_s));
        shop.wait(i64::from(to_april_s) * 1000);
        assert_eq!(shop.take(150), Ok(()));
    }

    #[tokio::test]
    async fn processes_count_together_and_a_restart_goes_on() {
        let settings = SettingsChange { events_per_day: Some(Some(100)), ..SettingsChange::default() };
        let shop = Fixture::new(settings, None).await;
        let other = quotas(&shop.catalog, &shop.now_ms).await;
        assert_eq!(shop.take_from(&other, 30), Ok(()));
        assert_eq!(shop.take(30), Ok(()));
        other.flush().await.unwrap();
        shop.quotas.flush().await.unwrap();
        assert_eq!(shop.take(41), over("app.events_per_day", 4 * 3600));
        let restarted = quotas(&shop.catalog, &shop.now_ms).await;
        assert_eq!(shop.take_from(&restarted, 41), over("app.events_per_day", 4 * 3600));
        assert_eq!(shop.take_from(&restarted, 40), Ok(()));
    }

    #[tokio::test]
    async fn what_was_not_accepted_is_given_back() {
        let settings = SettingsChange {
            events_per_day: Some(Some(100)),
            events_per_second: Some(Some(10)),
            ..SettingsChange::default()
        };
        let shop = Fixture::new(settings, Some(10)).await;
        let snapshot = shop.catalog.snapshot();
        let view = snapshot.app(&"shop".parse().unwrap()).unwrap();
        let key = std::fs::read_to_string(shop.folder.path().join("key")).unwrap();
        assert_eq!(shop.take(100), Ok(()));
        shop.quotas.give_back(view, snapshot.key(&key).unwrap(), 100);
        assert_eq!(shop.take(100), Ok(()));
    }

    #[tokio::test]
    async fn an_idle_app_is_forgotten() {
        let shop = Fixture::new(SettingsChange::default(), Some(10)).await;
        assert_eq!(shop.take(100), Ok(()));
        shop.wait(IDLE_MS);
        shop.quotas.flush().await.unwrap();
        assert_eq!(read(&shop.quotas.0.apps).len(), 1);
        shop.wait(1);
        shop.quotas.flush().await.unwrap();
        assert_eq!(read(&shop.quotas.0.apps).len(), 0);
    }
}
