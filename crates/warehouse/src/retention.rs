//! Finds and removes what is older than each app keeps it.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use suanpan_event::AppId;

use crate::error::Result;
use crate::lookup::Lookup;
use crate::removal::REMOVAL_APPS_MAX;
use crate::warehouse::Warehouse;

/// Lines of one list of what is too old.
const LINES_MAX: usize = 100_000;

/// How long an app keeps its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The app.
    pub app: AppId,
    /// The first day that is kept, UTC: what is older goes.
    pub from: Date,
}

/// Events of an app's day that are too old.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TooOld {
    /// The day, UTC.
    pub day: Date,
    /// The app.
    pub app: AppId,
    /// How many.
    pub events: u64,
}

impl Warehouse {
    /// The days of these apps that are older than they keep them, the oldest first; at most 100,000 lines.
    ///
    /// # Errors
    /// ClickHouse does not answer.
    pub async fn too_old(&self, kept: &[Kept]) -> Result<Vec<TooOld>> {
        let Some(newest) = kept.iter().map(|kept| kept.from).max() else { return Ok(Vec::new()) };
        let sql = format!(
            "SELECT report_date AS day, toString(app_id) AS app, count() AS events FROM {} \
             WHERE report_date < '{newest}' AND {} GROUP BY day, app ORDER BY day, app LIMIT {LINES_MAX}",
            self.table("events"),
            is_before("toInt32(report_date)"),
        );
        self.look_up(bind(Lookup::new(sql), kept)).await
    }

    /// Deletes what is kept beside the events and is too old: refused events, links that were last seen and names
    /// that were last seen before the first day that is kept. Only tables that have any are rewritten.
    ///
    /// # Errors
    /// As of [`Self::remove`].
    pub async fn delete_old_beside(&self, kept: &[Kept], job: u64) -> Result<u64> {
        let mut gone = 0;
        let dead = is_before("toInt32(received_date)");
        let last_seen = is_before("toInt32(toDate(last_seen))");
        for (table, old) in [("dead_letter", &dead), ("identity_links", &last_seen), ("learnt", &last_seen)] {
            for kept in kept.chunks(REMOVAL_APPS_MAX) {
                let sql = format!("SELECT count() AS number FROM {} WHERE {old}", self.table(table));
                let rows = self.one_number(bind(Lookup::new(sql), kept)).await?;
                if rows > 0 {
                    let values = bind(Lookup::default(), kept);
                    self.mutate(table, &format!("DELETE WHERE {old}"), values, &format!("retention {job}"))
                        .await?;
                }
                gone += rows;
            }
        }
        Ok(gone)
    }
}

/// Holds for rows of `{apps}` whose day, as a number, is before the app's of `{days}`.
fn is_before(day: &str) -> String {
    format!(
        "has({{apps:Array(String)}}, toString(app_id)) AND \
         {day} < {{days:Array(Int32)}}[indexOf({{apps:Array(String)}}, toString(app_id))]"
    )
}

fn bind(lookup: Lookup, kept: &[Kept]) -> Lookup {
    let epoch = jiff::civil::date(1970, 1, 1);
    let day = |kept: &Kept| kept.from.duration_since(epoch).as_hours() / 24;
    lookup.texts("apps", kept.iter().map(|kept| kept.app.as_str())).numbers("days", kept.iter().map(day))
}
