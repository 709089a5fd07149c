use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use suanpan_bench::machine;
use suanpan_bench::report::Report;
use suanpan_bench::server::Server;
use tokio::process::{Child, Command};

use crate::gate::gated;
use crate::load::{Stream, Target, send};
use crate::usage::Usage;
use crate::{CONNECTIONS, Scale};

const EVENTS_PER_REQUEST: usize = 100;
const APP: &str = "profile";
/// Symbols below this share are not listed, nor more than `SYMBOLS_MAX` of a process.
const SHARE_MIN: f64 = 0.4;
const SYMBOLS_MAX: usize = 30;

/// Where the time of a sustained load goes.
pub async fn measure(server: &Server, scale: &Scale, report: &mut Report) -> Result<()> {
    report.section("Where the time goes");
    let key = server.app(APP).await?;
    let target = Target::events(server.address(), &key);
    let events = scale.sustained_events;
    let (metrics, threads) = (server.metrics().await?, threads(server)?);
    let before = Usage::now(server)?;
    let folder = tempfile::tempdir()?;
    let perf = Perf::start(server, folder.path()).await?;
    gated(
        server,
        |_| Ok(()),
        async |gate| {
            send(&target, CONNECTIONS, Stream::new(5_000_000, events, EVENTS_PER_REQUEST, gate)).await
        },
    )
    .await?;
    let used = before.until(Usage::now(server)?);
    let metrics_after = server.metrics().await?;
    let stages = stages(&metrics, &metrics_after);
    let threads = grown(&threads, &self::threads(server)?);

    report.say(&format!(
        "{events} events from POST to queryable, {EVENTS_PER_REQUEST} a request: {:.1} s. Processor time an event: {}.",
        used.seconds,
        used.per_event(events)
    ));
    let grew = |name: &str| {
        let total = |metrics: &HashMap<String, f64>| -> f64 {
            metrics.iter().filter(|(found, _)| found.starts_with(name)).map(|(_, value)| value).sum()
        };
        (total(&metrics_after) - total(&metrics)) / events as f64
    };
    report.say(&format!(
        "Bytes an event: {:.0} in the request, {:.0} in the log, {:.0} in the INSERT. INSERTs of events: {:.0}.",
        grew("suanpan_gateway_body_bytes_sum"),
        grew("suanpan_log_appended_bytes_total"),
        grew("suanpan_warehouse_insert_bytes_total{table=\"events\""),
        grew("suanpan_warehouse_insert_seconds_count{table=\"events\"") * events as f64,
    ));
    report.say("What the server measures itself: every `_seconds` histogram of `/metrics`, for the run.");
    let stage = |(name, (seconds, count)): &(String, (f64, f64))| {
        vec![
            format!("`{name}`"),
            format!("{count:.0}"),
            format!("{:.2} ms", seconds * 1e3 / count),
            format!("{:.2} µs", seconds * 1e6 / events as f64),
        ]
    };
    report.table(&["stage", "times", "mean", "an event"], &stages.iter().map(stage).collect::<Vec<_>>());
    report
        .say("Processor time by the names of threads (`/proc`; of the engine's only those that still live).");
    let thread = |(name, seconds): &(String, f64)| {
        vec![name.clone(), format!("{:.2} µs", seconds * 1e6 / events as f64)]
    };
    report.table(&["thread", "an event"], &threads.iter().map(thread).collect::<Vec<_>>());
    match perf {
        Some(perf) => perf.report(server, report).await,
        None => {
            report.say(
                "There is no `perf` on this machine that may look at processes: no functions are listed.",
            );
            Ok(())
        }
    }
}

fn threads(server: &Server) -> Result<HashMap<String, f64>> {
    let mut all = HashMap::new();
    for (process, id) in [("server", server.process_id()), ("engine", server.engine_process_id()?)] {
        for (name, seconds) in machine::cpu_seconds_by_thread(id)? {
            all.insert(format!("{process}: {name}"), seconds);
        }
    }
    Ok(all)
}

/// What grew, the most first.
fn grown(before: &HashMap<String, f64>, after: &HashMap<String, f64>) -> Vec<(String, f64)> {
    let growth = |(name, now): (&String, &f64)| (name.clone(), now - before.get(name).unwrap_or(&0.0));
    let mut all: Vec<_> = after.iter().map(growth).filter(|(_, grown)| *grown >= 0.05).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    all
}

/// Seconds and counts of the histograms that went on, the longest first.
fn stages(before: &HashMap<String, f64>, after: &HashMap<String, f64>) -> Vec<(String, (f64, f64))> {
    let of_histogram = |(name, seconds): (String, f64)| {
        let count = name.replacen("_seconds_sum", "_seconds_count", 1);
        let times = after.get(&count)? - before.get(&count).unwrap_or(&0.0);
        (times > 0.0).then(|| (name.replacen("_seconds_sum", "_seconds", 1), (seconds, times)))
    };
    let seconds = grown(before, after).into_iter().filter(|(name, _)| name.contains("_seconds_sum"));
    seconds.filter_map(of_histogram).collect()
}

/// `perf`, looking at the processor's clock.
struct Perf {
    child: Child,
    file: PathBuf,
}

impl Perf {
    /// None where there is no perf, or the kernel lets it see nothing.
    async fn start(server: &Server, folder: &Path) -> Result<Option<Self>> {
        let file = folder.join("perf.data");
        let processes =
            format!("{},{},{}", server.process_id(), server.engine_process_id()?, std::process::id());
        let spawned = Command::new("perf")
            .args(["record", "-q", "-e", "cpu-clock", "-F", "499", "-p", &processes, "-o"])
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        let Ok(mut child) = spawned else { return Ok(None) };
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        Ok(child.try_wait()?.is_none().then_some(Self { child, file }))
    }

    async fn report(mut self, server: &Server, report: &mut Report) -> Result<()> {
        let id = self.child.id().context("perf ended before it was told to")?;
        kill(Pid::from_raw(i32::try_from(id)?), Signal::SIGINT)?;
        self.child.wait().await?;
        report.say(
            "By `perf` (the processor's clock, 499 times a second on each core), shares of all samples.",
        );
        let named = [
            (server.process_id(), "server"),
            (server.engine_process_id()?, "engine"),
            (std::process::id(), "load generator"),
        ];
        let mut threads: Vec<Vec<String>> = Vec::new();
        for (id, name) in named {
            for (share, of) in self.shares(id, "comm").await? {
                threads.push(vec![percent(share), name.to_owned(), of[0].clone()]);
            }
        }
        report.table(&["share", "process", "thread"], &threads);
        for (id, name) in named {
            let shares = self.shares(id, "dso,sym").await?.into_iter().take(SYMBOLS_MAX);
            let rows: Vec<_> =
                shares.map(|(share, of)| vec![percent(share), clipped(&of[0]), clipped(&of[1])]).collect();
            report.table(&["share of all", &format!("{name}: object"), "function"], &rows);
        }
        Ok(())
    }

    /// Shares of all samples that a process has, by these keys, the most first. What has no names,
    /// as the engine's library has none, is one sum.
    async fn shares(&self, process: u32, keys: &str) -> Result<Vec<(f64, Vec<String>)>> {
        let mut command = Command::new("perf");
        command.arg("report").arg("-i").arg(&self.file).args(["--stdio", "--no-children", "-t", "\u{1}"]);
        command.args(["-s", keys, "--percentage", "absolute", "--pid", &process.to_string()]);
        let output = command.stderr(Stdio::null()).output().await?;
        ensure!(output.status.success(), "perf report ended with {}", output.status);
        let mut shares: BTreeMap<Vec<String>, f64> = BTreeMap::new();
        for line in String::from_utf8_lossy(&output.stdout).lines().filter(|line| !line.starts_with('#')) {
            let mut fields = line.split('\u{1}').map(str::trim);
            let Some(Ok(share)) = fields.next().map(|share| share.trim_end_matches('%').parse::<f64>())
            else {
                continue;
            };
            let named = |field: &str| match field.contains("] 0x0") {
                true => "(functions without names)".to_owned(),
                false => field.to_owned(),
            };
            *shares.entry(fields.map(named).collect()).or_default() += share;
        }
        let mut shares: Vec<_> = shares.into_iter().map(|(of, share)| (share, of)).collect();
        shares.retain(|(share, _)| *share >= SHARE_MIN);
        shares.sort_by(|a, b| b.0.total_cmp(&a.0));
        Ok(shares)
    }
}

fn percent(share: f64) -> String {
    format!("{share:.1} %")
}

/// A name of a C++ or Rust function without most of its types, as a table's cell.
fn clipped(name: &str) -> String {
    let short: String = name.chars().take(110).collect();
    short.replace('|', "\\|").replace('<', "&lt;")
}
