use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// A connection that waits for its client may be closed for another one after this time, which is
/// enough for a request's head that is on its way.
const HEAD_GRACE: Duration = Duration::from_secs(1);

/// How often a look is taken for connections that may be closed, while all places are taken.
const LOOK_PERIOD: Duration = Duration::from_millis(50);

/// The share of connections closed at one look: looking at thousands for each would cost more.
const CLOSED_AT_ONCE_PART: usize = 100;

/// All open connections. When there are as many as there may be, those that wait for their client
/// longest make room: a crowd of silent connections shuts nobody out.
#[derive(Clone)]
pub(crate) struct Connections(Arc<Inner>);

struct Inner {
    places: Arc<Semaphore>,
    body_grace: Duration,
    open: Mutex<Open>,
    started: Instant,
}

#[derive(Default)]
struct Open {
    by_id: HashMap<u64, Arc<Connection>>,
    next_id: u64,
}

/// A place for one connection; free again when dropped.
pub(crate) struct Place {
    connections: Connections,
    id: u64,
    pub connection: Arc<Connection>,
    _permit: OwnedSemaphorePermit,
}

/// What a connection does, and since when.
pub(crate) struct Connection {
    /// A [`Phase`] in the two lowest bits, and above them when it began, in milliseconds since the
    /// server started.
    state: AtomicU64,
    started: Instant,
    /// Told when the connection is to be closed.
    pub closed: Notify,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Waits for a request's head, or for the next one.
    Head = 0,
    /// Reads a request's body.
    Body = 1,
    /// Answers: it is not closed to make room.
    Work = 2,
    /// Is being closed.
    Closed = 3,
}

const PHASE_BITS: u32 = 2;

impl Connections {
    /// Room for this many. A body may be waited for as long as `body_grace` before its connection
    /// makes room for others.
    pub fn new(connections_max: usize, body_grace: Duration) -> Self {
        let places = Arc::new(Semaphore::new(connections_max.clamp(1, Semaphore::MAX_PERMITS)));
        Self(Arc::new(Inner { places, body_grace, open: Mutex::default(), started: Instant::now() }))
    }

    /// A place, for which others are closed if need be.
    pub async fn place(&self) -> Place {
        let permit = loop {
            if let Ok(permit) = Arc::clone(&self.0.places).try_acquire_owned() {
                break permit;
            }
            self.make_room();
            let acquired = Arc::clone(&self.0.places).acquire_owned();
            if let Ok(acquired) = tokio::time::timeout(LOOK_PERIOD, acquired).await {
                break acquired.expect("the semaphore is never closed");
            }
        };
        let connection = Arc::new(Connection {
            state: AtomicU64::new(state(Phase::Head, self.0.started.elapsed())),
            started: self.0.started,
            closed: Notify::new(),
        });
        let mut open = self.open();
        let id = open.next_id;
        open.next_id += 1;
        open.by_id.insert(id, Arc::clone(&connection));
        drop(open);
        Place { connections: self.clone(), id, connection, _permit: permit }
    }

    /// Closes some of the connections that wait for their clients longest, if any wait too long.
    pub fn make_room(&self) {
        let now = self.0.started.elapsed();
        let open = self.open();
        let mut waiting: Vec<(u64, &Arc<Connection>)> = open
            .by_id
            .values()
            .filter_map(|connection| {
                let state = connection.state.load(Ordering::Acquire);
                let grace = match phase_of(state) {
                    Phase::Head => HEAD_GRACE,
                    Phase::Body => self.0.body_grace,
                    Phase::Work | Phase::Closed => return None,
                };
                (now.saturating_sub(since(state)) >= grace).then_some((state, connection))
            })
            .collect();
        let most = open.by_id.len() / CLOSED_AT_ONCE_PART + 1;
        if waiting.len() > most {
            waiting.select_nth_unstable_by_key(most, |(state, _)| since(*state));
            waiting.truncate(most);
        }
        for (seen, connection) in waiting {
            connection.close_if_still(seen, now);
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.open().by_id.remove(&self.id);
    }
}

impl Connection {
    /// A request's head is there. False if the connection is being closed: then nothing of the
    /// request may be done.
    pub fn begin(&self, has_body: bool) -> bool {
        self.enter(if has_body { Phase::Body } else { Phase::Work })
    }

    /// The request's body is there, or nobody wants more of it.
    pub fn has_body(&self) {
        if phase_of(self.state.load(Ordering::Acquire)) == Phase::Body {
            self.enter(Phase::Work);
        }
    }

    /// The request is answered.
    pub fn end(&self) {
        self.enter(Phase::Head);
    }

    /// Goes into a phase, unless the connection is being closed.
    fn enter(&self, phase: Phase) -> bool {
        let next = state(phase, self.started.elapsed());
        let unless_closed = |now| (phase_of(now) != Phase::Closed).then_some(next);
        self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, unless_closed).is_ok()
    }

    fn close_if_still(&self, seen: u64, now: Duration) {
        let closed = state(Phase::Closed, now);
        if self.state.compare_exchange(seen, closed, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            metrics::counter!("suanpan_server_connections_closed_for_others_total").increment(1);
            self.closed.notify_one();
        }
    }
}

fn state(phase: Phase, since: Duration) -> u64 {
    let since_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    since_ms << PHASE_BITS | phase as u64
}

fn phase_of(state: u64) -> Phase {
    match state & 3 {
        0 => Phase::Head,
        1 => Phase::Body,
        2 => Phase::Work,
        _ => Phase::Closed,
    }
}

fn since(state: u64) -> Duration {
    Duration::from_millis(state >> PHASE_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_a_phase_and_a_time() {
        for phase in [Phase::Head, Phase::Body, Phase::Work, Phase::Closed] {
            let state = state(phase, Duration::from_millis(123_456));
            assert_eq!((phase_of(state), since(state)), (phase, Duration::from_millis(123_456)));
        }
    }

    #[tokio::test]
    async fn a_request_and_the_end_of_its_connection_exclude_each_other() {
        let connections = Connections::new(1, Duration::ZERO);
        let place = connections.place().await;
        let connection = &place.connection;
        let seen = connection.state.load(Ordering::Acquire);
        assert!(connection.begin(true));
        connection.close_if_still(seen, Duration::ZERO);
        connection.has_body();
        assert_eq!(phase_of(connection.state.load(Ordering::Acquire)), Phase::Work);
        connection.end();
        connection.close_if_still(connection.state.load(Ordering::Acquire), Duration::ZERO);
        connection.closed.notified().await;
        assert!(!connection.begin(false));
    }
}
