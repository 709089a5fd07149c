//! What this process has stored, so that answers kept in a cache know when they are old.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use jiff::civil::Date;
use suanpan_event::AppId;

/// Days an app's record keeps apart. Older ones share one counter: then a late event makes more
/// answers old than it must, never fewer.
const DAYS_MAX: usize = 400;

/// For each app and day, a counter that grows with every batch stored. Cheap to clone; clones share
/// the record. Memory: 400 days of each app that reported since the process started.
#[derive(Debug, Clone, Default)]
pub struct Watermarks {
    apps: Arc<RwLock<HashMap<AppId, AppMarks>>>,
    /// What other processes stored, of whichever app.
    elsewhere: Arc<RwLock<AppMarks>>,
    /// Grows when all days of all apps are marked.
    everything: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct AppMarks {
    /// Grows by one with each bump, and is written to the days it touched.
    clock: u64,
    days: BTreeMap<Date, u64>,
    /// The newest bump of all days that are no longer kept apart, and the latest such day.
    folded: Option<(Date, u64)>,
    newest_received_ms: Option<i64>,
}

impl AppMarks {
    fn bump(&mut self, dates: impl IntoIterator<Item = Date>) {
        self.clock += 1;
        let clock = self.clock;
        for date in dates {
            match &mut self.folded {
                Some((latest, newest)) if date <= *latest => *newest = clock,
                _ => {
                    self.days.insert(date, clock);
                }
            }
        }
        while self.days.len() > DAYS_MAX {
            let (date, version) = self.days.pop_first().expect("there are more days than kept");
            let newest = self.folded.map_or(version, |(_, newest)| newest.max(version));
            self.folded = Some((date, newest));
        }
    }

    fn version(&self, from: Date, to: Date) -> u64 {
        let in_days = self.days.range(from..=to).map(|(_, version)| *version).max().unwrap_or(0);
        let in_folded = self.folded.filter(|(latest, _)| from <= *latest).map_or(0, |(_, newest)| newest);
        in_days.max(in_folded)
    }
}

impl Watermarks {
    /// An empty record.
    pub fn new() -> Self {
        Self::default()
    }

    /// Records that events of these days were stored, the newest of them received at `received_ms`.
    pub fn bump(&self, app: &AppId, dates: impl IntoIterator<Item = Date>, received_ms: i64) {
        let mut apps = self.apps.write().unwrap_or_else(PoisonError::into_inner);
        let marks = apps.entry(app.clone()).or_default();
        marks.bump(dates);
        marks.newest_received_ms = marks.newest_received_ms.max(Some(received_ms));
    }

    /// Records that events of these days, of any apps, were stored or removed by another process.
    pub fn bump_all(&self, dates: impl IntoIterator<Item = Date>) {
        self.elsewhere.write().unwrap_or_else(PoisonError::into_inner).bump(dates);
    }

    /// Records that something was removed, of which the days are not known for sure.
    pub fn bump_everything(&self) {
        self.everything.fetch_add(1, Ordering::Relaxed);
    }

    /// Records that another process stored events of the app that were received until then.
    pub fn note_received(&self, app: &AppId, received_ms: i64) {
        let mut apps = self.apps.write().unwrap_or_else(PoisonError::into_inner);
        let marks = apps.entry(app.clone()).or_default();
        marks.newest_received_ms = marks.newest_received_ms.max(Some(received_ms));
    }

    /// A number for these days, both included: it has changed if and only if something was stored in
    /// them since (or in older days, when they are beyond the 400 kept). 0 when nothing is known to have
    /// been stored since the process started.
    pub fn version(&self, app: &AppId, from: Date, to: Date) -> u64 {
        if from > to {
            return 0;
        }
        let apps = self.apps.read().unwrap_or_else(PoisonError::into_inner);
        let here = apps.get(app).map_or(0, |marks| marks.version(from, to));
        // All only grow, so their sum changes whenever one does.
        let everything = self.everything.load(Ordering::Relaxed);
        here + everything + self.elsewhere.read().unwrap_or_else(PoisonError::into_inner).version(from, to)
    }

    /// When the newest stored event of the app was received, in milliseconds since 1970-01-01 UTC; none
    /// when nothing was stored by this process.
    pub fn as_of(&self, app: &AppId) -> Option<i64> {
        let apps = self.apps.read().unwrap_or_else(PoisonError::into_inner);
        apps.get(app)?.newest_received_ms
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_version_changes_with_its_days_alone() {
        let (a, b): (AppId, AppId) = ("a".parse().unwrap(), "b".parse().unwrap());
        let marks = Watermarks::new();
        let (monday, tuesday) = (date(2026, 11, 16), date(2026, 11, 17));
        assert_eq!(marks.version(&a, monday, tuesday), 0);
        assert_eq!(marks.as_of(&a), None);

        marks.clone().bump(&a, [monday], 50);
        let (first, other) = (marks.version(&a, monday, monday), marks.version(&a, tuesday, tuesday));
        marks.bump(&a, [tuesday], 40);
        assert_eq!(marks.version(&a, monday, monday), first);
        assert_ne!(marks.version(&a, tuesday, tuesday), other);
        assert_ne!(marks.version(&a, monday, tuesday), first);
        assert_eq!(marks.as_of(&a), Some(50));
        assert_eq!(marks.version(&b, monday, tuesday), 0);
        assert_eq!(marks.version(&a, tuesday, monday), 0);
    }

    #[test]
    fn what_others_store_changes_every_apps_days() {
        let app: AppId = "a".parse().unwrap();
        let marks = Watermarks::new();
        let (monday, tuesday) = (date(2026, 11, 16), date(2026, 11, 17));
        marks.bump(&app, [monday], 1);
        let (first, other) = (marks.version(&app, monday, monday), marks.version(&app, tuesday, tuesday));
        marks.bump_all([monday]);
        assert_ne!(marks.version(&app, monday, monday), first);
        assert_eq!(marks.version(&app, tuesday, tuesday), other);
        marks.bump_everything();
        assert_ne!(marks.version(&app, tuesday, tuesday), other);
        marks.note_received(&app, 7);
        assert_eq!(marks.as_of(&app), Some(7));
    }

    #[test]
    fn days_that_are_folded_together_still_change() {
        let app: AppId = "a".parse().unwrap();
        let marks = Watermarks::new();
        let first = date(2020, 1, 1);
        let days: Vec<Date> = (0..DAYS_MAX as i64 + 50).map(|n| first.saturating_add(n.days())).collect();
        for day in &days {
            marks.bump(&app, [*day], 1);
        }
        let kept = marks.apps.read().unwrap().get(&app).unwrap().days.len();
        assert_eq!(kept, DAYS_MAX);
        for day in [days[0], days[49], days[50], *days.last().unwrap()] {
            let before = marks.version(&app, day, day);
            marks.bump(&app, [day], 1);
            assert_ne!(marks.version(&app, day, day), before, "{day}");
        }
    }
}
