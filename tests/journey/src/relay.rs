use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::runtime;

const CHUNK_BYTES: usize = 64 << 10;
/// A request's head is shorter, else it is passed on unread.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Stands between an HTTP/1 client and a server, at one address of its own however often the server
/// moves, and fails on purpose.
pub struct Relay {
    address: String,
    way: Arc<Way>,
    accepting: JoinHandle<()>,
}

/// Where a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutAt {
    /// The request reaches nobody.
    Request,
    /// Half of the body reaches the server.
    Body,
    /// The server has done as it was asked and answered, and the answer reaches nobody.
    Answer,
    /// Nowhere: half of the body reaches the server, the rest when [`Relay::let_late_ones_arrive`] says so,
    /// also when the client is gone by then.
    LateBody,
    /// As before, but nothing at all reaches the server until then.
    LateRequest,
}

/// One request to come that is cut.
#[derive(Debug, Clone)]
struct Cut {
    at: CutAt,
    /// What stands in the request's head: else it is another request.
    named: String,
}

/// What becomes of a connection's next answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AnswersGo {
    /// To the client.
    On,
    /// Nowhere, and the connection is cut.
    Nowhere,
    /// Nowhere, being the answer to a late request.
    Late,
}

impl AnswersGo {
    fn of(shared: &AtomicU8) -> Self {
        let value = shared.load(Ordering::Acquire);
        [Self::Nowhere, Self::Late].into_iter().find(|go| *go as u8 == value).unwrap_or(Self::On)
    }
}

struct Way {
    targets: Mutex<VecDeque<String>>,
    open: watch::Sender<bool>,
    cuts: Mutex<VecDeque<Cut>>,
    made: AtomicU64,
    /// Grows when late requests may arrive.
    arrival: watch::Sender<u64>,
    /// How many of them the server has answered or given up.
    arrived: AtomicU64,
}

impl Relay {
    /// Passes on connections to `target`, `host:port`.
    ///
    /// # Panics
    /// No port is free.
    pub async fn to(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it listens").to_string();
        let way = Arc::new(Way {
            targets: Mutex::new(VecDeque::from([target])),
            open: watch::Sender::new(true),
            cuts: Mutex::default(),
            made: AtomicU64::new(0),
            arrival: watch::Sender::new(0),
            arrived: AtomicU64::new(0),
        });
        let state = Arc::clone(&way);
        let accepting = runtime().spawn(async move {
            while let Ok((inner, _)) = listener.accept().await {
                if *state.open.borrow() {
                    tokio::spawn(Arc::clone(&state).pass_on(inner));
                }
            }
        });
        Self { address, way, accepting }
    }

    /// Its own address, `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// New connections go to these in turn, each `host:port`; those under way stay.
    pub fn move_to<T: AsRef<str>>(&self, targets: &[T]) {
        *lock(&self.way.targets) = targets.iter().map(|target| target.as_ref().to_owned()).collect();
    }

    /// Opens the way, or closes it and breaks what is under way.
    pub fn set_open(&self, open: bool) {
        self.way.open.send_replace(open);
    }

    /// Cuts the next request whose head holds `named`, besides those that are still to be cut.
    pub fn cut(&self, at: CutAt, named: &str) {
        lock(&self.way.cuts).push_back(Cut { at, named: named.to_owned() });
    }

    /// Forgets the cuts that have not come to pass.
    pub fn cut_no_more(&self) {
        lock(&self.way.cuts).clear();
    }

    /// How many requests were cut, or held back, so far.
    pub fn cuts_made(&self) -> u64 {
        self.way.made.load(Ordering::Acquire)
    }

    /// Lets all requests that are held back arrive.
    pub fn let_late_ones_arrive(&self) {
        self.way.arrival.send_modify(|times| *times += 1);
    }

    /// How many requests that were held back the server has answered or given up so far.
    pub fn late_arrived(&self) -> u64 {
        self.way.arrived.load(Ordering::Acquire)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
        self.set_open(false);
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Way {
    async fn pass_on(self: Arc<Self>, inner: TcpStream) {
        let mut open = self.open.subscribe();
        let target = {
            let mut targets = lock(&self.targets);
            targets.rotate_left(1);
            targets.back().cloned().unwrap_or_default()
        };
        let Ok(outer) = TcpStream::connect(target).await else { return };
        let ((from_client, to_client), (from_server, to_server)) = (inner.into_split(), outer.into_split());
        let (answers_go, answered) = (AtomicU8::new(AnswersGo::On as u8), AtomicBool::new(true));
        // Whatever ends first ends both directions.
        tokio::select! {
            _ended = self.requests(from_client, to_server, (&answers_go, &answered)) => {}
            _ended = self.answers(from_server, to_client, (&answers_go, &answered)) => {}
            _closed = open.wait_for(|open| !open) => {}
        }
    }

    /// Passes requests on. A client sends the next one only after the answer to the one before.
    async fn requests(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        (answers_go, answered): (&AtomicU8, &AtomicBool),
    ) -> std::io::Result<()> {
        let mut head = Vec::new();
        let mut body_left = u64::MAX;
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let read = from.read(&mut chunk).await?;
            if read == 0 {
                return Ok(());
            }
            let mut bytes = &chunk[..read];
            if answered.load(Ordering::Acquire) {
                head.extend_from_slice(bytes);
                let end = head.windows(4).position(|four| four == b"\r\n\r\n");
                if end.is_none() && head.len() < HEAD_BYTES_MAX {
                    continue;
                }
                answered.store(false, Ordering::Release);
                let head_bytes = end.map_or(head.len(), |end| end + 4);
                let body_bytes = content_length(&head[..head_bytes]);
                body_left = match self.next_cut(&head[..head_bytes]) {
                    Some(CutAt::Request) => return self.cut_now(),
                    Some(CutAt::Body) => head_bytes as u64 + body_bytes / 2,
                    Some(late @ (CutAt::LateBody | CutAt::LateRequest)) => {
                        let mut request = std::mem::take(&mut head);
                        let missing = (head_bytes as u64 + body_bytes).saturating_sub(request.len() as u64);
                        (&mut from).take(missing).read_to_end(&mut request).await?;
                        let early =
                            if late == CutAt::LateBody { head_bytes + (body_bytes / 2) as usize } else { 0 };
                        return self.late((request, early), to, answers_go).await;
                    }
                    Some(CutAt::Answer) => {
                        answers_go.store(AnswersGo::Nowhere as u8, Ordering::Release);
                        u64::MAX
                    }
                    None => u64::MAX,
                };
                bytes = &head;
            }
            let passed = bytes.len().min(usize::try_from(body_left).unwrap_or(usize::MAX));
            to.write_all(&bytes[..passed]).await?;
            head.clear();
            if body_left != u64::MAX {
                body_left -= passed as u64;
                if body_left == 0 {
                    return self.cut_now();
                }
            }
        }
    }

    /// Lets the early bytes pass, and the rest of the request when it is time; nobody hears the answer.
    async fn late(
        &self,
        (request, early): (Vec<u8>, usize),
        mut to: OwnedWriteHalf,
        answers_go: &AtomicU8,
    ) -> std::io::Result<()> {
        let mut arrival = self.arrival.subscribe();
        answers_go.store(AnswersGo::Late as u8, Ordering::Release);
        to.write_all(&request[..early]).await?;
        self.made.fetch_add(1, Ordering::AcqRel);
        let _sender_is_ours = arrival.changed().await;
        // The server may have given it up; the other direction ends this, with the answer or without.
        let _given_up = to.write_all(&request[early..]).await;
        std::future::pending().await
    }

    async fn answers(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        (answers_go, answered): (&AtomicU8, &AtomicBool),
    ) -> std::io::Result<()> {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let read = from.read(&mut chunk).await;
            match AnswersGo::of(answers_go) {
                AnswersGo::Nowhere => return self.cut_now(),
                AnswersGo::Late => {
                    self.arrived.fetch_add(1, Ordering::AcqRel);
                    return Ok(());
                }
                AnswersGo::On => {}
            }
            let read = read?;
            if read == 0 {
                return Ok(());
            }
            answered.store(true, Ordering::Release);
            to.write_all(&chunk[..read]).await?;
        }
    }

    fn cut_now(&self) -> std::io::Result<()> {
        self.made.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    fn next_cut(&self, head: &[u8]) -> Option<CutAt> {
        let mut cuts = lock(&self.cuts);
        if cuts.is_empty() {
            return None;
        }
        let head = String::from_utf8_lossy(head);
        let at = cuts.iter().position(|cut| head.contains(&cut.named))?;
        cuts.remove(at).map(|cut| cut.at)
    }
}

fn content_length(head: &[u8]) -> u64 {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let value = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    value.unwrap_or_default()
}
