use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use suanpan_event::AppId;
use suanpan_wire::Status;
use tokio::sync::mpsc;

use crate::live_event::LiveEvent;
use crate::{Problem, metrics};

/// How many may watch, and how far one may be behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LiveLimits {
    /// Who watches one app at once.
    pub listeners_per_app_max: usize,
    /// Who watches any app at once.
    pub listeners_max: usize,
    /// Events kept for one who reads slower than they come; what comes then is missed and counted.
    pub events_waiting_max: usize,
}

impl Default for LiveLimits {
    fn default() -> Self {
        Self { listeners_per_app_max: 16, listeners_max: 64, events_waiting_max: 256 }
    }
}

/// Tells arriving events to those who watch. Publishing never waits; without a listener it is one
/// look at a number. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LiveHub(Arc<Hub>);

#[derive(Debug)]
struct Hub {
    limits: LiveLimits,
    /// All listeners, so that nobody takes the lock where there are none.
    count: AtomicUsize,
    apps: RwLock<HashMap<AppId, Vec<Listener>>>,
    next_id: AtomicU64,
    is_closed: AtomicBool,
}

#[derive(Debug)]
struct Listener {
    id: u64,
    filter: LiveFilter,
    sender: mpsc::Sender<Arc<LiveEvent>>,
    missed: Arc<AtomicU64>,
}

/// Which events one wants to see; what is not set does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiveFilter {
    /// Of this user or device.
    pub person: Option<String>,
    /// Of this device.
    pub device: Option<String>,
    /// Of this name.
    pub event: Option<String>,
    /// With one of these outcomes.
    pub statuses: Vec<Status>,
    /// Whether the client says that it is being debugged.
    pub is_debug: Option<bool>,
}

/// What filters look at.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'e> {
    /// What became of the event.
    pub status: Status,
    /// Its name.
    pub event: &'e str,
    /// Its user.
    pub user_id: &'e str,
    /// Its device.
    pub device_id: &'e str,
    /// Whether the client says that it is being debugged.
    pub is_debug: bool,
}

impl LiveFilter {
    fn lets_pass(&self, seen: &Seen<'_>) -> bool {
        let is = |wanted: &Option<String>, found: &[&str]| {
            wanted.as_deref().is_none_or(|wanted| found.contains(&wanted))
        };
        is(&self.event, &[seen.event])
            && is(&self.person, &[seen.user_id, seen.device_id])
            && is(&self.device, &[seen.device_id])
            && (self.statuses.is_empty() || self.statuses.contains(&seen.status))
            && self.is_debug.is_none_or(|wanted| wanted == seen.is_debug)
    }
}

/// What a listener hears.
#[derive(Debug, Clone)]
pub enum Heard {
    /// An event.
    Event(Arc<LiveEvent>),
    /// This many came too fast.
    Missed(u64),
}

/// One who watches an app. Dropped, it watches no more.
#[derive(Debug)]
pub struct LiveListener {
    hub: LiveHub,
    app: AppId,
    id: u64,
    events: mpsc::Receiver<Arc<LiveEvent>>,
    missed: Arc<AtomicU64>,
}

impl LiveHub {
    /// A hub without listeners.
    pub fn new(limits: LiveLimits) -> Self {
        Self(Arc::new(Hub {
            limits,
            count: AtomicUsize::new(0),
            apps: RwLock::default(),
            next_id: AtomicU64::new(0),
            is_closed: AtomicBool::new(false),
        }))
    }

    /// Whether anybody watches any app: without, nothing need be made ready for [`Self::publish`].
    pub fn is_watched(&self) -> bool {
        self.0.count.load(Ordering::Relaxed) > 0
    }

    /// Tells an event to those who watch its app and want to see it. It is put into words only if
    /// there is one who has room for it.
    pub fn publish(&self, app: &AppId, seen: &Seen<'_>, tell: impl FnOnce() -> LiveEvent) {
        if !self.is_watched() {
            return;
        }
        let apps = self.0.apps.read().unwrap_or_else(PoisonError::into_inner);
        let Some(listeners) = apps.get(app) else { return };
        let mut rooms = Vec::new();
        for listener in listeners.iter().filter(|listener| listener.filter.lets_pass(seen)) {
            match listener.sender.try_reserve() {
                Ok(room) => rooms.push(room),
                // Full; or closed, by a listener that is about to be gone.
                Err(_) => {
                    listener.missed.fetch_add(1, Ordering::Relaxed);
                    metrics::live_missed();
                }
            }
        }
        if !rooms.is_empty() {
            let event = Arc::new(tell());
            rooms.into_iter().for_each(|room| room.send(Arc::clone(&event)));
        }
    }

    /// Begins to watch an app.
    ///
    /// # Errors
    /// 429 `too_many_listeners` over one of the limits; 503 `stopping` after [`Self::close`].
    pub fn listen(&self, app: &AppId, filter: LiveFilter) -> Result<LiveListener, Problem> {
        let hub = &self.0;
        let mut apps = hub.apps.write().unwrap_or_else(PoisonError::into_inner);
        if hub.is_closed.load(Ordering::Acquire) {
            let detail = "the server is stopping; connect again in a few seconds";
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", detail).retry_after_s(5));
        }
        let of_app = apps.get(app).map_or(0, Vec::len);
        check_room(of_app, hub.limits.listeners_per_app_max, "live.listeners_per_app_max")?;
        check_room(hub.count.load(Ordering::Relaxed), hub.limits.listeners_max, "live.listeners_max")?;
        let (sender, events) = mpsc::channel(hub.limits.events_waiting_max.max(1));
        let id = hub.next_id.fetch_add(1, Ordering::Relaxed);
        let missed = Arc::new(AtomicU64::new(0));
        let listener = Listener { id, filter, sender, missed: Arc::clone(&missed) };
        apps.entry(app.clone()).or_default().push(listener);
        self.count_changed(&apps);
        Ok(LiveListener { hub: self.clone(), app: app.clone(), id, events, missed })
    }

    /// Ends all listening, for good: who listens hears what is waiting, then the end.
    pub fn close(&self) {
        let mut apps = self.0.apps.write().unwrap_or_else(PoisonError::into_inner);
        self.0.is_closed.store(true, Ordering::Release);
        apps.clear();
        self.count_changed(&apps);
    }

    fn forget(&self, app: &AppId, id: u64) {
        let mut apps = self.0.apps.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(listeners) = apps.get_mut(app) {
            listeners.retain(|listener| listener.id != id);
            if listeners.is_empty() {
                apps.remove(app);
            }
        }
        self.count_changed(&apps);
    }

    /// Called with the lock held, so that the number is never behind the list.
    fn count_changed(&self, apps: &HashMap<AppId, Vec<Listener>>) {
        let count = apps.values().map(Vec::len).sum();
        self.0.count.store(count, Ordering::Relaxed);
        metrics::live_listeners(count);
    }
}

fn check_room(present: usize, max: usize, limit: &'static str) -> Result<(), Problem> {
    if present < max {
        return Ok(());
    }
    let detail = format!("{present} are watching already; the limit {limit} is {max}");
    Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_listeners", detail)
        .limit(limit)
        .retry_after_s(10))
}

impl LiveListener {
    /// The next event, or how many were missed before it; none when the hub was closed.
    pub async fn next(&mut self) -> Option<Heard> {
        let missed = self.missed.swap(0, Ordering::Relaxed);
        if missed > 0 {
            return Some(Heard::Missed(missed));
        }
        self.events.recv().await.map(Heard::Event)
    }
}

impl Drop for LiveListener {
    fn drop(&mut self) {
        self.hub.forget(&self.app, self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEN: Seen<'_> =
        Seen { status: Status::Ok, event: "buy", user_id: "u1", device_id: "d1", is_debug: false };

    fn hub() -> LiveHub {
        LiveHub::new(LiveLimits { listeners_per_app_max: 2, listeners_max: 3, events_waiting_max: 2 })
    }

    fn app(id: &str) -> AppId {
        id.parse().unwrap()
    }

    fn told(name: &str) -> LiveEvent {
        LiveEvent { event: name.to_owned(), ..LiveEvent::default() }
    }

    async fn name(listener: &mut LiveListener) -> String {
        match listener.next().await.unwrap() {
            Heard::Event(event) => event.event.clone(),
            Heard::Missed(count) => format!("missed {count}"),
        }
    }

    #[tokio::test]
    async fn listeners_hear_the_events_of_their_app() {
        let hub = hub();
        hub.publish(&app("shop"), &SEEN, || panic!("nobody watches"));
        let mut shop = hub.listen(&app("shop"), LiveFilter::default()).unwrap();
        let mut blog = hub.listen(&app("blog"), LiveFilter::default()).unwrap();
        hub.publish(&app("shop"), &SEEN, || told("first"));
        hub.publish(&app("news"), &SEEN, || panic!("nobody watches this one"));
        hub.publish(&app("blog"), &SEEN, || told("other"));
        assert_eq!((name(&mut shop).await.as_str(), name(&mut blog).await.as_str()), ("first", "other"));
    }

    #[tokio::test]
    async fn a_slow_listener_misses_events_and_is_told() {
        let hub = hub();
        let mut slow = hub.listen(&app("shop"), LiveFilter::default()).unwrap();
        for number in 0..5 {
            hub.publish(&app("shop"), &SEEN, || told(&number.to_string()));
        }
        let mut heard = Vec::new();
        for _ in 0..3 {
            heard.push(name(&mut slow).await);
        }
        assert_eq!(heard, ["missed 3", "0", "1"]);
        hub.publish(&app("shop"), &SEEN, || told("again"));
        assert_eq!(name(&mut slow).await, "again");
    }

    #[test]
    fn filters() {
        let check = |filter: LiveFilter, passes| assert_eq!(filter.lets_pass(&SEEN), passes, "{filter:?}");
        let none = LiveFilter::default;
        let some = |text: &str| Some(text.to_owned());
        check(none(), true);
        check(LiveFilter { person: some("u1"), ..none() }, true);
        check(LiveFilter { person: some("d1"), event: some("buy"), ..none() }, true);
        check(LiveFilter { person: some("u1"), event: some("sell"), ..none() }, false);
        check(LiveFilter { device: some("u1"), ..none() }, false);
        check(LiveFilter { statuses: vec![Status::Warning, Status::Ok], ..none() }, true);
        check(LiveFilter { statuses: vec![Status::Rejected], ..none() }, false);
        check(LiveFilter { is_debug: Some(true), ..none() }, false);
    }

    #[tokio::test]
    async fn more_listeners_than_allowed_are_refused_until_one_goes() {
        let hub = hub();
        let refused = |id| hub.listen(&app(id), LiveFilter::default()).map(drop).map_err(|p| p.code());
        let first = hub.listen(&app("shop"), LiveFilter::default()).unwrap();
        let _second = hub.listen(&app("shop"), LiveFilter::default()).unwrap();
        assert_eq!(refused("shop"), Err("too_many_listeners"));
        let _third = hub.listen(&app("blog"), LiveFilter::default()).unwrap();
        assert_eq!(refused("news"), Err("too_many_listeners"));
        drop(first);
        assert_eq!(refused("shop"), Ok(()));
    }

    #[tokio::test]
    async fn the_end_comes_after_what_is_waiting() {
        let hub = hub();
        let mut listener = hub.listen(&app("shop"), LiveFilter::default()).unwrap();
        hub.publish(&app("shop"), &SEEN, || told("last"));
        hub.close();
        assert!(!hub.is_watched());
        assert_eq!(name(&mut listener).await, "last");
        assert!(listener.next().await.is_none());
        assert_eq!(hub.listen(&app("shop"), LiveFilter::default()).unwrap_err().code(), "stopping");
    }
}
