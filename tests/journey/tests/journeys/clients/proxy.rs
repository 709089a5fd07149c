use std::collections::HashMap;
use std::io::Read as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use suanpan_journey::runtime;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What can go wrong between a client and the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The answer is 503, and the request is not passed on.
    Overloaded,
    /// The connection ends before the request is passed on.
    CutBefore,
    /// The request is passed on, but the connection ends without its answer.
    CutAfter,
    /// The answer comes late.
    Delay,
}

/// Faults that one batch meets at most, so that clients which try three times get through.
const FAULTS_PER_BATCH_MAX: u32 = 2;
/// Of so many requests one goes undisturbed at least, for batches that are not recognized.
const UNDISTURBED_EVERY: u64 = 3;
const DELAY: Duration = Duration::from_millis(600);
/// What tells a batch from others: the first id in it, which its client keeps at each try.
const IDS: [&str; 5] = ["\"messageId\"", "\"uuid\"", "\"insert_id\"", "\"$insert_id\"", "\"eid\""];
const UNPACKED_BYTES_MAX: u64 = 16 << 20;

/// Stands between one client and the server, and does what networks and servers do.
pub struct Proxy {
    url: String,
    seen: Arc<Mutex<Seen>>,
    accepting: JoinHandle<()>,
}

/// What passed.
#[derive(Debug, Default, Clone)]
pub struct Seen {
    /// Requests with events that came.
    pub requests: u64,
    /// Those that were passed on.
    pub passed_on: u64,
    /// Faults that were made.
    pub faults: u64,
    of_batch: HashMap<String, u32>,
}

struct Route {
    target: String,
    faults: &'static [Fault],
    keep_alive: bool,
    http: reqwest::Client,
    seen: Arc<Mutex<Seen>>,
}

impl Proxy {
    /// Passes requests on to `target`, with these faults in turn; they are not empty. Browsers send a
    /// request again by themselves, a POST too, if its connection had served another before it
    /// ended; `keep_alive` says whether connections do.
    pub async fn before(target: &str, faults: &'static [Fault], keep_alive: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("it listens"));
        let seen = Arc::<Mutex<Seen>>::default();
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build();
        let route = Arc::new(Route {
            target: target.to_owned(),
            faults,
            keep_alive,
            http: http.expect("a client can be made"),
            seen: Arc::clone(&seen),
        });
        let accepting = runtime().spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&route).serve(socket));
            }
        });
        Self { url, seen, accepting }
    }

    /// Its address, which the client takes for the server's.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What passed so far.
    pub fn seen(&self) -> Seen {
        lock(&self.seen).clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// The client sees its connection end.
#[derive(Debug)]
struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection is cut")
    }
}

impl std::error::Error for Cut {}

impl Route {
    async fn serve(self: Arc<Self>, socket: TcpStream) {
        let keep_alive = self.keep_alive;
        let answer = service_fn(move |request| Arc::clone(&self).answer(request));
        // A cut, or a client that went away.
        let mut connection = hyper::server::conn::http1::Builder::new();
        connection.keep_alive(keep_alive);
        let _ended = connection.serve_connection(TokioIo::new(socket), answer).await;
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Cut> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|_gone| Cut)?.to_bytes();
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let has_events = has_events(&head.method, &path);
        let fault = if has_events { self.fault(&path, &body) } else { None };
        match fault {
            Some(Fault::CutBefore) => return Err(Cut),
            Some(Fault::Overloaded) => return Ok(overloaded(&head.headers)),
            _ => {}
        }
        if has_events {
            lock(&self.seen).passed_on += 1;
        }
        let sending = self.http.request(head.method, format!("{}{path}", self.target)).headers(head.headers);
        // To its end, also if the client goes away meanwhile.
        let passing_on = tokio::spawn(async move {
            let answered = sending.body(body).send().await?;
            let (status, headers) = (answered.status(), answered.headers().clone());
            Ok::<_, reqwest::Error>((status, headers, answered.bytes().await?))
        });
        let Ok(Ok((status, headers, body))) = passing_on.await else { return Err(Cut) };
        match fault {
            Some(Fault::CutAfter) => return Err(Cut),
            Some(Fault::Delay) => tokio::time::sleep(DELAY).await,
            _ => {}
        }
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response.headers_mut().remove(header::TRANSFER_ENCODING);
        Ok(response)
    }

    /// Which fault this request meets, if any.
    fn fault(&self, path: &str, body: &[u8]) -> Option<Fault> {
        let batch = batch(path, body);
        let mut seen = lock(&self.seen);
        seen.requests += 1;
        if seen.requests.is_multiple_of(UNDISTURBED_EVERY) {
            return None;
        }
        let faults_of_batch = seen.of_batch.entry(batch).or_default();
        if *faults_of_batch == FAULTS_PER_BATCH_MAX {
            return None;
        }
        *faults_of_batch += 1;
        let at = usize::try_from(seen.faults).expect("faults are few") % self.faults.len();
        seen.faults += 1;
        Some(self.faults[at])
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Settings, flags and the browser's own questions go undisturbed.
fn has_events(method: &Method, path: &str) -> bool {
    let by_get = path.contains("data=") || path.starts_with("/i?");
    let asks = path.starts_with("/flags") || path.starts_with("/decide");
    (*method == Method::POST && !asks) || (*method == Method::GET && by_get)
}

/// The first id in the batch; if there is none, all of it.
fn batch(path: &str, body: &[u8]) -> String {
    let mut text = String::new();
    let unpacked = flate2::read::GzDecoder::new(body).take(UNPACKED_BYTES_MAX).read_to_string(&mut text);
    if unpacked.is_err() {
        text = String::from_utf8_lossy(body).into_owned();
    }
    let id = IDS.iter().filter_map(|id| Some(text.split_once(id)?.1)).find_map(|rest| {
        let value = rest.trim_start_matches([':', ' ']).strip_prefix('"')?.split('"').next()?;
        (!value.is_empty()).then(|| value.to_owned())
    });
    id.unwrap_or_else(|| format!("{path}\n{text}"))
}

/// What a server says that can't take any more, and what a browser must hear with it.
fn overloaded(asked: &HeaderMap) -> Response<Full<Bytes>> {
    let body = r#"{"status":0,"code":"overloaded","error":"overloaded","message":"come again"}"#;
    let origin = asked.get(header::ORIGIN).cloned().unwrap_or_else(|| header::HeaderValue::from_static("*"));
    Response::builder()
        .status(StatusCode::SERVICE_UNAVAILABLE)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::RETRY_AFTER, "1")
        .header(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin)
        .header(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true")
        .header(header::ACCESS_CONTROL_EXPOSE_HEADERS, "Retry-After")
        .body(Full::new(Bytes::from_static(body.as_bytes())))
        .expect("the head is valid")
}
