//! The benchmarks themselves work, at a small scale: they start the real binary, report, ask, stop.

use std::process::Command;

/// Runs a benchmark with little to do; it must measure these figures.
fn measures(benchmark: &str, figures: &[&str]) {
    // `make test` names this clone's binary; without it there is nothing to measure.
    let binary =
        std::env::var_os("SUANPAN_BIN").expect("SUANPAN_BIN names the binary: run this by 'make test'");
    let output = Command::new(benchmark)
        .arg("--quick")
        .env("SUANPAN_BIN", binary)
        .output()
        .expect("the benchmark can be started");
    let (said, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{failed}");
    for figure in figures {
        assert!(said.contains(figure), "{figure} is missing:\n{said}");
    }
}

#[test]
fn every_figure_is_measured() {
    measures(
        env!("CARGO_BIN_EXE_suanpan-bench"),
        &["idle memory, server", "acknowledged (on disk)", "ratio", "ready to be asked", "cold", "x faster"],
    );
}

#[test]
fn every_figure_of_ingest_is_measured() {
    measures(
        env!("CARGO_BIN_EXE_suanpan-bench-ingest"),
        &[
            "gateway alone",
            "against async_insert (fsync)",
            "of a bare insert",
            "RowBinary",
            "acknowledged to visible",
            "suanpan_pipeline_batch_seconds",
            "memory of the engine",
        ],
    );
}
