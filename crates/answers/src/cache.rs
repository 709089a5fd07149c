use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::civil::Date;
use moka::Expiry;
use suanpan_catalog::AppView;
use suanpan_event::AppId;
use suanpan_rules::{Answer, ResolvedRanges, Rule};

use crate::AnswersConfig;

/// What makes two questions the same: the app and its tracking plan, the rule, and the instants
/// that its range means now.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Question {
    app_id: AppId,
    rule: Arc<str>,
    zone: String,
    spans_ms: [Option<(i64, i64)>; 2],
    plan: u64,
}

impl Question {
    pub fn new(app: &AppView, rule: &Rule, ranges: &ResolvedRanges) -> Self {
        let previous = ranges.previous.as_ref().map(|r| (r.from_ms, r.to_ms));
        Self {
            app_id: app.id.clone(),
            rule: rule.fingerprint().into(),
            zone: app.time_zone.clone(),
            spans_ms: [Some((ranges.current.from_ms, ranges.current.to_ms)), previous],
            plan: plan_hash(app),
        }
    }
}

/// A 64-bit digest of names, types and slots: enough to tell the few versions of one app's plan
/// that live within an answer's lifetime.
fn plan_hash(app: &AppView) -> u64 {
    let mut hasher = DefaultHasher::new();
    app.slots.version.hash(&mut hasher);
    for attribute in &app.attributes {
        attribute.name.hash(&mut hasher);
        attribute.kind.hash(&mut hasher);
        attribute.slot.map(|s| (s.slot, s.since)).hash(&mut hasher);
    }
    hasher.finish()
}

/// A question about the data of one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub question: Question,
    pub watermark: u64,
}

/// An answer with what it took to make it.
#[derive(Debug)]
pub(crate) struct Computed {
    pub answer: Answer,
    pub open: bool,
    pub computed_ms: i64,
    pub as_of_ms: Option<i64>,
    pub rows_read: u64,
    pub bytes_read: u64,
    pub elapsed: Duration,
    pub weight_bytes: u32,
}

pub(crate) type AnswerCache = moka::future::Cache<Key, Arc<Computed>>;

/// The watermark that a question was last answered under, within the last moment.
pub(crate) type LatestCache = moka::future::Cache<Question, u64>;

pub(crate) fn answer_cache(config: &AnswersConfig) -> AnswerCache {
    moka::future::Cache::builder()
        .max_capacity(config.cache_bytes_max)
        .weigher(|_key, computed: &Arc<Computed>| computed.weight_bytes)
        .expire_after(ByRange {
            closed: Duration::from_secs(config.closed_range_expires_s),
            open: Duration::from_secs(config.open_range_expires_s),
        })
        .build()
}

/// Questions are small beside answers: a bound on their number is enough.
pub(crate) fn latest_cache(config: &AnswersConfig) -> LatestCache {
    moka::future::Cache::builder()
        .max_capacity(100_000)
        .time_to_live(Duration::from_millis(config.serve_stale_ms.max(1)))
        .build()
}

/// The oldest slot map among an app's rows, by the report dates and the watermark it was read under.
pub(crate) type FloorCache = moka::future::Cache<(AppId, (Date, Date), u64), Option<u32>>;

/// As short-lived as an answer over an open range, since another process may write too.
pub(crate) fn floor_cache(config: &AnswersConfig) -> FloorCache {
    moka::future::Cache::builder()
        .max_capacity(100_000)
        .time_to_live(Duration::from_secs(config.open_range_expires_s))
        .build()
}

struct ByRange {
    closed: Duration,
    open: Duration,
}

impl Expiry<Key, Arc<Computed>> for ByRange {
    fn expire_after_create(&self, _key: &Key, computed: &Arc<Computed>, _at: Instant) -> Option<Duration> {
        Some(if computed.open { self.open } else { self.closed })
    }
}
