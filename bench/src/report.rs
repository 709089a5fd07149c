use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// Where the results go, from the project's root.
const FILE: &str = "bench/RESULTS.md";

/// The figures of one run.
pub struct Report {
    text: String,
}

impl Report {
    /// An empty report.
    pub fn new() -> Self {
        Self { text: String::new() }
    }

    /// Begins a section.
    pub fn section(&mut self, title: &str) {
        println!("\n{title}");
        let _ = write!(self.text, "\n## {title}\n\n| what | measured |\n|---|---|\n");
    }

    /// Adds one figure.
    pub fn row(&mut self, what: &str, measured: impl Into<String>) {
        let measured = measured.into();
        println!("  {what:<58} {measured}");
        let _ = writeln!(self.text, "| {what} | {measured} |");
    }

    /// Writes the report.
    pub fn write(self) -> Result<()> {
        let head = format!(
            "# Benchmark results\n\n<!-- Written by `make bench`. -->\n\n\
             Command: `make bench`. Machine: {}.\n\
             The load generator runs on the same cores; compare ratios, not absolute figures.\n",
            crate::machine::describe()
        );
        std::fs::write(FILE, head + &self.text).with_context(|| format!("can't write {FILE}"))?;
        println!("\nwritten to {FILE}");
        Ok(())
    }
}

/// Median and 99th percentile of durations, in milliseconds.
pub fn percentiles(mut durations: Vec<Duration>) -> (f64, f64) {
    durations.sort_unstable();
    let at = |share: f64| {
        // The index is within the list by construction.
        let index = ((durations.len() - 1) as f64 * share).round() as usize;
        durations[index].as_secs_f64() * 1e3
    };
    (at(0.5), at(0.99))
}
