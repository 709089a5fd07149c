//! The server under test.

use std::collections::HashMap;
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

/// A running `suanpan serve`; killed if it is dropped before it was stopped.
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

    /// The server's process.
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// The process of the embedded engine.
    pub fn engine_process_id(&self) -> Result<u32> {
        let children = machine::children(self.child.id())?;
        children.first().copied().context("the server has no engine of its own")
    }

    /// Where it listens, as `address:port`.
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// Its metrics by name and labels.
    pub async fn metrics(&self) -> Result<HashMap<String, f64>> {
        let url = format!("{}/metrics", self.url);
        let page =
            self.http.get(url).bearer_auth(&self.admin).send().await?.error_for_status()?.text().await?;
        let value = |line: &str| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        Ok(page.lines().filter(|line| !line.starts_with('#')).filter_map(value).collect())
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

    /// Events that were acknowledged and can be asked about, and those that can't be yet.
    pub async fn stored_and_waiting(&self) -> Result<(u64, u64)> {
        let status = self.call(Method::GET, "/api/status", Value::Null).await?;
        let of = |field: &str| status[field].as_u64().with_context(|| format!("the status has no {field}"));
        Ok((of("committed_offset")?, of("lag")?))
    }

    /// Waits until everything acknowledged is stored.
    pub async fn stored(&self) -> Result<()> {
        let started = Instant::now();
        while self.stored_and_waiting().await?.1 != 0 {
            ensure!(started.elapsed() < Duration::from_secs(300), "events still wait after five minutes");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Stops it as an operator would.
    pub async fn stop(mut self) -> Result<()> {
        kill(Pid::from_raw(i32::try_from(self.child.id())?), Signal::SIGTERM)?;
        let status = loop {
            match self.child.try_wait()? {
                Some(status) => break status,
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        ensure!(status.success(), "the server ended with {status}");
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            // A measurement failed; its engine ends with it.
            let _ended_meanwhile = self.child.kill();
            let _reaped = self.child.wait();
        }
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
