use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rand::Rng as _;
use sha2::{Digest as _, Sha256};
use suanpan_catalog::{Catalog, CatalogError, Salt};
use suanpan_event::AppId;

use crate::Clock;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// How often the clock is looked at for a new day. The next day's salt is there before it begins.
const LOOK_PERIOD: Duration = Duration::from_secs(60);

/// Ids for visitors of clients that send none: equal for one app, address and `User-Agent` on one
/// UTC day, and without a way back to any of them once the day is over and its salt deleted. All
/// processes that share a catalog give the same ids. Cheap to clone.
#[derive(Clone)]
pub struct Visitors(Arc<Salts>);

struct Salts {
    catalog: Catalog,
    clock: Clock,
    /// By day since 1970: today's and tomorrow's.
    known: RwLock<BTreeMap<i64, Salt>>,
}

impl Visitors {
    /// Takes the salts of today and tomorrow from the catalog, and of later days as they come.
    ///
    /// # Errors
    /// The catalog can't be read or written.
    pub async fn open(catalog: Catalog, clock: Clock) -> Result<Self, CatalogError> {
        let salts = Arc::new(Salts { catalog, clock, known: RwLock::default() });
        salts.refresh().await?;
        tokio::spawn(keep_fresh(Arc::downgrade(&salts)));
        Ok(Self(salts))
    }

    /// The id of a visitor at this time: 32 hexadecimal digits.
    pub fn visitor_id(&self, app: &AppId, now_ms: i64, ip: Option<IpAddr>, user_agent: &str) -> String {
        let mut hash = Sha256::new_with_prefix(self.0.salt(day_of(now_ms)));
        let ip = ip.map(|ip| ip.to_string()).unwrap_or_default();
        for part in [app.as_str(), &ip, user_agent] {
            // Lengths keep the parts apart: no two lists of parts give the same bytes.
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let digest = hash.finalize();
        let half: [u8; 16] = digest[..16].try_into().expect("SHA-256 has 32 bytes");
        format!("{:032x}", u128::from_be_bytes(half))
    }
}

impl std::fmt::Debug for Visitors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Visitors")
    }
}

impl Salts {
    fn salt(&self, day: i64) -> Salt {
        if let Some(salt) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(&day) {
            return *salt;
        }
        // The clock jumped, or the catalog could not be asked for a day: visitors are told apart
        // all the same, though other processes and the next start give them other ids.
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        *known.entry(day).or_insert_with(|| {
            tracing::warn!(day, "no salt for this day; visitors' ids hold until the next start only");
            let mut salt = Salt::default();
            rand::rng().fill_bytes(&mut salt);
            salt
        })
    }

    /// Sees to it that today's and tomorrow's salts are known and no others.
    async fn refresh(&self) -> Result<(), CatalogError> {
        let today = day_of((self.clock)());
        let has = |day| self.known.read().unwrap_or_else(PoisonError::into_inner).contains_key(&day);
        if !has(today) || !has(today + 1) {
            let salts = self.catalog.salts(date_of(today), date_of(today + 1)).await?;
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            for (day, salt) in (today..).zip(salts) {
                // Ids that were given with a makeshift salt stay what they are.
                known.entry(day).or_insert(salt);
            }
            known.retain(|day, _| (today..=today + 1).contains(day));
        }
        Ok(())
    }
}

/// Follows the days for as long as the ids are used. A failing look is repeated at the next turn.
async fn keep_fresh(salts: Weak<Salts>) {
    loop {
        tokio::time::sleep(LOOK_PERIOD).await;
        let Some(salts) = salts.upgrade() else { return };
        if let Err(error) = salts.refresh().await {
            tracing::warn!(%error, "the catalog gives no salt for visitors' ids; trying again");
        }
    }
}

fn day_of(ms: i64) -> i64 {
    ms.div_euclid(DAY_MS)
}

fn date_of(day: i64) -> jiff::civil::Date {
    let begin = Timestamp::from_millisecond(day.saturating_mul(DAY_MS)).unwrap_or_default();
    begin.to_zoned(TimeZone::UTC).date()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    const NOON_MS: i64 = 20_000 * DAY_MS + DAY_MS / 2;

    struct Fixture {
        visitors: Visitors,
        now_ms: Arc<AtomicI64>,
        file: std::path::PathBuf,
        _folder: tempfile::TempDir,
    }

    async fn open(file: &std::path::Path, now_ms: &Arc<AtomicI64>) -> Visitors {
        let now_ms = Arc::clone(now_ms);
        let clock: Clock = Arc::new(move || now_ms.load(Ordering::Relaxed));
        Visitors::open(Catalog::open(file).await.unwrap(), clock).await.unwrap()
    }

    async fn fixture() -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("catalog.sqlite");
        let now_ms = Arc::new(AtomicI64::new(NOON_MS));
        Fixture { visitors: open(&file, &now_ms).await, now_ms, file, _folder: folder }
    }

    fn id(visitors: &Visitors, app: &str, now_ms: i64, ip: &str, agent: &str) -> String {
        visitors.visitor_id(&app.parse().unwrap(), now_ms, ip.parse().ok(), agent)
    }

    #[tokio::test]
    async fn one_visitor_of_one_day_has_one_id() {
        let Fixture { visitors, .. } = &fixture().await;
        let first = id(visitors, "shop", NOON_MS, "203.0.113.9", "Chrome");
        assert_eq!(first.len(), 32);
        assert_eq!(id(visitors, "shop", NOON_MS + 1000, "203.0.113.9", "Chrome"), first);
        assert_ne!(id(visitors, "shop", NOON_MS, "203.0.113.8", "Chrome"), first);
        assert_ne!(id(visitors, "shop", NOON_MS, "203.0.113.9", "Safari"), first);
        assert_ne!(id(visitors, "blog", NOON_MS, "203.0.113.9", "Chrome"), first);
        assert_ne!(id(visitors, "shop", NOON_MS + DAY_MS, "203.0.113.9", "Chrome"), first);
        assert_ne!(
            id(visitors, "shop", NOON_MS, "", "203.0.113.9Chrome"),
            id(visitors, "shop", NOON_MS, "203.0.113.9", "Chrome")
        );
    }

    #[tokio::test]
    async fn a_restart_and_a_second_process_give_the_same_ids() {
        let Fixture { visitors, now_ms, file, .. } = &fixture().await;
        let other = open(file, now_ms).await;
        for now_ms in [NOON_MS, NOON_MS + DAY_MS] {
            assert_eq!(id(&other, "shop", now_ms, "::1", ""), id(visitors, "shop", now_ms, "::1", ""),);
        }
    }

    #[tokio::test]
    async fn a_day_that_is_over_can_not_be_computed_again() {
        let Fixture { visitors, now_ms, file, .. } = &fixture().await;
        let [today, tomorrow] = [NOON_MS, NOON_MS + DAY_MS].map(|ms| id(visitors, "shop", ms, "::1", ""));
        now_ms.store(NOON_MS + DAY_MS, Ordering::Relaxed);
        visitors.0.refresh().await.unwrap();
        assert_eq!(id(visitors, "shop", NOON_MS + DAY_MS, "::1", ""), tomorrow);
        assert_eq!(visitors.0.known.read().unwrap().len(), 2);
        let restarted = open(file, now_ms).await;
        assert_eq!(id(&restarted, "shop", NOON_MS + DAY_MS, "::1", ""), tomorrow);
        assert_ne!(id(&restarted, "shop", NOON_MS, "::1", ""), today);
    }
}
