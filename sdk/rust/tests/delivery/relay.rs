use std::io::Read as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flate2::read::GzDecoder;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Stands between an SDK and a gateway, and does to each request what it is told.
pub struct Relay {
    pub address: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// What is done to a request.
#[derive(Debug, Clone)]
pub enum Fate {
    /// It is passed on, and so is its answer.
    Pass,
    /// The same, after a while.
    Delay(Duration),
    /// The connection is cut; the gateway never hears of it.
    CutBefore,
    /// The gateway gets it; its answer is swallowed.
    CutAfter,
    /// It is answered so, and not passed on.
    Answer { status: u16, headers: &'static str, body: String },
}

/// A request that came.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Its number, from 0.
    pub number: usize,
    pub head: String,
    pub body: Value,
}

type Judge = Arc<dyn Fn(&Seen) -> Fate + Send + Sync>;

impl Relay {
    /// Passes requests on to this address, as the judge says.
    pub async fn to(target: &str, judge: impl Fn(&Seen) -> Fate + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (seen, judge): (Arc<Mutex<Vec<Seen>>>, Judge) = (Arc::default(), Arc::new(judge));
        let (all, target) = (Arc::clone(&seen), target.to_owned());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (judge, all, target) = (Arc::clone(&judge), Arc::clone(&all), target.clone());
                // A connection that a client breaks is no fault of the relay.
                tokio::spawn(async move { drop(serve(client, &target, &judge, &all).await) });
            }
        });
        Self { address, seen }
    }

    /// The first requests meet these fates, all others pass.
    pub async fn with_plan(target: &str, plan: Vec<Fate>) -> Self {
        Self::to(target, move |seen| plan.get(seen.number).cloned().unwrap_or(Fate::Pass)).await
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl Fate {
    /// 503, with or without a wish.
    pub fn busy(headers: &'static str) -> Self {
        let body = r#"{"status":503,"code":"overloaded","detail":"too many reports at once"}"#;
        Self::Answer { status: 503, headers, body: body.to_owned() }
    }

    /// Another answer.
    pub fn answer(status: u16, body: impl Into<String>) -> Self {
        Self::Answer { status, headers: "", body: body.into() }
    }
}

impl Seen {
    pub fn events(&self) -> &[Value] {
        self.body["events"].as_array().unwrap()
    }
}

/// One request: every answer closes its connection.
async fn serve(
    mut client: TcpStream,
    target: &str,
    judge: &Judge,
    all: &Mutex<Vec<Seen>>,
) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if client.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let length: usize = header(&head, "content-length").unwrap().parse().unwrap();
    while bytes.len() < head_end + length {
        if client.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    }
    let body = read_body(&head, &bytes[head_end..]);
    let seen = {
        let mut all = all.lock().unwrap();
        let seen = Seen { number: all.len(), head: head.clone(), body };
        all.push(seen.clone());
        seen
    };
    let fate = judge(&seen);
    match fate {
        Fate::CutBefore => {}
        Fate::CutAfter => drop(pass_on(target, &head, &bytes[head_end..]).await?),
        Fate::Pass => client.write_all(&pass_on(target, &head, &bytes[head_end..]).await?).await?,
        Fate::Delay(pause) => {
            tokio::time::sleep(pause).await;
            client.write_all(&pass_on(target, &head, &bytes[head_end..]).await?).await?;
        }
        Fate::Answer { status, headers, body } => {
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status} Told\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
            client.write_all(answer.as_bytes()).await?;
        }
    }
    Ok(())
}

async fn pass_on(target: &str, head: &str, body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut gateway = TcpStream::connect(target).await?;
    gateway.write_all(head.replacen("\r\n\r\n", "\r\nconnection: close\r\n\r\n", 1).as_bytes()).await?;
    gateway.write_all(body).await?;
    let mut answer = Vec::new();
    gateway.read_to_end(&mut answer).await?;
    Ok(answer)
}

fn read_body(head: &str, body: &[u8]) -> Value {
    if header(head, "content-encoding") != Some("gzip") {
        return serde_json::from_slice(body).unwrap();
    }
    let mut text = String::new();
    GzDecoder::new(body).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let named = |line: &'a str| {
        let (found, value) = line.split_once(": ")?;
        found.eq_ignore_ascii_case(name).then_some(value)
    };
    head.lines().find_map(named)
}
