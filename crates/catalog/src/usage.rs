use std::collections::{BTreeMap, HashMap};

use jiff::ToSpan as _;
use jiff::civil::Date;
use sqlx::AssertSqlSafe;
use suanpan_event::AppId;

use crate::database::Db;
use crate::{Catalog, Result};

/// Days and months further back than this are forgotten.
pub const USAGE_DAYS_KEPT: u16 = 400;

/// Rows changed by one statement's turn; more take several, so that others get theirs in between.
const ROWS_A_CHANGE_MAX: usize = 1000;

/// The events of one app.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Of the day asked for.
    pub day: u64,
    /// Of its month, that day and other days included.
    pub month: u64,
}

impl Catalog {
    /// Adds to the events of apps on days. Several processes may add at once; nothing is lost or
    /// counted twice. Snapshots don't show it.
    ///
    /// # Errors
    /// An app is none of the catalog's, or the storage failed. Then the first of several thousand
    /// entries may have been added, of fewer none.
    pub async fn add_usage(&self, used: &[(AppId, Date, u64)]) -> Result<()> {
        for part in used.chunks(ROWS_A_CHANGE_MAX) {
            let mut change = self.change().await?;
            add(change.db(), part).await?;
            if let Some(newest) = part.iter().map(|(_, day, _)| *day).max() {
                let kept_from = newest.saturating_sub(i64::from(USAGE_DAYS_KEPT).days());
                sqlx::query("DELETE FROM usage WHERE period < $1")
                    .bind(day_name(kept_from))
                    .execute(change.db())
                    .await?;
            }
            change.commit().await?;
        }
        Ok(())
    }

    /// The events of every app on a day and in its month; apps without any are absent. Reads two
    /// ranges of the primary key, however many days are kept.
    ///
    /// # Errors
    /// The storage failed.
    pub async fn usage_totals(&self, day: Date) -> Result<HashMap<AppId, Usage>> {
        let (day, month) = (day_name(day), month_name(day));
        let rows: Vec<(String, String, i64)> =
            sqlx::query_as("SELECT period, app_id, events FROM usage WHERE period IN ($1, $2)")
                .bind(&day)
                .bind(month)
                .fetch_all(&mut self.look().await?)
                .await?;
        let mut totals: HashMap<AppId, Usage> = HashMap::with_capacity(rows.len());
        for (period, app_id, events) in rows {
            let usage = totals.entry(crate::load::app_id(app_id)?).or_default();
            let total = if period == day { &mut usage.day } else { &mut usage.month };
            *total = events.unsigned_abs();
        }
        Ok(totals)
    }

    /// The events of an app on each day of a month that had any, in order. `month` is any day of it.
    ///
    /// # Errors
    /// The app is unknown.
    pub async fn usage(&self, app_id: &AppId, month: Date) -> Result<Vec<(Date, u64)>> {
        self.expect_app(app_id)?;
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "SELECT period, events FROM usage WHERE app_id = $1 AND period BETWEEN $2 AND $3 ORDER BY period",
        )
        .bind(app_id.as_str())
        .bind(day_name(month.first_of_month()))
        .bind(day_name(month.last_of_month()))
        .fetch_all(&mut self.look().await?)
        .await?;
        rows.into_iter()
            .map(|(day, events)| {
                let day: Date = day.parse().map_err(crate::load::unreadable)?;
                Ok((day, events.unsigned_abs()))
            })
            .collect()
    }
}

/// Adds all by one statement, which may name a row only once: others wait until it is done, and the way to
/// the database may be long.
async fn add(db: &mut Db, used: &[(AppId, Date, u64)]) -> Result<()> {
    let mut rows: BTreeMap<(String, &str), i64> = BTreeMap::new();
    for (app_id, day, events) in used {
        for period in [day_name(*day), month_name(*day)] {
            let row = rows.entry((period, app_id.as_str())).or_default();
            *row = row.saturating_add(i64::try_from(*events).unwrap_or(i64::MAX));
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    let values: Vec<String> =
        (0..rows.len()).map(|n| format!("(${}, ${}, ${})", 3 * n + 1, 3 * n + 2, 3 * n + 3)).collect();
    let sql = format!(
        "INSERT INTO usage (period, app_id, events) VALUES {}
         ON CONFLICT (period, app_id) DO UPDATE SET events = usage.events + excluded.events",
        values.join(", ")
    );
    // As many texts as there are numbers of rows: none is worth keeping prepared.
    let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
    for ((period, app_id), events) in rows {
        query = query.bind(period).bind(app_id).bind(events);
    }
    query.execute(db).await?;
    Ok(())
}

fn day_name(day: Date) -> String {
    day.to_string()
}

fn month_name(day: Date) -> String {
    day.strftime("%Y-%m").to_string()
}
