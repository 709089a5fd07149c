use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use reqwest::{StatusCode, header};
use serde::Deserialize;
use serde_json::Value;

use super::Target;
use super::batch::Batch;
use super::progress::Progress;
use crate::client::http_client;

/// How long a server that is away or busy is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For one request in all, from its first failure on.
    pub total: Duration,
    /// Before the second attempt; doubled before each further one.
    pub first_pause: Duration,
    /// Before any attempt, unless the server asks for a later one.
    pub longest_pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            total: Duration::from_secs(600),
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(30),
        }
    }
}

/// Longest wait for a connection, and for a whole answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Reports batches to a gateway.
pub struct Sender<'a> {
    http: reqwest::Client,
    target: &'a Target,
    endpoint: String,
    patience: Patience,
    progress: &'a Progress,
}

/// What became of one event, as the gateway says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct EventResult {
    /// Accepted or not.
    pub status: Status,
    /// Why it was refused.
    #[serde(default)]
    pub code: String,
    /// The field the refusal is about.
    #[serde(default)]
    pub field: String,
    /// The refusal in a sentence.
    #[serde(default)]
    pub message: String,
    /// What was odd about it.
    #[serde(default)]
    pub notes: Vec<Note>,
}

/// Accepted or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// On disk.
    Ok,
    /// On disk, with notes.
    Warning,
    /// Its id came before in the request.
    Duplicate,
    /// Refused.
    Rejected,
}

/// Something odd about an accepted event.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Note {
    /// What.
    pub code: String,
    /// Where.
    #[serde(default)]
    pub field: String,
    /// What was found and what was done.
    #[serde(default)]
    pub message: String,
}

#[derive(Deserialize)]
struct Report {
    results: Vec<EventResult>,
}

enum Answer {
    Results(Vec<EventResult>),
    TooLarge(Problem),
    /// Worth another attempt, after the pause the server asked for.
    Later(String, Option<Duration>),
}

struct Problem {
    code: String,
    detail: String,
}

impl<'a> Sender<'a> {
    /// Will report to this gateway.
    ///
    /// # Errors
    /// The HTTP client can't be made.
    pub fn new(target: &'a Target, patience: Patience, progress: &'a Progress) -> Result<Self> {
        let http = http_client(&target.url)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .user_agent(concat!("suanpan-import/", env!("CARGO_PKG_VERSION")))
            .build()
            .context("can't make an HTTP client")?;
        let endpoint = format!("{}/v1/events", target.url.trim_end_matches('/'));
        Ok(Self { http, target, endpoint, patience, progress })
    }

    /// Reports a batch's events and returns one result for each. A request that is too large for
    /// the server is cut in halves.
    ///
    /// # Errors
    /// The server refuses the request as a whole, or was away for longer than the patience.
    pub async fn report(&self, batch: &mut Batch) -> Result<Vec<EventResult>> {
        let all = 0..batch.events.len();
        let mut results = Vec::with_capacity(all.len());
        // Halves, the first on top: as deep as the count of events can be halved.
        let mut parts = vec![(all, std::mem::take(&mut batch.body))];
        while let Some((part, body)) = parts.pop() {
            match self.post(body).await? {
                Answer::Results(part_results) => {
                    ensure!(
                        part_results.len() == part.len(),
                        "{} answered {} results for {} events; is it a Suanpan gateway?",
                        self.endpoint,
                        part_results.len(),
                        part.len()
                    );
                    results.extend(part_results);
                }
                Answer::TooLarge(problem) if part.len() == 1 => results.push(EventResult {
                    status: Status::Rejected,
                    code: problem.code,
                    field: String::new(),
                    message: problem.detail,
                    notes: Vec::new(),
                }),
                Answer::TooLarge(_) => {
                    for half in halves(part) {
                        parts.push((half.clone(), batch.request(half)));
                    }
                }
                Answer::Later(..) => unreachable!("post repeats until there is an answer"),
            }
        }
        Ok(results)
    }

    async fn post(&self, body: Vec<u8>) -> Result<Answer> {
        let mut failing_since = None;
        let mut pause = self.patience.first_pause;
        loop {
            let (why, asked) = match self.attempt(body.clone()).await? {
                Answer::Later(why, asked) => (why, asked),
                answer => return Ok(answer),
            };
            let since = *failing_since.get_or_insert_with(|| {
                self.progress
                    .note(&format!("{why}; trying again for up to {} s", self.patience.total.as_secs()));
                Instant::now()
            });
            let wait = asked.map_or(pause, |asked| asked.max(self.patience.first_pause));
            if since.elapsed() + wait > self.patience.total {
                bail!("{why}; gave up after {} s", since.elapsed().as_secs());
            }
            tokio::time::sleep(wait).await;
            pause = (2 * pause).min(self.patience.longest_pause);
        }
    }

    async fn attempt(&self, body: Vec<u8>) -> Result<Answer> {
        let request = self
            .http
            .post(&self.endpoint)
            .bearer_auth(&self.target.key)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONTENT_ENCODING, "gzip")
            .body(body);
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) if error.is_builder() => {
                return Err(error).with_context(|| format!("can't send to {}", self.endpoint));
            }
            Err(error) if error.is_connect() => {
                return Ok(Answer::Later(format!("no server answers at {}", self.target.url), None));
            }
            Err(error) => {
                return Ok(Answer::Later(format!("no answer from {}: {error}", self.target.url), None));
            }
        };
        let status = response.status();
        let asked =
            response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let body = match response.bytes().await {
            Ok(body) => body,
            Err(error) => {
                return Ok(Answer::Later(
                    format!("the answer of {} broke off: {error}", self.target.url),
                    None,
                ));
            }
        };
        self.judge(status, asked.map(Duration::from_secs), &body)
    }

    fn judge(&self, status: StatusCode, asked: Option<Duration>, body: &[u8]) -> Result<Answer> {
        if status == StatusCode::OK {
            let report: Report = serde_json::from_slice(body)
                .with_context(|| format!("{} answers, but not as a Suanpan gateway", self.endpoint))?;
            return Ok(Answer::Results(report.results));
        }
        let problem = problem(status, body);
        let again = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status)
            || status.is_server_error();
        match status {
            StatusCode::PAYLOAD_TOO_LARGE => Ok(Answer::TooLarge(problem)),
            _ if again => Ok(Answer::Later(problem.detail, asked)),
            _ => Err(anyhow!("{} ({} {})", problem.detail, status.as_u16(), problem.code)),
        }
    }
}

fn halves(part: Range<usize>) -> [Range<usize>; 2] {
    let middle = part.start + part.len() / 2;
    [middle..part.end, part.start..middle]
}

fn problem(status: StatusCode, body: &[u8]) -> Problem {
    let document: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| document[name].as_str().map(str::to_owned);
    Problem {
        code: text("code").unwrap_or_else(|| "http_error".to_owned()),
        detail: text("detail").unwrap_or_else(|| format!("the server answered {status} without saying why")),
    }
}
