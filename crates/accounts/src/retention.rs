use std::collections::BTreeMap;

use jiff::ToSpan as _;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use suanpan_event::{AppId, report_date};
use suanpan_warehouse::{
    Kept, Person, PersonEvents, REMOVAL_APPS_MAX, Removal, RemovalReason, RemovedRows, TooOld,
};
use tokio::sync::watch;

use crate::accounts::now_ms;
use crate::{Accounts, Result, metrics};

/// What a shorter retention would remove.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionPreview {
    /// The first day that would be kept, UTC.
    pub kept_from: Date,
    /// Events that would go.
    pub events: u64,
    /// Days they are of.
    pub days: usize,
    /// The oldest of these days.
    pub oldest: Option<Date>,
}

/// What is known of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonSummary {
    /// The ids it is about: the one given, and those linked to it, if they were asked for.
    pub ids: Vec<String>,
    /// Devices that these events came from and that are none of the ids: what they reported before anybody was
    /// known is not the person's unless they are named too.
    pub devices: Vec<String>,
    /// Events by name.
    pub events: Vec<PersonEvents>,
    /// Refused events that are kept.
    pub dead_letters: u64,
    /// Links between ids.
    pub links: u64,
}

impl Accounts {
    /// What would go at once if an app kept its events for so many days.
    ///
    /// # Errors
    /// The warehouse does not answer.
    pub async fn retention_preview(&self, app: &AppId, days: u32) -> Result<RetentionPreview> {
        let kept = kept(app, days);
        let kept_from = kept.from;
        let old = self.0.warehouse.too_old(&[kept]).await?;
        Ok(RetentionPreview {
            kept_from,
            events: old.iter().map(|old| old.events).sum(),
            days: old.len(),
            oldest: old.first().map(|old| old.day),
        })
    }

    /// What is known of a person: of this id, or also of the ids that links join to it.
    ///
    /// # Errors
    /// The warehouse does not answer, or more than 101 ids are joined.
    pub async fn person(&self, app: &AppId, id: &str, with_linked: bool) -> Result<PersonSummary> {
        let warehouse = &self.0.warehouse;
        let ids = if with_linked { warehouse.linked_ids(app, id, true).await? } else { vec![id.to_owned()] };
        let person = Person { app: app.clone(), ids };
        let events = warehouse.person_events(&person).await?;
        let devices = warehouse.person_devices(&person).await?;
        let dead_letters = warehouse.person_dead(&person).await?;
        let links = warehouse.person_links(&person).await?;
        Ok(PersonSummary { ids: person.ids, devices, events, dead_letters, links })
    }

    /// Removes what is older than its app keeps it: first what an earlier round has begun, then some days of
    /// all apps, the oldest first. Returns whether more is left.
    pub(crate) async fn retain(&self, stop: &watch::Receiver<bool>) -> Result<bool> {
        let warehouse = &self.0.warehouse;
        for open in warehouse.open_removals().await? {
            if open.removal.reason == RemovalReason::Retention {
                self.remove_old(&open.removal).await?;
            }
        }
        let kept: Vec<Kept> = self.kept_days().iter().map(|(app, days)| kept(app, *days)).collect();
        let days = by_day(warehouse.too_old(&kept).await?);
        let more = days.len() > self.0.config.retention_days_per_round_max;
        for (day, apps) in days.into_iter().take(self.0.config.retention_days_per_round_max) {
            for apps in apps.chunks(REMOVAL_APPS_MAX) {
                if *stop.borrow() {
                    return Ok(true);
                }
                let rows = RemovedRows::Day { day, apps: apps.to_vec() };
                // What is not committed may be stored while it is counted; it goes another time.
                let ends = self.committed().await?;
                let job = Removal::new_job();
                self.remove_old(&Removal { job, reason: RemovalReason::Retention, rows, ends }).await?;
            }
        }
        if !more {
            let gone = warehouse.delete_old_beside(&kept, Removal::new_job()).await?;
            if gone > 0 {
                tracing::info!(
                    rows = gone,
                    "refused events, links and learnt names were too old and are gone"
                );
            }
        }
        Ok(more)
    }

    /// How many days each app keeps its events, of those that do not keep them for ever.
    pub(crate) fn kept_days(&self) -> Vec<(AppId, u32)> {
        let snapshot = self.0.catalog.snapshot();
        let days = snapshot.apps().filter_map(|app| Some((app.id.clone(), app.settings.retention_days?)));
        let mut days: Vec<(AppId, u32)> = days.collect();
        days.sort();
        days
    }

    async fn remove_old(&self, removal: &Removal) -> Result<()> {
        let RemovedRows::Day { day, apps } = &removal.rows else { return Ok(()) };
        let removed = self.0.warehouse.remove(removal).await;
        // Also after a failure: the rows may go all the same.
        self.0.watermarks.bump_all([*day]);
        let events = removed?;
        metrics::removed(RemovalReason::Retention, events);
        tracing::info!(%day, apps = apps.len(), events, "events were older than their apps keep them and are gone");
        Ok(())
    }
}

fn kept(app: &AppId, days: u32) -> Kept {
    let today = report_date(now_ms());
    Kept { app: app.clone(), from: today.saturating_sub(i64::from(days).days()) }
}

fn by_day(old: Vec<TooOld>) -> BTreeMap<Date, Vec<AppId>> {
    let mut days: BTreeMap<Date, Vec<AppId>> = BTreeMap::new();
    for TooOld { day, app, .. } in old {
        days.entry(day).or_default().push(app);
    }
    days
}
