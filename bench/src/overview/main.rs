//! Benchmarks, measured in one run and written to `bench/RESULTS.md` with command and machine.
//!
//! Starts, answers, and a first look at ingest, which `make bench-ingest` takes apart.

mod answers;
mod events;
mod ingest;

use anyhow::{Result, bail};
use suanpan_bench::report::Report;
use suanpan_bench::server::Server;
use suanpan_bench::{bare, machine};

/// Where the results go, from the project's root.
const FILE: &str = "bench/RESULTS.md";

#[tokio::main]
async fn main() -> Result<()> {
    match std::env::args().nth(1).as_deref() {
        // The bench runs itself for the comparison with an empty handler.
        Some(bare::ARGUMENT) => bare::serve().await,
        // Few events, and nothing is written: shows that the benchmark itself works.
        Some("--quick") => measure(&Scale::QUICK).await.map(drop),
        Some(other) => bail!("unknown argument {other:?}; the bench takes none, or --quick"),
        None => measure(&Scale::FULL).await?.write(FILE),
    }
}

/// How much is measured.
struct Scale {
    /// Events of a request, and how many requests: one event alone, a mini-program's flush, a
    /// server's batch.
    shapes: [(usize, usize); 3],
    /// Different questions, each asked once while nobody has asked it before.
    cold: usize,
    /// Times a question is asked from the cache.
    cached: usize,
}

impl Scale {
    const FULL: Self = Self { shapes: [(1, 20_000), (20, 4_000), (200, 600)], cold: 15, cached: 300 };
    const QUICK: Self = Self { shapes: [(1, 50), (20, 10), (200, 2)], cold: 2, cached: 5 };
}

async fn measure(scale: &Scale) -> Result<Report> {
    // Fails only if a provider is there already, which would do as well.
    let _already_there = rustls::crypto::ring::default_provider().install_default();
    let mut report = Report::new("Benchmark results", "make bench");
    let folder = tempfile::tempdir()?;

    report.section("Start");
    let server = Server::start(folder.path()).await?;
    report.row("binary size", format!("{:.1} MB", machine::binary_bytes()? as f64 / 1e6));
    report.row("first start, empty folder, to ready", server.started_in());
    report.row("idle memory, server", machine::megabytes(server.memory_bytes()?));
    report.row("idle memory, engine's process", machine::megabytes(server.engine_memory_bytes()?));

    ingest::measure(&server, scale, &mut report).await?;
    answers::measure(&server, scale, &mut report).await?;

    report.section("Start with data");
    server.stop().await?;
    let server = Server::start(folder.path()).await?;
    report.row("start, to ready", server.started_in());
    report.row("memory after it, server", machine::megabytes(server.memory_bytes()?));
    report.row("memory after it, engine's process", machine::megabytes(server.engine_memory_bytes()?));
    server.stop().await?;
    Ok(report)
}
