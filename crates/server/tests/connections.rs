//! What the accept loop does with connections, over real sockets.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a test's result")]

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::Extension;
use axum::routing::{any, get, post};
use suanpan_gateway::{CloseConnection, Peer};
use suanpan_server::{Router, ServerConfig, bind, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

/// Never reached by a test that does not mean to.
const NEVER_MS: u64 = 600_000;

/// A server with a few routes, until it is dropped or stopped.
struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
    /// Told when somebody works, and to let them finish.
    working: Arc<Notify>,
    finish: Arc<Notify>,
}

impl Server {
    async fn start(config: ServerConfig) -> Self {
        let config = ServerConfig { listen: "127.0.0.1:0".to_owned(), ..config };
        let listener = bind(&config).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (working, finish) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let work = {
            let (working, finish) = (Arc::clone(&working), Arc::clone(&finish));
            async move || {
                working.notify_one();
                finish.notified().await;
                "worked"
            }
        };
        let router = Router::new()
            .route("/hello", get(async |Extension(Peer(peer)): Extension<Peer>| peer.to_string()))
            .route("/echo", post(async |body: Bytes| body))
            .route("/work", get(work))
            .route("/none", any(async || (Extension(CloseConnection), "never seen")));
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(async move {
            let stopped = async {
                let _stopped_or_dropped = stopped.await;
            };
            serve(listener, router, &config, stopped).await;
        });
        Self { address, stop: Some(stop), serving, working, finish }
    }

    async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.address).await.unwrap())
    }
}

/// One connection, byte for byte.
struct Client(TcpStream);

impl Client {
    async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// The next answer whose body is `length` long, as text.
    async fn answer(&mut self, length: usize) -> String {
        let mut text = String::new();
        while text.split_once("\r\n\r\n").is_none_or(|(_, body)| body.len() < length) {
            let mut bytes = [0; 1024];
            let count = self.0.read(&mut bytes).await.unwrap();
            assert!(count > 0, "the connection ended after {text:?}");
            text.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        }
        text
    }

    /// Everything until the server closes the connection, in order or by a reset.
    async fn rest(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        let mut bytes = [0; 1024];
        loop {
            match self.0.read(&mut bytes).await {
                Ok(0) => return all,
                Ok(count) => all.extend_from_slice(&bytes[..count]),
                Err(error) => {
                    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
                    return all;
                }
            }
        }
    }
}

fn config() -> ServerConfig {
    ServerConfig { header_timeout_ms: NEVER_MS, ..ServerConfig::default() }
}

#[tokio::test]
async fn handlers_know_their_peer() {
    let server = Server::start(config()).await;
    let mut client = server.connect().await;
    let own = client.0.local_addr().unwrap().to_string();
    client.send("GET /hello HTTP/1.1\r\nHost: s\r\n\r\n").await;
    assert!(client.answer(own.len()).await.ends_with(&own));
}

#[tokio::test]
async fn no_answer_is_not_a_byte() {
    let server = Server::start(config()).await;
    let unread = "x".repeat(300_000);
    let requests = [
        "GET /none HTTP/1.1\r\nHost: s\r\n\r\n".to_owned(),
        "POST /none HTTP/1.1\r\nHost: s\r\nContent-Length: 4\r\n\r\nbody".to_owned(),
        "POST /none HTTP/1.1\r\nHost: s\r\nContent-Length: 1000\r\n\r\nhalf".to_owned(),
        "POST /none HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n".to_owned(),
        format!("POST /none HTTP/1.1\r\nHost: s\r\nContent-Length: 300000\r\n\r\n{unread}"),
        "GET /none HTTP/1.0\r\n\r\n".to_owned(),
    ];
    for request in requests {
        let mut client = server.connect().await;
        // The connection may be gone before a long request is out.
        let _sent_or_reset = client.0.write_all(request.as_bytes()).await;
        assert_eq!(client.rest().await, b"", "{}", &request[..request.len().min(80)]);
    }
}

#[tokio::test]
async fn no_answer_ends_a_connection_that_had_answers() {
    let server = Server::start(config()).await;
    let mut client = server.connect().await;
    client.send("POST /echo HTTP/1.1\r\nHost: s\r\nContent-Length: 5\r\n\r\nfirst").await;
    assert!(client.answer(5).await.ends_with("\r\n\r\nfirst"));
    client.send("GET /none HTTP/1.1\r\nHost: s\r\n\r\nGET /hello HTTP/1.1\r\nHost: s\r\n\r\n").await;
    assert_eq!(client.rest().await, b"");
}

#[tokio::test]
async fn a_client_that_asks_first_is_told_to_go_on() {
    let server = Server::start(config()).await;
    let mut client = server.connect().await;
    client.send("POST /echo HTTP/1.1\r\nHost: s\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n").await;
    assert_eq!(client.answer(0).await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("body").await;
    let answer = client.answer(4).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nbody"), "{answer}");
}

#[tokio::test]
async fn silent_connections_end_by_the_time_out_for_heads() {
    let server = Server::start(ServerConfig { header_timeout_ms: 200, ..config() }).await;
    for said in ["", "GET /hel", "GET /hello HTTP/1.1\r\nHost: s\r\n"] {
        let mut client = server.connect().await;
        client.send(said).await;
        assert_eq!(client.rest().await, b"", "{said:?}");
    }
    let mut used = server.connect().await;
    used.send("POST /echo HTTP/1.1\r\nHost: s\r\nContent-Length: 5\r\n\r\nfirst").await;
    used.answer(5).await;
    assert_eq!(used.rest().await, b"");
}

#[tokio::test]
async fn silent_connections_make_room() {
    let server = Server::start(ServerConfig { connections_max: 4, ..config() }).await;
    let mut silent = Vec::new();
    for said in ["", "GET /hello", "", "GET /hello HTTP/1.1\r\nHost: s\r\n"] {
        let mut client = server.connect().await;
        client.send(said).await;
        silent.push(client);
        // So that the first is the one that waits longest.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let mut good = server.connect().await;
    good.send("POST /echo HTTP/1.1\r\nHost: s\r\nContent-Length: 4\r\n\r\ngood").await;
    assert!(good.answer(4).await.ends_with("\r\n\r\ngood"));
    assert_eq!(silent[0].rest().await, b"");
}

#[tokio::test]
async fn a_body_that_does_not_come_makes_room_too() {
    let config = ServerConfig { connections_max: 1, header_timeout_ms: 200, ..config() };
    let server = Server::start(config).await;
    let mut slow = server.connect().await;
    slow.send("POST /echo HTTP/1.1\r\nHost: s\r\nContent-Length: 1000\r\n\r\nhalf").await;
    let mut good = server.connect().await;
    good.send("POST /echo HTTP/1.1\r\nHost: s\r\nContent-Length: 4\r\n\r\ngood").await;
    assert!(good.answer(4).await.ends_with("\r\n\r\ngood"));
    assert_eq!(slow.rest().await, b"");
}

#[tokio::test]
async fn a_request_that_is_worked_on_makes_no_room() {
    let server = Server::start(ServerConfig { connections_max: 1, ..config() }).await;
    let mut busy = server.connect().await;
    busy.send("GET /work HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n").await;
    server.working.notified().await;
    let mut next = server.connect().await;
    let own = next.0.local_addr().unwrap().to_string();
    next.send("GET /hello HTTP/1.1\r\nHost: s\r\n\r\n").await;
    // Longer than a head may be waited for: time for a wrong server to close the one that works.
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    server.finish.notify_one();
    let answer = String::from_utf8(busy.rest().await).unwrap();
    assert!(answer.ends_with("\r\n\r\nworked"), "{answer:?}");
    assert!(next.answer(own.len()).await.ends_with(&own));
}

#[tokio::test]
async fn a_graceful_stop_ends_silent_connections_and_waits_for_work() {
    let mut server = Server::start(config()).await;
    let mut silent = server.connect().await;
    let mut busy = server.connect().await;
    busy.send("GET /work HTTP/1.1\r\nHost: s\r\n\r\n").await;
    server.working.notified().await;
    server.stop.take().unwrap().send(()).unwrap();
    assert_eq!(silent.rest().await, b"");
    server.finish.notify_one();
    let answer = String::from_utf8(busy.rest().await).unwrap();
    assert!(answer.ends_with("\r\n\r\nworked"), "{answer:?}");
    server.serving.await.unwrap();
}
