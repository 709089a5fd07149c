use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use suanpan_event::AppId;

use crate::limits::check_room;
use crate::{Catalog, CatalogError, Result, origin};

/// What becomes of the address that an event came from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IpPolicy {
    /// Stored whole.
    Store,
    /// Stored without the part that names one machine.
    #[default]
    Truncate,
    /// Not stored.
    Drop,
}

impl IpPolicy {
    /// All policies.
    pub const ALL: [Self; 3] = [Self::Store, Self::Truncate, Self::Drop];

    /// The policy's name in requests and listings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Truncate => "truncate",
            Self::Drop => "drop",
        }
    }
}

/// What an app chooses about the events it reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AppSettings {
    /// What becomes of client addresses.
    pub ip: IpPolicy,
    /// Web pages that may report: `*` for all, origins such as `https://shop.example`, and
    /// `https://*.example` for every host below one. In lower case.
    pub allowed_origins: Vec<String>,
    /// Events a second, over all keys; none is no limit.
    pub events_per_second: Option<u32>,
    /// Events a day.
    pub events_per_day: Option<u64>,
    /// Events a month.
    pub events_per_month: Option<u64>,
    /// Days for which its events are kept; none is for ever.
    pub retention_days: Option<u32>,
}

impl Default for AppSettings {
    fn default() -> Self {
        Self {
            ip: IpPolicy::default(),
            allowed_origins: vec!["*".to_owned()],
            events_per_second: None,
            events_per_day: None,
            events_per_month: None,
            retention_days: None,
        }
    }
}

impl AppSettings {
    /// Whether a web page may report: `origin` is a request's `Origin`, for example
    /// `https://shop.example`. Hosts are compared whatever their case.
    pub fn allows_origin(&self, origin: &str) -> bool {
        self.allowed_origins.iter().any(|allowed| origin::matches(allowed, origin))
    }
}

/// What to change about an app's settings. None leaves as it is; an inner none lifts a limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SettingsChange {
    /// What becomes of client addresses.
    pub ip: Option<IpPolicy>,
    /// Web pages that may report.
    pub allowed_origins: Option<Vec<String>>,
    /// Events a second.
    pub events_per_second: Option<Option<u32>>,
    /// Events a day.
    pub events_per_day: Option<Option<u64>>,
    /// Events a month.
    pub events_per_month: Option<Option<u64>>,
    /// Days for which events are kept.
    pub retention_days: Option<Option<u32>>,
}

impl SettingsChange {
    fn apply(self, to: &AppSettings) -> AppSettings {
        AppSettings {
            ip: self.ip.unwrap_or(to.ip),
            allowed_origins: self.allowed_origins.unwrap_or_else(|| to.allowed_origins.clone()),
            events_per_second: self.events_per_second.unwrap_or(to.events_per_second),
            events_per_day: self.events_per_day.unwrap_or(to.events_per_day),
            events_per_month: self.events_per_month.unwrap_or(to.events_per_month),
            retention_days: self.retention_days.unwrap_or(to.retention_days),
        }
    }
}

impl Catalog {
    /// Changes an app's settings, and gives them as they are now.
    ///
    /// # Errors
    /// The app is unknown, an origin is none, a limit is 0, the retention is 0 days or more than
    /// [`RETENTION_DAYS_MAX`], or `origins_per_app_max` is reached.
    pub async fn update_settings(&self, app_id: &AppId, new: SettingsChange) -> Result<AppSettings> {
        let mut change = self.change().await?;
        change.expect_app(app_id).await?;
        let present = crate::load::settings(change.db(), app_id).await?;
        let settings = self.checked(new.apply(&present))?;
        sqlx::query(
            "UPDATE apps SET ip = $1, allowed_origins = $2, events_per_second = $3, events_per_day = $4,
             events_per_month = $5, retention_days = $6 WHERE id = $7",
        )
        .bind(settings.ip.name())
        .bind(serde_json::to_string(&settings.allowed_origins).expect("texts are JSON"))
        .bind(settings.events_per_second.map(i64::from))
        .bind(settings.events_per_day.map(storable))
        .bind(settings.events_per_month.map(storable))
        .bind(settings.retention_days.map(i64::from))
        .bind(app_id.as_str())
        .execute(change.db())
        .await?;
        change.publish(app_id).await?;
        Ok(settings)
    }

    fn checked(&self, mut settings: AppSettings) -> Result<AppSettings> {
        check_rate("events_per_second", settings.events_per_second.map(u64::from))?;
        check_rate("events_per_day", settings.events_per_day)?;
        check_rate("events_per_month", settings.events_per_month)?;
        check_retention(settings.retention_days)?;
        let mut seen = HashSet::new();
        let mut origins = Vec::new();
        for written in &settings.allowed_origins {
            let origin = origin::normal(written)?;
            if seen.insert(origin.clone()) {
                let present = i64::try_from(origins.len()).unwrap_or(i64::MAX);
                check_room(present, "origins_per_app_max", self.limits().origins_per_app_max)?;
                origins.push(origin);
            }
        }
        settings.allowed_origins = origins;
        Ok(settings)
    }
}

/// The longest retention that can be said: a hundred years.
pub const RETENTION_DAYS_MAX: u32 = 36_500;

fn check_retention(days: Option<u32>) -> Result<()> {
    match days {
        Some(days) if !(1..=RETENTION_DAYS_MAX).contains(&days) => {
            let message =
                format!("{days} is not 1 to {RETENTION_DAYS_MAX}; leave it empty to keep events for ever");
            Err(CatalogError::invalid("retention_days", message))
        }
        _ => Ok(()),
    }
}

/// The largest quota that can be meant: databases' integers have 63 bits.
const QUOTA_MAX: u64 = i64::MAX as u64;

/// A limit of no events at all would be a closed app: revoke its keys instead.
pub(crate) fn check_rate(field: &'static str, events: Option<u64>) -> Result<()> {
    match events {
        Some(0) => Err(CatalogError::invalid(
            field,
            "a limit is 1 or more; leave it empty for none, revoke keys to stop",
        )),
        Some(events) if events > QUOTA_MAX => {
            Err(CatalogError::invalid(field, format!("{events} is more than {QUOTA_MAX}")))
        }
        _ => Ok(()),
    }
}

fn storable(events: u64) -> i64 {
    i64::try_from(events).expect("checked against QUOTA_MAX")
}
