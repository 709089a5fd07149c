use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::json;
use suanpan_journey::{App, Server, eventually, rule};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

journeys! {
    thousands_of_silent_connections_shut_nobody_out,
}

/// As many connections as a crowd has, if the system lets us and the server open so many.
const CROWD: u64 = 10_000;
/// Files that a process needs besides.
const OTHER_FILES: u64 = 500;
/// For opening them all, and for the server to close them.
const CLOSED_WITHIN: Duration = Duration::from_secs(60);

async fn thousands_of_silent_connections_shut_nobody_out() {
    let crowd = crowd();
    // All places are taken by the crowd, so that one more client needs one of them.
    let settings = [
        &format!("server.connections_max={crowd}"),
        "server.header_timeout_ms=8000",
        "gateway.body_timeout_ms=8000",
    ];
    let server = Server::start_with(&settings).await;
    let app = App::create(&server.calls()).await;
    let mut waiting = JoinSet::new();
    for number in 0..crowd {
        let mut silent = connect(&app).await;
        // What each says before it falls silent: nothing, half a head, or half a body.
        let said = match number % 3 {
            0 => String::new(),
            1 => "POST /v1/events HTTP/1.1\r\nhost: x\r\n".to_owned(),
            _ => format!(
                "POST /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
                 content-type: application/json\r\ncontent-length: 1000\r\n\r\n{{\"event\":",
                app.write_key
            ),
        };
        // The first may have been closed already, by the time-out or for others.
        let _open_or_closed = silent.write_all(said.as_bytes()).await;
        waiting.spawn(end(silent));
    }

    let reply = eventually("a client with something to say is heard", 30, async || {
        app.try_report(&json!({ "event": "open", "user_id": "ann" })).await.ok()
    })
    .await;
    assert_eq!(reply.expect(200)["accepted"], 1);
    app.ask_until(&rule(json!({})), &json!([1])).await;

    let all_closed = async { while waiting.join_next().await.is_some() {} };
    tokio::time::timeout(CLOSED_WITHIN, all_closed).await.expect("silent connections are closed");
    assert_eq!(app.outcomes().await, [("stored".to_owned(), 1)].into());
}

/// How many connections this process and the server may have open.
fn crowd() -> u64 {
    let (now, most) = getrlimit(Resource::RLIMIT_NOFILE).expect("the system says how many files");
    let wanted = (CROWD + OTHER_FILES).min(most);
    if now < wanted {
        setrlimit(Resource::RLIMIT_NOFILE, wanted, most).expect("the limit may be raised so far");
    }
    wanted.max(now).saturating_sub(OTHER_FILES).min(CROWD)
}

async fn connect(app: &App) -> TcpStream {
    let address = app.url().replace("http://", "");
    eventually("the server accepts", 30, async || TcpStream::connect(&address).await.ok()).await
}

/// Waits until the server closes the connection, whatever it says before.
async fn end(mut silent: TcpStream) {
    let mut bytes = [0; 256];
    while silent.read(&mut bytes).await.is_ok_and(|count| count > 0) {}
}
