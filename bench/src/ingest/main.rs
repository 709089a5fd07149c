//! What ingest costs, measured in one run and written to `bench/INGEST.md`: durable acknowledgement
//! against an empty handler, small requests against ClickHouse's own answer to them, the way to
//! queryable against a bare insert, formats, latency, a profile, many apps, and memory over many events.
//!
//! `--quick` is small and writes nothing; `--scale N` stores N events where memory and cost are
//! looked at, ten million otherwise; `--only NAME` takes one measurement and writes nothing.

mod acknowledged;
mod async_insert;
mod engine;
mod formats;
mod gate;
mod growth;
mod load;
mod many_apps;
mod profile;
mod rows;
mod sustained;
mod traffic;
mod usage;
mod visible;

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use suanpan_bench::report::Report;
use suanpan_bench::server::Server;
use suanpan_bench::{bare, machine};
use tokio::signal::unix::{SignalKind, signal};

use crate::engine::Engine;

/// Where the results go, from the project's root.
const FILE: &str = "bench/INGEST.md";
/// Connections at once, where nothing else is said.
const CONNECTIONS: usize = 128;
/// The measurements, in their order.
const ALL: [&str; 8] =
    ["acknowledged", "async", "sustained", "formats", "visible", "profile", "apps", "growth"];

/// How much is measured.
struct Scale {
    /// How often what is compared is measured; medians count.
    rounds: usize,
    /// Events of a request, and how many requests.
    shapes: [(usize, usize); 4],
    small_requests: usize,
    /// Of these, those that ClickHouse's own way gets, which takes longer.
    async_requests: usize,
    sustained_events: usize,
    format_rows: u64,
    visible_for: Duration,
    apps: usize,
    growth_events: u64,
}

impl Scale {
    const FULL: Self = Self {
        rounds: 3,
        shapes: [(1, 60_000), (10, 20_000), (100, 4_000), (200, 2_000)],
        small_requests: 10_000,
        async_requests: 3_000,
        sustained_events: 1_000_000,
        format_rows: 1_000_000,
        visible_for: Duration::from_secs(30),
        apps: 1_000,
        growth_events: 10_000_000,
    };
    const QUICK: Self = Self {
        rounds: 1,
        shapes: [(1, 200), (10, 100), (100, 20), (200, 10)],
        small_requests: 100,
        async_requests: 100,
        sustained_events: 20_000,
        format_rows: 10_000,
        visible_for: Duration::from_secs(1),
        apps: 20,
        growth_events: 50_000,
    };
}

/// What was asked for on the command line.
struct Wish {
    scale: Scale,
    only: Option<String>,
    is_quick: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == bare::ARGUMENT) {
        return bare::serve().await;
    }
    let wish = parse(&arguments)?;
    // Fails only if a provider is there already, which would do as well.
    let _already_there = rustls::crypto::ring::default_provider().install_default();
    let arguments: String = arguments.iter().map(|argument| format!(" {argument}")).collect();
    let command = match arguments.is_empty() {
        true => "make bench-ingest".to_owned(),
        false => format!("make bench-ingest BENCH_ARGUMENTS='{}'", arguments.trim()),
    };
    let mut report = Report::new("What ingest costs", &command);
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    // What a measurement started ends with it, also when it is told to end.
    tokio::select! {
        measured = measure(&wish, &mut report) => measured?,
        _ = terminate.recv() => bail!("told to end"),
        _ = interrupt.recv() => bail!("told to end"),
    }
    if wish.is_quick || wish.only.is_some() { Ok(()) } else { report.write(FILE) }
}

fn parse(arguments: &[String]) -> Result<Wish> {
    let mut wish = Wish { scale: Scale::FULL, only: None, is_quick: false };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => (wish.scale, wish.is_quick) = (Scale::QUICK, true),
            "--scale" => {
                let events = arguments.next().context("--scale takes a number of events")?;
                wish.scale.growth_events = events.replace('_', "").parse()?;
            }
            "--only" => {
                let name = arguments.next().context("--only takes a name")?;
                if !ALL.contains(&name.as_str()) {
                    bail!("--only takes one of {}", ALL.join(", "));
                }
                wish.only = Some(name.clone());
            }
            other => bail!("unknown argument {other:?}; known are --quick, --scale N, --only NAME"),
        }
    }
    Ok(wish)
}

async fn measure(wish: &Wish, report: &mut Report) -> Result<()> {
    let (scale, wanted) = (&wish.scale, |name: &str| wish.only.as_ref().is_none_or(|only| only == name));
    let folder = tempfile::tempdir()?;
    let server = Server::start(folder.path()).await?;
    let engine = Engine::of(&server)?;
    if wanted("acknowledged") {
        acknowledged::measure(&server, scale, report).await?;
    }
    if wanted("async") {
        async_insert::measure(&server, &engine, scale, report).await?;
    }
    // Some others need what this one leaves.
    if ["sustained", "formats", "visible"].into_iter().any(wanted) {
        let sustained = sustained::measure(&server, &engine, scale, report).await?;
        if wanted("formats") {
            formats::measure(&server, &engine, scale, report).await?;
        }
        if wanted("visible") {
            visible::measure(&server, &engine, (scale, sustained), report).await?;
        }
    }
    if wanted("profile") {
        profile::measure(&server, scale, report).await?;
    }
    if wanted("apps") {
        many_apps::measure(&server, scale, report).await?;
    }
    server.stop().await?;
    if wanted("growth") {
        growth::measure(scale, report).await?;
    }
    report.row("load of the machine at the end", machine::load());
    Ok(())
}
