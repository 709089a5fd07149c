use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::counts::Counts;
use super::report::grouped;

/// Shows people how far an import is: a bar where standard error is a terminal, and what is
/// waited for in any case.
pub struct Progress {
    bar: ProgressBar,
    speaks: bool,
    started: Instant,
    lines_before: u64,
}

impl Progress {
    /// Progress over a file of this many bytes, in which earlier runs did some lines.
    pub fn new(file_bytes: u64, lines_before: u64, speaks: bool) -> Self {
        let bar = if speaks { ProgressBar::new(file_bytes) } else { ProgressBar::hidden() };
        let template = "{bar:32} {percent:>3} %  {bytes} of {total_bytes}  {msg}  {eta} left";
        bar.set_style(ProgressStyle::with_template(template).expect("the template is right"));
        Self { bar, speaks, started: Instant::now(), lines_before }
    }

    /// Says a sentence.
    pub fn note(&self, text: &str) {
        if self.speaks {
            self.bar.suspend(|| eprintln!("suanpan: {text}"));
        }
    }

    /// Shows that the file is done up to here.
    pub fn reached(&self, file_bytes: u64, counts: &Counts) {
        let seconds = self.started.elapsed().max(Duration::from_millis(1)).as_secs_f64();
        let rate = (counts.lines - self.lines_before) as f64 / seconds;
        let rejected = match counts.rejected {
            0 => String::new(),
            rejected => format!(", {} rejected", grouped(rejected)),
        };
        let lines = grouped(counts.lines);
        self.bar.set_message(format!("{lines} lines, {}/s{rejected}", grouped(rate as u64)));
        self.bar.set_position(file_bytes);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
