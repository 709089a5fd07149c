//! The load generator: keep-alive connections written by hand, so that it takes as little as
//! possible from the cores that are measured. One request a connection is on its way at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::{Buf, Bytes};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::traffic::Traffic;

/// A connection that waited longer at the gate is made anew: servers end those that are idle.
const IDLE_MAX: Duration = Duration::from_secs(5);

/// Where requests go, and what stands before their bodies but for the length.
#[derive(Clone)]
pub struct Target {
    pub address: String,
    pub path: String,
    /// Further header lines, each with its line's end.
    pub headers: String,
}

impl Target {
    /// Suanpan's reporting endpoint, or the empty handler in its place.
    pub fn events(address: &str, key: &str) -> Self {
        let headers = format!("authorization: Bearer {key}\r\ncontent-type: application/json\r\n");
        Self { address: address.to_owned(), path: "/v1/events".to_owned(), headers }
    }

    fn head(&self, body_bytes: usize) -> String {
        let Self { address, path, headers } = self;
        format!("POST {path} HTTP/1.1\r\nhost: {address}\r\n{headers}content-length: {body_bytes}\r\n\r\n")
    }
}

/// Where a connection takes its next body from; `None` when there are no more.
pub trait Bodies: Clone + Send + 'static {
    fn next(&mut self) -> impl Future<Output = Option<Bytes>> + Send;
}

/// Bodies that were made before, so that making them costs nothing while it is measured.
#[derive(Clone)]
pub struct Prepared {
    bodies: Arc<Vec<Bytes>>,
    next: Arc<AtomicUsize>,
}

impl Prepared {
    pub fn new(seed: u64, events_per_request: usize, requests: usize) -> Self {
        let (mut traffic, now) = (Traffic::new(seed), now_ms());
        let bodies = (0..requests).map(|_| traffic.body(events_per_request, now)).collect();
        Self { bodies: Arc::new(bodies), next: Arc::default() }
    }

    /// The same bodies from the first one on.
    pub fn again(&self) -> Self {
        Self { bodies: Arc::clone(&self.bodies), next: Arc::default() }
    }

    /// The first of them.
    pub fn first(&self, requests: usize) -> Self {
        Self { bodies: Arc::new(self.bodies[..requests].to_vec()), next: Arc::default() }
    }
}

impl Bodies for Prepared {
    async fn next(&mut self) -> Option<Bytes> {
        self.bodies.get(self.next.fetch_add(1, Ordering::Relaxed)).cloned()
    }
}

/// Bodies made as they are sent, for more events than memory holds. They wait while the gate is
/// shut, and for their turn if there is a pace.
#[derive(Clone)]
pub struct Stream {
    seed: u64,
    events_per_request: usize,
    requests: u64,
    sent: Arc<AtomicU64>,
    gate: watch::Receiver<bool>,
    begun: Instant,
    pause: Duration,
}

impl Stream {
    /// As fast as the gate lets. Another seed gives other events.
    pub fn new(seed: u64, events: usize, events_per_request: usize, gate: watch::Receiver<bool>) -> Self {
        Self {
            seed,
            events_per_request,
            requests: (events / events_per_request) as u64,
            sent: Arc::default(),
            gate,
            begun: Instant::now(),
            pause: Duration::ZERO,
        }
    }

    /// At this pace, however long each request takes.
    pub fn paced(mut self, events_per_second: f64) -> Self {
        self.pause = Duration::from_secs_f64(self.events_per_request as f64 / events_per_second);
        self
    }
}

impl Bodies for Stream {
    async fn next(&mut self) -> Option<Bytes> {
        let turn = self.sent.fetch_add(1, Ordering::Relaxed);
        if turn >= self.requests {
            return None;
        }
        let due = self.pause.mul_f64(turn as f64);
        tokio::time::sleep_until((self.begun + due).into()).await;
        // The gate's owner is gone only when the measurement is over.
        self.gate.wait_for(|is_open| *is_open).await.ok()?;
        let mut traffic = Traffic::new(self.seed << 40 | turn);
        Some(traffic.body(self.events_per_request, now_ms()))
    }
}

/// Sends all bodies over this many connections, which are open before the clock starts.
pub async fn send(target: &Target, connections: usize, bodies: impl Bodies) -> Result<Duration> {
    send_to_all(std::slice::from_ref(target), connections, bodies).await
}

/// Likewise, to many targets at one address in turns.
pub async fn send_to_all(targets: &[Target], connections: usize, bodies: impl Bodies) -> Result<Duration> {
    let mut open = Vec::new();
    for number in 0..connections {
        let own: Vec<Target> =
            targets.iter().skip(number % targets.len()).step_by(connections).cloned().collect();
        open.push((Connection::open(&own[0]).await?, own));
    }
    let (started, mut senders) = (Instant::now(), JoinSet::new());
    for (mut connection, targets) in open {
        let mut bodies = bodies.clone();
        senders.spawn(async move {
            for target in targets.iter().cycle() {
                let Some(body) = bodies.next().await else { break };
                connection.post_to(target, &body).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = senders.join_next().await {
        ended??;
    }
    Ok(started.elapsed())
}

/// One keep-alive connection.
pub struct Connection {
    target: Target,
    stream: TcpStream,
    answer: Vec<u8>,
    used: Instant,
}

impl Connection {
    pub async fn open(target: &Target) -> Result<Self> {
        let stream = connect(target).await?;
        Ok(Self {
            target: target.clone(),
            stream,
            answer: Vec::with_capacity(64 << 10),
            used: Instant::now(),
        })
    }

    /// Posts a body and reads the whole answer, which must be 200.
    pub async fn post(&mut self, body: &[u8]) -> Result<()> {
        let target = self.target.clone();
        self.post_to(&target, body).await
    }

    /// Likewise, as another client at the same address.
    async fn post_to(&mut self, target: &Target, body: &[u8]) -> Result<()> {
        let head = target.head(body.len());
        if self.used.elapsed() > IDLE_MAX {
            self.stream = connect(target).await?;
        }
        self.stream.write_all_buf(&mut Buf::chain(head.as_bytes(), body)).await?;
        self.answer.clear();
        let (head_bytes, body_end) = loop {
            ensure!(
                self.stream.read_buf(&mut self.answer).await? > 0,
                "the connection ended before an answer"
            );
            if let Some(found) = find_body(&self.answer)? {
                break found;
            }
        };
        while !body_end.is_reached(&self.answer, head_bytes) {
            ensure!(
                self.stream.read_buf(&mut self.answer).await? > 0,
                "the connection ended within an answer"
            );
        }
        ensure!(
            self.answer.starts_with(b"HTTP/1.1 200"),
            "refused: {}",
            String::from_utf8_lossy(&self.answer).chars().take(600).collect::<String>()
        );
        if header(&self.answer[..head_bytes], "connection").is_some_and(|v| v.eq_ignore_ascii_case("close")) {
            // ClickHouse ends a connection after some thousand requests.
            self.stream = connect(target).await?;
        }
        self.used = Instant::now();
        Ok(())
    }
}

async fn connect(target: &Target) -> Result<TcpStream> {
    let stream = TcpStream::connect(&target.address).await.context("nobody listens")?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// How an answer's body ends.
enum BodyEnd {
    Length(usize),
    LastChunk,
}

impl BodyEnd {
    /// No two answers are on their way at once, so that an answer ends where the bytes do.
    fn is_reached(&self, answer: &[u8], head_bytes: usize) -> bool {
        match self {
            Self::Length(length) => answer.len() >= head_bytes + length,
            Self::LastChunk => answer.ends_with(b"0\r\n\r\n"),
        }
    }
}

fn find_body(answer: &[u8]) -> Result<Option<(usize, BodyEnd)>> {
    let Some(at) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let (head, head_bytes) = (&answer[..at + 2], at + 4);
    if let Some(length) = header(head, "content-length") {
        return Ok(Some((head_bytes, BodyEnd::Length(length.parse()?))));
    }
    match header(head, "transfer-encoding") {
        Some(encoding) if encoding.eq_ignore_ascii_case("chunked") => {
            Ok(Some((head_bytes, BodyEnd::LastChunk)))
        }
        _ => bail!("an answer without a length: {}", String::from_utf8_lossy(head)),
    }
}

fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    head.split(|byte| *byte == b'\n').find_map(|line| {
        let (found, value) = line.split_at_checked(name.len())?;
        let value = found.eq_ignore_ascii_case(name.as_bytes()).then_some(value)?.strip_prefix(b":")?;
        std::str::from_utf8(value).ok().map(str::trim)
    })
}

/// Now, in milliseconds since 1970.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("the clock is past 1970");
    u64::try_from(since.as_millis()).expect("this century's milliseconds are few")
}
