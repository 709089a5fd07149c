//! Runs a client's driver.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use suanpan_journey::{App, now_ms, rule};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};
use tokio::sync::OnceCell;

use super::arrived::expected;
use super::client::{Client, People, Program};
use super::plan::{DEVICE, PERSON, Planned};
use super::proxy::Proxy;

/// How long one driver may take, retries included.
const RUN_LIMIT: Duration = Duration::from_secs(240);
/// How long a client may take to get everything through that is told when to end.
const ARRIVAL_LIMIT: Duration = Duration::from_secs(120);
/// How long it may repeat itself afterwards: longer than it waits between tries.
const AFTERWARDS: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(200);
const ENVIRONMENT: [&str; 5] = ["PATH", "LANG", "SSL_CERT_FILE", "TMPDIR", "JAVA_HOME"];
const SAID_CHARS_MAX: usize = 1500;

/// Where the client libraries are.
#[derive(Debug)]
pub struct Places(Value);

/// A run that has ended.
#[derive(Debug)]
pub struct Ran {
    /// Whether things went wrong on purpose.
    pub is_faulty: bool,
    /// Numbers of the calls that the library called taken, where it tells.
    pub accepted: HashSet<usize>,
    /// When the driver was started, and when it had ended.
    pub started_ms: i64,
    pub ended_ms: i64,
    /// What the proxy saw: requests with events, those passed on, faults.
    pub requests: u64,
    pub passed_on: u64,
    pub faults: u64,
    /// The last of what the driver wrote to standard error.
    pub said: String,
}

/// The libraries, fetched once.
///
/// # Panics
/// They can't be had.
pub async fn places() -> &'static Places {
    static PLACES: OnceCell<Places> = OnceCell::const_new();
    let fetch = async || {
        let script = root().join("scripts/fetch_clients.py");
        let output = Command::new("python3").arg("-B").arg(script).stderr(Stdio::inherit()).output().await;
        let output = output.expect("there is Python");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "the client libraries can't be fetched: {said}");
        let last = said.lines().last().unwrap_or_default();
        Places(serde_json::from_str(last).expect("the script ends with the places"))
    };
    PLACES.get_or_init(fetch).await
}

impl Places {
    fn of(&self, name: &str) -> PathBuf {
        self.0[name].as_str().expect("the script names it").into()
    }

    /// The browser, and what it needs around it.
    fn chromium(&self) -> Value {
        let place = self.of("chromium");
        if place.is_file() {
            return json!({ "path": place, "env": {} });
        }
        let libraries = place.join("usr/lib/x86_64-linux-gnu");
        let path = format!("{0}:{0}/pulseaudio", libraries.display());
        json!({ "path": place.join("usr/lib/chromium/chromium"), "env": { "LD_LIBRARY_PATH": path } })
    }

    /// A Python that sees the libraries.
    pub fn python(&self) -> Command {
        let mut python = clean(Command::new("python3"));
        python.arg("-B").env("PYTHONPATH", self.of("python"));
        python
    }

    fn driver(&self, program: Program) -> Command {
        let drivers = root().join("tests/clients");
        let mut command = match program {
            Program::Node(driver) => self.node(&drivers.join("js").join(driver)),
            Program::Page => self.node(&drivers.join("js/browser.js")),
            Program::Python(driver) => {
                let mut python = self.python();
                python.arg(drivers.join("python").join(driver));
                python
            }
            Program::Go(driver) => clean(Command::new(self.of("go").join(driver))),
            Program::Java(driver) => {
                let place = self.of("java");
                let path = format!("{0}:{0}/*", place.display());
                let mut java = clean(Command::new("java"));
                // Small and quick to start: there are many at once.
                java.args(["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", &path, driver]);
                java
            }
        };
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        command
    }

    fn node(&self, driver: &Path) -> Command {
        let mut node = clean(Command::new("node"));
        node.arg(driver).env("NODE_PATH", self.of("node_modules"));
        node
    }
}

/// Without proxies and settings of ours, in a time zone that is not UTC.
fn clean(mut command: Command) -> Command {
    command.env_clear().env("TZ", "Asia/Shanghai");
    for name in ENVIRONMENT {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// The project's folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Lets a client report to an app, straight or through a proxy.
///
/// # Errors
/// The driver fails or does not end.
pub async fn run(
    client: &Client,
    app: &App,
    planned: &[Planned],
    proxy: Option<Proxy>,
) -> Result<Ran, String> {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let address = proxy.as_ref().map_or_else(|| app.url(), |proxy| proxy.url().to_owned());
    let plan = folder.path().join("plan.json");
    let told = plan_for(client, app, planned, &address, folder.path()).await;
    std::fs::write(&plan, told.to_string()).expect("a file can be written");
    let started_ms = now_ms();
    let errors = folder.path().join("errors");
    let mut command = places().await.driver(client.program);
    command.arg(&plan).env("HOME", folder.path());
    command.stderr(std::fs::File::create(&errors).expect("a file can be made"));
    let child = command.spawn().expect("the driver can be run");
    let ended = tokio::time::timeout(RUN_LIMIT, ended(client, app, planned, child)).await;
    let said = String::from_utf8_lossy(&std::fs::read(errors).expect("the file is there")).into_owned();
    let said: String = said.chars().skip(said.chars().count().saturating_sub(SAID_CHARS_MAX)).collect();
    let Ok((output, missing)) = ended else {
        return Err(format!("it does not end within {} s: {said}", RUN_LIMIT.as_secs()));
    };
    if !output.status.success() {
        return Err(format!("it failed, {}: {said}", output.status));
    }
    let seen = proxy.as_ref().map(Proxy::seen).unwrap_or_default();
    Ok(Ran {
        is_faulty: proxy.is_some(),
        accepted: accepted(&String::from_utf8_lossy(&output.stdout)),
        started_ms,
        ended_ms: now_ms(),
        requests: seen.requests,
        passed_on: seen.passed_on,
        faults: seen.faults,
        said: format!("{missing}{said}"),
    })
}

async fn plan_for(client: &Client, app: &App, planned: &[Planned], address: &str, folder: &Path) -> Value {
    let mut events: Vec<Value> = planned.iter().map(Planned::told).collect();
    if client.people == People::Own {
        let before = planned.partition_point(|event| event.user.is_none());
        let login = json!({
            "n": planned.len(),
            "call": "login",
            "user": PERSON,
            "time_ms": planned[before].time_ms,
            "properties": { "n": planned.len() },
        });
        events.insert(before, login);
    }
    // Clients that can't tell when they have ended send one request for each event, and for the first one.
    let count = if client.program == Program::Page && !client.is_told_to_end { events.len() + 1 } else { 0 };
    json!({
        "server": address,
        "key": app.write_key,
        "mode": client.mode,
        "device": DEVICE,
        "folder": folder,
        "count": count,
        "chromium": places().await.chromium(),
        "events": events,
    })
}

/// Waits for the driver's end; the text says what had not arrived when it was told to end.
async fn ended(
    client: &Client,
    app: &App,
    planned: &[Planned],
    mut child: Child,
) -> (std::process::Output, String) {
    let mut stdin = child.stdin.take().expect("it was piped");
    let telling = async {
        let mut missing = String::new();
        if client.is_told_to_end {
            missing = until_arrived(client, app, planned).await;
            tokio::time::sleep(AFTERWARDS).await;
        }
        // It may have ended already.
        let _gone = stdin.shutdown().await;
        drop(stdin);
        missing
    };
    let (output, missing) = tokio::join!(child.wait_with_output(), telling);
    (output.expect("its output can be read"), missing)
}

/// Waits for the planned events and the quick start's. What the client reports of its own accord is
/// stored among them, and must not pass for one of them that is still to be sent again.
async fn until_arrived(client: &Client, app: &App, planned: &[Planned]) -> String {
    let deadline = tokio::time::Instant::now() + ARRIVAL_LIMIT;
    let of_its_own = |event: &&Planned| client.extras.contains(&expected(client, event).0);
    let own = planned.iter().filter(of_its_own).count();
    let events = u64::try_from(planned.len() + 1).expect("few");
    let others = events - u64::try_from(own).expect("few");
    loop {
        let stored = app.outcomes().await.get("stored").copied().unwrap_or_default();
        if stored >= events
            && let Some(extras) = named(app, client.extras).await
            && stored.saturating_sub(extras) >= others
        {
            return String::new();
        }
        if tokio::time::Instant::now() > deadline {
            return format!("{stored} of {events} events had arrived after {} s\n", ARRIVAL_LIMIT.as_secs());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Stored events of these names; none while the answer is an old one, which would count too few.
async fn named(app: &App, names: &[&str]) -> Option<u64> {
    if names.is_empty() {
        return Some(0);
    }
    let measures: Vec<Value> = names.iter().map(|n| json!({ "measure": "events", "event": n })).collect();
    let answer = app.try_ask(&rule(json!({ "measures": measures }))).await.expect(200);
    let totals = answer["series"][0]["total"].as_array().filter(|_| answer["cache"] != "stale")?;
    Some(totals.iter().filter_map(Value::as_u64).sum())
}

fn accepted(out: &str) -> HashSet<usize> {
    out.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|line| line["accepted"].as_array().cloned())
        .flatten()
        // The quick start's own has the number -1.
        .filter_map(|n| usize::try_from(n.as_u64()?).ok())
        .collect()
}
