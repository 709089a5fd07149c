use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::Api;
use crate::path::Path;
use crate::problem::{Reply, catalog};
use crate::query::{QueryOf, fields, invalid};

/// How many events an app reported, and how many it may. Up to some seconds old.
#[derive(Serialize, ToSchema)]
pub(crate) struct UsageBody {
    /// The day that it is in the app's time zone, such as `2026-03-01`.
    today: String,
    /// Today's events.
    events_today: u64,
    /// This month's events.
    events_this_month: u64,
    /// Events a second over all keys that it may report; null is no limit.
    events_per_second: Option<u32>,
    /// Events a day that it may report.
    events_per_day: Option<u64>,
    /// Events a month that it may report.
    events_per_month: Option<u64>,
    /// The days of the month asked for that had events.
    days: Vec<DayBody>,
}

/// One day.
#[derive(Serialize, ToSchema)]
pub(crate) struct DayBody {
    /// Such as `2026-03-01`, in the app's time zone.
    day: String,
    /// Events that counted towards the quotas.
    events: u64,
}

/// Which month.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct UsageQuery {
    /// The month whose days are listed, such as `2026-03`; this one if absent. The last 400 days
    /// are kept.
    #[serde(default)]
    month: Option<String>,
}

/// How many events an app reported this day and month, and its quotas.
#[utoipa::path(get, path = "/api/apps/{app}/usage", tag = "apps", security(("read" = [])),
    params(("app" = String, Path), UsageQuery), responses((status = 200, body = UsageBody)))]
pub(crate) async fn get(
    State(api): State<Api>,
    Path(app): Path<String>,
    headers: HeaderMap,
    query: QueryOf<UsageQuery>,
) -> Reply<Json<UsageBody>> {
    let app = api.access.read(&headers, &app)?;
    let view = api.app_view(&app)?;
    let today = Timestamp::now().to_zoned(view.zone.clone()).date();
    let asked = fields(query)?.month.filter(|month| !month.is_empty());
    let asked = asked.map_or(Ok(today), |month| first_of(&month))?;
    let this_month = api.catalog().usage(&app, today).await.map_err(catalog)?;
    let is_this = (asked.year(), asked.month()) == (today.year(), today.month());
    let days =
        if is_this { this_month.clone() } else { api.catalog().usage(&app, asked).await.map_err(catalog)? };
    Ok(Json(UsageBody {
        today: today.to_string(),
        events_today: this_month.iter().filter(|(day, _)| *day == today).map(|(_, events)| events).sum(),
        events_this_month: this_month.iter().map(|(_, events)| events).sum(),
        events_per_second: view.settings.events_per_second,
        events_per_day: view.settings.events_per_day,
        events_per_month: view.settings.events_per_month,
        days: days.into_iter().map(|(day, events)| DayBody { day: day.to_string(), events }).collect(),
    }))
}

fn first_of(month: &str) -> Reply<Date> {
    let date = (month.len() == 7).then(|| format!("{month}-01").parse().ok()).flatten();
    date.ok_or_else(|| invalid(format!("month: {month:?} is no month; write for example 2026-03")))
}
