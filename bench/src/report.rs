//! The figures of one run, as a page.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::machine;

/// The figures of one run.
pub struct Report {
    head: String,
    targets: String,
    text: String,
    /// Whether rows can follow without a table's head.
    in_table: bool,
}

impl Report {
    /// An empty report; `command` is how to make it again.
    pub fn new(title: &str, command: &str) -> Self {
        let head = format!(
            "# {title}\n\n<!-- Written by `{command}`. -->\n\n\
             Command: `{command}`. Machine: {}, load {} at the start.\n\
             The load generator runs on the same cores; compare ratios, not absolute figures.\n",
            machine::describe(),
            machine::load()
        );
        Self { head, targets: String::new(), text: String::new(), in_table: false }
    }

    /// Begins a section.
    pub fn section(&mut self, title: &str) {
        println!("\n{title}");
        let _ = write!(self.text, "\n## {title}\n");
        self.in_table = false;
    }

    /// Adds one figure.
    pub fn row(&mut self, what: &str, measured: impl Into<String>) {
        let measured = measured.into();
        println!("  {what:<74} {measured}");
        if !self.in_table {
            self.text.push_str("\n| what | measured |\n|---|---|\n");
            self.in_table = true;
        }
        let _ = writeln!(self.text, "| {what} | {measured} |");
    }

    /// Adds a paragraph.
    pub fn say(&mut self, words: &str) {
        println!("  {words}");
        let _ = write!(self.text, "\n{words}\n");
        self.in_table = false;
    }

    /// Adds a table of its own.
    pub fn table(&mut self, heads: &[&str], rows: &[Vec<String>]) {
        println!("  {}", heads.join(" | "));
        let _ = write!(self.text, "\n| {} |\n|{}\n", heads.join(" | "), "---|".repeat(heads.len()));
        for row in rows {
            println!("  {}", row.join(" | "));
            let _ = writeln!(self.text, "| {} |", row.join(" | "));
        }
        self.in_table = false;
    }

    /// Says whether a figure is what it should be; all of them stand at the page's beginning.
    pub fn target(&mut self, what: &str, wanted: &str, measured: &str, is_met: bool) {
        let verdict = if is_met { "met" } else { "**missed**" };
        println!("  {what}: wanted {wanted}, measured {measured}: {verdict}");
        let _ = writeln!(self.targets, "| {what} | {wanted} | {measured} | {verdict} |");
    }

    /// Writes the report to a file, named from the project's root.
    pub fn write(self, file: &str) -> Result<()> {
        let Self { head, mut targets, text, .. } = self;
        if !targets.is_empty() {
            targets.insert_str(0, "\n| target | wanted | measured | |\n|---|---|---|---|\n");
        }
        std::fs::write(file, head + &targets + &text).with_context(|| format!("can't write {file}"))?;
        println!("\nwritten to {file}");
        Ok(())
    }
}

/// Median and 99th percentile of durations, in milliseconds.
///
/// # Panics
/// There is no duration.
pub fn percentiles(mut durations: Vec<Duration>) -> (f64, f64) {
    durations.sort_unstable();
    let at = |share: f64| {
        // The index is within the list by construction.
        let index = ((durations.len() - 1) as f64 * share).round() as usize;
        durations[index].as_secs_f64() * 1e3
    };
    (at(0.5), at(0.99))
}

/// The median of some figures.
///
/// # Panics
/// There is no figure.
pub fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
