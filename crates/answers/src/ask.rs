use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use serde::Serialize;
use suanpan_catalog::{AppView, Catalog};
use suanpan_event::AppId;
use suanpan_rules::{Answer, Compiled, Context, ResolvedRanges, Rule, RuleLimits};
use suanpan_warehouse::{AskRequest, Warehouse, Watermarks};
use tokio::sync::Semaphore;

use crate::cache::{
    AnswerCache, Computed, FloorCache, Key, LatestCache, Question, answer_cache, floor_cache, latest_cache,
};
use crate::{AnswersConfig, AskError, metrics};

/// The table that statements read, in the warehouse's own database.
const EVENTS: &str = "events";

/// Answers questions. Cheap to clone.
#[derive(Clone)]
pub struct Answers(Arc<Inner>);

struct Inner {
    catalog: Catalog,
    warehouse: Warehouse,
    watermarks: Watermarks,
    limits: RuleLimits,
    config: AnswersConfig,
    cache: AnswerCache,
    latest: LatestCache,
    floors: FloorCache,
    running: Semaphore,
    waiting: AtomicUsize,
}

/// Where an answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CacheUse {
    /// From the cache, and nothing was stored in its range since.
    Hit,
    /// Computed for this asker.
    Miss,
    /// Computed for another asker of the same question at the same time.
    Shared,
    /// From the cache, though new data arrived within the last moment.
    Stale,
}

impl CacheUse {
    /// The name in metrics and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Shared => "shared",
            Self::Stale => "stale",
        }
    }
}

/// An answer, how fresh it is, and what it cost.
#[derive(Debug, Clone, Serialize)]
pub struct Answered {
    /// The numbers.
    #[serde(flatten)]
    pub answer: Answer,
    /// Where it came from.
    pub cache: CacheUse,
    /// When it was computed, in milliseconds since 1970.
    pub computed_ms: i64,
    /// The time of receipt of the newest event stored when it was computed; none if this process
    /// has stored none yet.
    pub as_of_ms: Option<i64>,
    /// Milliseconds this asker waited.
    pub took_ms: f64,
    /// Milliseconds that computing it took.
    pub compute_ms: f64,
    /// Rows read to compute it.
    pub rows_read: u64,
    /// Bytes read to compute it.
    pub bytes_read: u64,
}

impl Answers {
    /// Answers from this warehouse about the catalog's apps. `watermarks` must be the ones that
    /// the pipeline of this process marks.
    pub fn new(
        catalog: Catalog,
        warehouse: Warehouse,
        watermarks: Watermarks,
        limits: RuleLimits,
        config: AnswersConfig,
    ) -> Self {
        Self(Arc::new(Inner {
            cache: answer_cache(&config),
            latest: latest_cache(&config),
            floors: floor_cache(&config),
            running: Semaphore::new(config.queries_at_once_max),
            waiting: AtomicUsize::new(0),
            catalog,
            warehouse,
            watermarks,
            limits,
            config,
        }))
    }

    /// The limits that rules are checked against.
    pub fn rule_limits(&self) -> &RuleLimits {
        &self.0.limits
    }

    /// Answers a rule about an app's events.
    ///
    /// # Errors
    /// See [`AskError`].
    pub async fn ask(&self, app_id: &AppId, rule: &Rule) -> Result<Answered, AskError> {
        let started = Instant::now();
        let answered = self.0.ask(app_id, rule, started).await;
        metrics::answered(answered.as_ref().map_or("error", |a| a.cache.name()));
        answered
    }

    /// Checks a rule against an app's tracking plan, without asking.
    ///
    /// # Errors
    /// The app is unknown, or the rule wrong.
    pub fn check(&self, app_id: &AppId, rule: &Rule) -> Result<(), AskError> {
        let app = self.0.app(app_id)?;
        let now_ms = jiff::Timestamp::now().as_millisecond();
        suanpan_rules::compile(rule, &self.0.context(&app, now_ms, None))?;
        Ok(())
    }

    pub(crate) async fn compile(&self, app_id: &AppId, rule: &Rule) -> Result<Compiled, AskError> {
        let app = self.0.app(app_id)?;
        let now_ms = jiff::Timestamp::now().as_millisecond();
        let ranges = rule.resolve(&app.zone, now_ms, &self.0.limits)?;
        self.0.compile(&app, rule, &ranges, now_ms).await
    }

    pub(crate) fn warehouse(&self) -> &Warehouse {
        &self.0.warehouse
    }
}

impl Inner {
    async fn ask(&self, app_id: &AppId, rule: &Rule, started: Instant) -> Result<Answered, AskError> {
        let app = self.app(app_id)?;
        let now_ms = jiff::Timestamp::now().as_millisecond();
        let ranges = rule.resolve(&app.zone, now_ms, &self.limits)?;
        let question = Question::new(&app, rule, &ranges);
        // Read before the query runs: what is stored meanwhile makes the answer old, not wrong.
        let newest = self.watermark(app_id, &ranges);
        let watermark = self.watermark_to_serve(&question, newest, ranges.current.open).await;
        let key = Key { question, watermark };

        let (computed, found) = match self.cache.get(&key).await {
            Some(computed) => (computed, CacheUse::Hit),
            None => {
                let ours = AtomicBool::new(false);
                let question = key.question.clone();
                let compute = async {
                    ours.store(true, Ordering::Relaxed);
                    let computed = self.compute(&app, rule, &ranges, now_ms).await?;
                    self.note_latest(question, watermark).await;
                    Ok::<_, AskError>(Arc::new(computed))
                };
                let computed =
                    self.cache.try_get_with(key, compute).await.map_err(|e| AskError::clone(&e))?;
                (computed, if ours.into_inner() { CacheUse::Miss } else { CacheUse::Shared })
            }
        };
        metrics::cache_bytes(self.cache.weighted_size());
        let cache = if watermark == newest { found } else { CacheUse::Stale };
        Ok(Answered {
            answer: computed.answer.clone(),
            cache,
            computed_ms: computed.computed_ms,
            as_of_ms: computed.as_of_ms,
            took_ms: started.elapsed().as_secs_f64() * 1e3,
            compute_ms: computed.elapsed.as_secs_f64() * 1e3,
            rows_read: computed.rows_read,
            bytes_read: computed.bytes_read,
        })
    }

    fn app(&self, app_id: &AppId) -> Result<Arc<AppView>, AskError> {
        let snapshot = self.catalog.snapshot();
        snapshot.app(app_id).cloned().ok_or_else(|| AskError::UnknownApp(app_id.clone()))
    }

    fn watermark(&self, app_id: &AppId, ranges: &ResolvedRanges) -> u64 {
        let (from, to) = ranges.report_dates();
        self.watermarks.version(app_id, from, to)
    }

    /// An open range on a busy app changes with every batch; for a moment its last answer will do.
    async fn watermark_to_serve(&self, question: &Question, newest: u64, open: bool) -> u64 {
        if !open || self.config.serve_stale_ms == 0 {
            return newest;
        }
        match self.latest.get(question).await {
            Some(watermark) => {
                let kept = Key { question: question.clone(), watermark };
                if self.cache.contains_key(&kept) { watermark } else { newest }
            }
            None => newest,
        }
    }

    /// A slow query that ends late must not bring an older state back.
    async fn note_latest(&self, question: Question, watermark: u64) {
        if self.latest.get(&question).await.is_none_or(|latest| latest < watermark) {
            self.latest.insert(question, watermark).await;
        }
    }

    async fn compute(
        &self,
        app: &AppView,
        rule: &Rule,
        ranges: &ResolvedRanges,
        now_ms: i64,
    ) -> Result<Computed, AskError> {
        let _turn = self.turn().await?;
        let started = Instant::now();
        let as_of_ms = self.watermarks.as_of(&app.id);
        let compiled = self.compile(app, rule, ranges, now_ms).await?;
        let (mut tables, mut rows_read, mut bytes_read) = (Vec::new(), 0, 0);
        for statement in &compiled.statements {
            let request = AskRequest {
                app: app.id.clone(),
                sql: statement.sql.clone(),
                params: statement.params.clone(),
                limits: self.config.query,
            };
            let table = self.warehouse.ask(&request).await?;
            rows_read += table.rows_read;
            bytes_read += table.bytes_read;
            tables.push(table.rows);
        }
        let answer = compiled.assemble(&tables)?;
        let elapsed = started.elapsed();
        metrics::computed(elapsed, rows_read);
        Ok(Computed {
            weight_bytes: weight_bytes(&answer),
            answer,
            open: compiled.range.open,
            computed_ms: now_ms,
            as_of_ms,
            rows_read,
            bytes_read,
            elapsed,
        })
    }

    async fn compile(
        &self,
        app: &AppView,
        rule: &Rule,
        ranges: &ResolvedRanges,
        now_ms: i64,
    ) -> Result<Compiled, AskError> {
        let slot_floor = if app.slots.is_empty() { None } else { self.slot_floor(&app.id, ranges).await? };
        Ok(suanpan_rules::compile(rule, &self.context(app, now_ms, slot_floor))?)
    }

    /// The oldest slot map among the rows in range; asked once for each state of the data.
    async fn slot_floor(&self, app_id: &AppId, ranges: &ResolvedRanges) -> Result<Option<u32>, AskError> {
        let (from, to) = ranges.report_dates();
        let key = (app_id.clone(), (from, to), self.watermark(app_id, ranges));
        let floor = self.floors.try_get_with(key, self.warehouse.slot_floor(app_id, from, to));
        floor.await.map_err(AskError::Warehouse)
    }

    fn context<'a>(&'a self, app: &'a AppView, now_ms: i64, slot_floor: Option<u32>) -> Context<'a> {
        Context {
            app: &app.id,
            zone: &app.zone,
            zone_name: &app.time_zone,
            now_ms,
            attributes: &app.attributes,
            slot_floor,
            table: EVENTS,
            limits: &self.limits,
        }
    }

    /// Waits for one of the places in the warehouse.
    async fn turn(&self) -> Result<tokio::sync::SemaphorePermit<'_>, AskError> {
        if let Ok(turn) = self.running.try_acquire() {
            return Ok(turn);
        }
        let limit = self.config.queries_waiting_max;
        let waiting = Waiting::enter(&self.waiting);
        if waiting.before >= limit {
            return Err(AskError::Overloaded { limit });
        }
        Ok(self.running.acquire().await.expect("the semaphore is never closed"))
    }
}

/// Counts an asker while it waits for its turn, also when its request is dropped.
struct Waiting<'a> {
    count: &'a AtomicUsize,
    before: usize,
}

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize) -> Self {
        Self { before: count.fetch_add(1, Ordering::Relaxed), count }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What an answer takes in the cache: its JSON's length is near enough to its size in memory.
fn weight_bytes(answer: &Answer) -> u32 {
    let json = serde_json::to_vec(answer).map_or(0, |json| json.len());
    u32::try_from(json.saturating_mul(2).saturating_add(256)).unwrap_or(u32::MAX)
}
