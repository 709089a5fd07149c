//! What is compared with: axum handlers that read a request's body and do nothing with it.

use std::process::Stdio;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::routing::post;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use serde_json::value::RawValue;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// The argument with which a benchmark runs itself to be the empty handler.
pub const ARGUMENT: &str = "bare-handler";

/// A process that serves the empty handlers; it ends when this is dropped.
pub struct Bare {
    _child: Child,
    /// Where it listens, as `address:port`.
    pub address: String,
}

impl Bare {
    /// Starts this program once more, as the empty handler.
    pub async fn start() -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(ARGUMENT)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("stdout is piped")?).read_line(&mut line).await?;
        Ok(Self { _child: child, address: line.trim().to_owned() })
    }
}

/// Serves on a free port, which it prints. `/v1/events` reads the body; `/walked` also walks its JSON once,
/// which is the least that anything must do that understands it.
pub async fn serve() -> Result<()> {
    let router = Router::new()
        .route("/v1/events", post(async |body: Bytes| body.len().to_string()))
        .route("/walked", post(walked))
        .layer(DefaultBodyLimit::max(16 << 20));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (stream, _peer) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            // The client closes its connections when the measurement ends.
            let _closed = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn walked(body: Bytes) -> Result<String, StatusCode> {
    let json: &RawValue = serde_json::from_slice(&body).map_err(|_no_json| StatusCode::BAD_REQUEST)?;
    Ok(json.get().len().to_string())
}
