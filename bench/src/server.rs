use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::Method;
use serde_json::{Value, json};

use crate::machine;

/// A running `suanpan serve`.
pub struct Server {
    child: Child,
    /// Its address.
    pub url: String,
    /// Its data folder.
    pub folder: PathBuf,
    admin: String,
    http: reqwest::Client,
    started_in: Duration,
}

impl Server {
    /// Starts it and waits until it is ready.
    pub async fn start(folder: &Path) -> Result<Self> {
        let started = Instant::now();
        let mut child = Command::new(machine::binary()?)
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(folder)
            .stderr(Stdio::piped())
            .spawn()
            .context("can't start the binary under test")?;
        let url = announced_url(&mut child)?;
        let http = reqwest::Client::new();
        while !http.get(format!("{url}/health/ready")).send().await.is_ok_and(|r| r.status().is_success()) {
            ensure!(started.elapsed() < Duration::from_secs(60), "the server is not ready after a minute");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let started_in = started.elapsed();
        let admin = std::fs::read_to_string(folder.join("admin-token"))?.trim().to_owned();
        Ok(Self { child, url, folder: folder.to_owned(), admin, http, started_in })
    }

    /// How long the start took.
    pub fn started_in(&self) -> String {
        format!("{:.2} s", self.started_in.as_secs_f64())
    }

    /// Resident memory of the server itself.
    pub fn memory_bytes(&self) -> Result<u64> {
        machine::memory_bytes(self.child.id())
    }

    /// Resident memory of its children: the engine.
    pub fn engine_memory_bytes(&self) -> Result<u64> {
        machine::children(self.child.id())?.into_iter().map(machine::memory_bytes).sum()
    }

    /// Calls the API as administrator.
    pub async fn call(&self, method: Method, path: &str, body: Value) -> Result<Value> {
        let request = self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.admin);
        let response = request.json(&body).send().await?;
        let status = response.status();
        let text = response.text().await?;
        ensure!(status.is_success(), "{path}: {status}: {text}");
        Ok(serde_json::from_str(&text)?)
    }

    /// Makes an app with its attributes and a write key, which is returned.
    pub async fn app(&self, app: &str) -> Result<String> {
        self.call(Method::POST, "/api/apps", json!({ "id": app })).await?;
        for (name, kind) in [
            ("channel", "string"),
            ("category", "string"),
            ("sku", "string"),
            ("amount", "number"),
            ("coupon", "boolean"),
        ] {
            self.call(Method::PUT, &format!("/api/apps/{app}/attributes/{name}"), json!({ "type": kind }))
                .await?;
        }
        let key =
            self.call(Method::POST, &format!("/api/apps/{app}/keys"), json!({ "kind": "write" })).await?;
        Ok(key["secret"].as_str().context("a new key has a secret")?.to_owned())
    }

    /// Waits until everything acknowledged is stored.
    pub async fn stored(&self) -> Result<()> {
        let started = Instant::now();
        while self.call(Method::GET, "/api/status", Value::Null).await?["lag"] != 0 {
            ensure!(started.elapsed() < Duration::from_secs(300), "events still wait after five minutes");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Stops it as an operator would.
    pub async fn stop(mut self) -> Result<()> {
        kill(Pid::from_raw(i32::try_from(self.child.id())?), Signal::SIGTERM)?;
        let status = tokio::task::spawn_blocking(move || self.child.wait()).await??;
        ensure!(status.success(), "the server ended with {status}");
        Ok(())
    }
}

/// The URL in the server's own messages; the rest of them is read and dropped.
fn announced_url(child: &mut Child) -> Result<String> {
    let mut lines = BufReader::new(child.stderr.take().context("stderr is piped")?).lines();
    let mut said = String::new();
    for line in lines.by_ref() {
        let line = line?;
        said.push_str(&line);
        said.push('\n');
        if let Some(at) = line.find("listens on http://") {
            let url =
                line[at + "listens on ".len()..].split([';', ' ']).next().unwrap_or_default().to_owned();
            std::thread::spawn(move || lines.for_each(drop));
            return Ok(url);
        }
    }
    bail!("the server did not start:\n{said}")
}
