use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use reqwest::header::{self, HeaderValue};
use reqwest::{Response, Url};

use crate::answer::{Answer, judge, retry_after};
use crate::backoff::Backoff;
use crate::connection::{endpoint, posting_client};
use crate::request::RequestBody;
use crate::{Error, EventResult, Pauses, Status};

/// Bytes of an answer that are read at most: a thousand results with all their notes are less.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Where to send, and how patiently.
#[derive(Clone)]
pub struct SenderConfig {
    /// The server's URL, such as `https://analytics.example.org`.
    pub host: String,
    /// A write key.
    pub key: String,
    /// Says who sends, in the header `User-Agent`. Default `suanpan-rust/VERSION`.
    pub user_agent: String,
    /// Events of one request at most. The server's own limit, if it is lower, is found by its 413.
    /// Default 500.
    pub request_events_max: usize,
    /// Bytes of one request's events as JSON, unless a single one is larger. Default 900,000: well below
    /// the 6 MiB that a gateway takes, and little to send again.
    pub request_bytes_max: usize,
    /// Pack bodies of 1 KiB and more. Default true.
    pub gzip: bool,
    /// Say in each try what this machine's clock shows, so that the server corrects the times of events
    /// if the clock is clearly wrong. Default true; false where the times are another clock's.
    pub sent_at: bool,
    /// Longest wait for a connection. Default 10 s.
    pub connect_timeout: Duration,
    /// Longest time of one try in all. Default 60 s.
    pub answer_timeout: Duration,
    /// The pauses between tries.
    pub pauses: Pauses,
    /// How long [`Sender::send`] goes on without any progress; none is for ever. Default 10 minutes.
    /// A [`Client`](crate::Client) goes on for ever.
    pub patience: Option<Duration>,
    /// Told before each pause.
    pub on_wait: Option<OnWait>,
}

/// Told before each pause.
pub type OnWait = Arc<dyn Fn(&Wait<'_>) + Send + Sync>;

/// A pause that begins.
#[derive(Debug, Clone, Copy)]
pub struct Wait<'a> {
    /// What went wrong.
    pub why: &'a str,
    /// How long the pause is.
    pub pause: Duration,
    /// Since the first failure in a row; zero at the first.
    pub failing_for: Duration,
}

/// Sends events to a gateway over HTTP. Clones share connections and what was learnt of the server.
#[derive(Debug, Clone)]
pub struct Sender {
    http: reqwest::Client,
    endpoint: Url,
    key: HeaderValue,
    config: Arc<SenderConfig>,
    /// Events of a request that the server is thought to take; halved by a refusal, raised bit by bit.
    events_limit: Arc<AtomicUsize>,
}

/// What one try came to.
pub(crate) enum Step {
    /// Results of the first events, of as many as were sent. After a pause, if one is due.
    Settled { results: Vec<EventResult>, pause: Option<(Duration, String)> },
    /// Nothing was settled: try again after the pause.
    Wait { why: String, pause: Duration },
    /// Nothing was settled: try again at once, with fewer.
    Smaller,
    /// Nothing was settled, and another try is hardly better.
    Stopped(Error),
}

impl SenderConfig {
    /// The defaults, for this server and key.
    pub fn new(host: impl Into<String>, key: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            key: key.into(),
            user_agent: crate::event::LIBRARY.to_owned(),
            request_events_max: 500,
            request_bytes_max: 900_000,
            gzip: true,
            sent_at: true,
            connect_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(60),
            pauses: Pauses::default(),
            patience: Some(Duration::from_secs(600)),
            on_wait: None,
        }
    }
}

impl Sender {
    /// Will send as configured. Connects to nobody yet.
    ///
    /// # Errors
    /// [`Error::Config`]: the host is no URL, or the key can't be a header.
    pub fn new(config: SenderConfig) -> Result<Self, Error> {
        let endpoint = endpoint(&config.host)?;
        let mut key = HeaderValue::try_from(format!("Bearer {}", config.key)).map_err(|_not_a_header| {
            Error::Config { option: "key", rule: "must be visible ASCII".to_owned() }
        })?;
        key.set_sensitive(true);
        if config.request_events_max == 0 {
            let rule = "must be at least 1".to_owned();
            return Err(Error::Config { option: "request_events_max", rule });
        }
        let timeouts = (config.connect_timeout, config.answer_timeout);
        let http = posting_client(&config.host, &config.user_agent, timeouts)?;
        let events_limit = Arc::new(AtomicUsize::new(config.request_events_max));
        Ok(Self { http, endpoint, key, config: Arc::new(config), events_limit })
    }

    /// Sends events, each the bytes of one JSON object, and returns one result for each, in order.
    ///
    /// Makes as many requests as it takes. Waits and tries again while the server is away or busy or
    /// says `retry`; sends fewer at once after 413; finds the one event for which a request gets
    /// another 4xx, which then is [`Status::Refused`]. Results are never [`Status::Retry`].
    ///
    /// # Errors
    /// [`Error::KeyRefused`], [`Error::NotAGateway`] and [`Error::GaveUp`]. Some of the events may have
    /// been kept then: send them all again, which is safe if they have ids.
    pub async fn send<E: AsRef<[u8]> + Sync>(&self, events: &[E]) -> Result<Vec<EventResult>, Error> {
        let mut results: Vec<Option<EventResult>> = vec![None; events.len()];
        let mut pending: Vec<usize> = (0..events.len()).collect();
        let mut backoff = Backoff::new(self.config.pauses);
        let mut failing_since = None;
        while !pending.is_empty() {
            let part = pending.iter().take(self.config.request_events_max);
            let part: Vec<&[u8]> = part.map(|at| events[*at].as_ref()).collect();
            match self.step(&mut backoff, &part).await {
                Step::Settled { results: settled, pause } => {
                    pending = settle(pending, settled, &mut results);
                    match pause.filter(|_| !pending.is_empty()) {
                        Some((pause, why)) => self.wait(&mut failing_since, &why, pause).await?,
                        None => failing_since = None,
                    }
                }
                Step::Wait { why, pause } => self.wait(&mut failing_since, &why, pause).await?,
                Step::Smaller => {}
                Step::Stopped(error) => return Err(error),
            }
        }
        Ok(results.into_iter().map(|result| result.expect("nothing pends, so all have a result")).collect())
    }

    /// Makes one request of the first events, of as many as fit.
    pub(crate) async fn step<E: AsRef<[u8]>>(&self, backoff: &mut Backoff, events: &[E]) -> Step {
        let count = self.fitting(events);
        match self.post(&events[..count]).await {
            Answer::Results { results, asked } => {
                self.take_more(count);
                let kept_back = results.iter().filter(|result| result.status == Status::Retry).count();
                if kept_back == 0 {
                    backoff.reset();
                    return Step::Settled { results, pause: None };
                }
                let why = format!("the server wants {kept_back} of {count} events again, later");
                Step::Settled { results, pause: Some((backoff.next(asked), why)) }
            }
            Answer::TooLarge(_) | Answer::Refused(_) if count > 1 => {
                self.events_limit.store(count / 2, Ordering::Relaxed);
                Step::Smaller
            }
            Answer::TooLarge(problem) => {
                Step::Settled { results: vec![EventResult::refused(problem)], pause: None }
            }
            Answer::Refused(problem) => {
                // If all are refused one by one, it is not the events: that shall not go fast.
                let why = format!("{} ({} {})", problem.detail, problem.status, problem.code);
                let pause = Some((backoff.next(None), why));
                Step::Settled { results: vec![EventResult::refused(problem)], pause }
            }
            Answer::Later { why, asked } => Step::Wait { why, pause: backoff.next(asked) },
            Answer::KeyRefused(problem) => Step::Stopped(Error::KeyRefused {
                status: problem.status,
                code: problem.code,
                detail: problem.detail,
            }),
            Answer::NotAGateway(found) => {
                Step::Stopped(Error::NotAGateway { endpoint: self.endpoint.to_string(), found })
            }
        }
    }

    pub(crate) fn config(&self) -> &SenderConfig {
        &self.config
    }

    /// How many of the events go into one request: at least one.
    fn fitting<E: AsRef<[u8]>>(&self, events: &[E]) -> usize {
        let limit = self.events_limit.load(Ordering::Relaxed).min(self.config.request_events_max);
        let mut bytes = 0;
        let fit = events.iter().take(limit).take_while(|event| {
            bytes += event.as_ref().len() + 1;
            bytes <= self.config.request_bytes_max
        });
        fit.count().max(1).min(events.len())
    }

    /// A request of so many events went through. The limit grows slowly, so that a server whose own
    /// is lower refuses few requests.
    fn take_more(&self, count: usize) {
        let limit = self.events_limit.load(Ordering::Relaxed);
        if count >= limit && limit < self.config.request_events_max {
            let more = (self.config.request_events_max / 16).max(1);
            self.events_limit.store(limit + more, Ordering::Relaxed);
        }
    }

    async fn wait(
        &self,
        failing_since: &mut Option<Instant>,
        why: &str,
        pause: Duration,
    ) -> Result<(), Error> {
        let failing_for = failing_since.map(|since| since.elapsed()).unwrap_or_default();
        failing_since.get_or_insert_with(Instant::now);
        if self.config.patience.is_some_and(|patience| failing_for + pause > patience) {
            return Err(Error::GaveUp { why: why.to_owned(), waited: failing_for });
        }
        if let Some(on_wait) = &self.config.on_wait {
            on_wait(&Wait { why, pause, failing_for });
        }
        tracing::debug!(why, ?pause, "events are sent again after a pause");
        tokio::time::sleep(pause).await;
        Ok(())
    }

    async fn post<E: AsRef<[u8]>>(&self, events: &[E]) -> Answer {
        let sent_at = self.config.sent_at.then(SystemTime::now);
        let body = RequestBody::of(events, sent_at, self.config.gzip);
        let mut request = self
            .http
            .post(self.endpoint.clone())
            .header(header::AUTHORIZATION, self.key.clone())
            .header(header::CONTENT_TYPE, "application/json");
        if body.gzipped {
            request = request.header(header::CONTENT_ENCODING, "gzip");
        }
        let later = |why: String| Answer::Later { why, asked: None };
        let response = match request.body(body.bytes).send().await {
            Ok(response) => response,
            Err(error) if error.is_connect() => {
                return later(format!("no server answers at {}", self.config.host));
            }
            Err(error) => return later(format!("no answer from {}: {error}", self.config.host)),
        };
        let status = response.status();
        let asked = response.headers().get(header::RETRY_AFTER);
        let asked = asked.and_then(|value| retry_after(value.to_str().ok()?));
        match read(response).await {
            Ok(Some(body)) => judge(status, asked, &body, events.len()),
            Ok(None) => Answer::NotAGateway(format!("an answer over {ANSWER_BYTES_MAX} bytes")),
            Err(error) => later(format!("the answer of {} broke off: {error}", self.config.host)),
        }
    }
}

/// Puts results in their places, and returns what still pends: first what was not sent, then what the
/// server wants again.
fn settle(pending: Vec<usize>, settled: Vec<EventResult>, results: &mut [Option<EventResult>]) -> Vec<usize> {
    let mut rest = pending[settled.len()..].to_vec();
    for (at, result) in pending.into_iter().zip(settled) {
        match result.status {
            Status::Retry => rest.push(at),
            _ => results[at] = Some(result),
        }
    }
    rest
}

/// Reads an answer; none if it is over the bound.
async fn read(mut response: Response) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

impl fmt::Debug for SenderConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SenderConfig")
            .field("host", &self.host)
            .field("key", &"[redacted]")
            .field("request_events_max", &self.request_events_max)
            .field("request_bytes_max", &self.request_bytes_max)
            .field("gzip", &self.gzip)
            .field("sent_at", &self.sent_at)
            .field("pauses", &self.pauses)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}
