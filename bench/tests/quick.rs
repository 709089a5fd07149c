//! The benchmark itself works, at a small scale: it starts the real binary, reports, asks, stops.

use std::process::Command;

#[test]
fn every_figure_is_measured() {
    // `make test` names this clone's binary; without it there is nothing to measure.
    let binary =
        std::env::var_os("SUANPAN_BIN").expect("SUANPAN_BIN names the binary: run this by 'make test'");
    let output = Command::new(env!("CARGO_BIN_EXE_suanpan-bench"))
        .arg("--quick")
        .env("SUANPAN_BIN", binary)
        .output()
        .expect("the benchmark can be started");
    let (said, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{failed}");
    for figure in
        ["idle memory, server", "acknowledged (on disk)", "ratio", "ready to be asked", "cold", "x faster"]
    {
        assert!(said.contains(figure), "{figure} is missing:\n{said}");
    }
}
