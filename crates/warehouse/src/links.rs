//! Which ids are the same person.

use serde::{Deserialize, Serialize};
use suanpan_event::AppId;

use crate::error::Result;
use crate::lookup::Lookup;
use crate::reconcile::time_text;
use crate::rows::BatchId;
use crate::warehouse::Warehouse;

/// Links that are read of one person.
pub const LINKS_MAX: usize = 1_000;

/// Two ids of one person, to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLink {
    /// The app.
    pub app_id: AppId,
    /// The id that an event linked, for example the anonymous one.
    pub from_id: String,
    /// The person that the event was counted for.
    pub to_id: String,
    /// The earliest event that did so, in milliseconds since 1970-01-01 UTC.
    pub first_seen_ms: i64,
    /// The latest one.
    pub last_seen_ms: i64,
}

/// Two ids of one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The id that an event linked.
    pub from_id: String,
    /// The person that the event was counted for.
    pub to_id: String,
    /// The earliest event that did so, in milliseconds since 1970-01-01 UTC.
    pub first_seen_ms: i64,
    /// The latest one.
    pub last_seen_ms: i64,
}

#[derive(Serialize)]
struct Line<'a> {
    app_id: &'a str,
    from_id: &'a str,
    to_id: &'a str,
    first_seen: String,
    last_seen: String,
    log_epoch: u64,
    log_partition: u32,
    writer: u64,
}

impl<'a> Line<'a> {
    fn of(batch: BatchId, link: &'a NewLink) -> Self {
        Self {
            app_id: link.app_id.as_str(),
            from_id: &link.from_id,
            to_id: &link.to_id,
            first_seen: time_text(link.first_seen_ms),
            last_seen: time_text(link.last_seen_ms),
            log_epoch: batch.epoch,
            log_partition: batch.partition,
            writer: batch.writer,
        }
    }
}

impl Warehouse {
    /// Stores links. Storing one again, with any times, keeps the earliest and the latest.
    ///
    /// # Errors
    /// As of [`Self::insert_events`].
    pub async fn insert_links(&self, batch: BatchId, links: &[NewLink]) -> Result<()> {
        if links.is_empty() {
            return Ok(());
        }
        let lines: Vec<Line<'_>> = links.iter().map(|link| Line::of(batch, link)).collect();
        self.insert_beside(self.home_of(batch.partition), "identity_links", (batch, ""), &lines).await
    }

    /// The links from and to an id, the latest first; at most [`LINKS_MAX`].
    ///
    /// # Errors
    /// ClickHouse does not answer, or a limit of questions was hit.
    pub async fn links_of(&self, app: &AppId, id: &str) -> Result<Vec<Link>> {
        let sql = format!(
            "SELECT from_id, to_id, toUnixTimestamp64Milli(min(first_seen)) AS first_seen_ms, \
             toUnixTimestamp64Milli(max(last_seen)) AS last_seen_ms \
             FROM {} \
             WHERE app_id = {{app:String}} AND (from_id = {{id:String}} OR to_id = {{id:String}}) \
             GROUP BY from_id, to_id ORDER BY last_seen_ms DESC, from_id, to_id LIMIT {LINKS_MAX}",
            self.table("identity_links")
        );
        self.look_up(Lookup::new(sql).text("app", app.as_str()).text("id", id).limited()).await
    }
}
