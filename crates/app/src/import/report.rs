use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::counts::{Counts, Reason};
use super::preview::Preview;

/// What became of a file. The counts are of the whole import, over all its runs:
/// `lines` = `accepted` + `duplicate` + `rejected`; for a dry run, lines that would be sent are
/// none of these.
#[derive(Debug, Default)]
pub struct ImportReport {
    /// The file.
    pub file: PathBuf,
    /// Lines, without a header and blank ones.
    pub lines: u64,
    /// Events on the server's disk, with or without a warning.
    pub accepted: u64,
    /// Of these, events about which something was odd.
    pub warnings: u64,
    /// Events whose id another event of the same request had. Events that came in an earlier
    /// request count as accepted here, and are recognised as duplicates later.
    pub duplicate: u64,
    /// Lines that are no event, or one that the gateway refused.
    pub rejected: u64,
    /// Lines that earlier, interrupted runs had done.
    pub skipped_before_resume: u64,
    /// Time this run took.
    pub elapsed: Duration,
    /// Where the rejected lines stand, if there are any.
    pub rejects_file: Option<PathBuf>,
    /// Why lines were rejected, by code.
    pub rejections: BTreeMap<String, Reason>,
    /// What was odd about accepted events, by code.
    pub oddities: BTreeMap<String, Reason>,
    /// Of a dry run.
    pub preview: Option<Preview>,
}

impl ImportReport {
    /// A report of these counts.
    pub fn new(file: PathBuf, counts: Counts) -> Self {
        Self {
            file,
            lines: counts.lines,
            accepted: counts.accepted,
            warnings: counts.warnings,
            duplicate: counts.duplicate,
            rejected: counts.rejected,
            rejections: counts.rejections,
            oddities: counts.oddities,
            ..Self::default()
        }
    }
}

impl fmt::Display for ImportReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(preview) = &self.preview {
            write!(f, "{preview}")?;
            writeln!(
                f,
                "{} of {} lines can be sent.",
                grouped(self.lines - self.rejected),
                grouped(self.lines)
            )?;
            reasons(f, "  ", &self.rejections)?;
            return write!(f, "Nothing was sent: this was a dry run.");
        }
        let seconds = self.elapsed.as_secs_f64().max(0.001);
        let now = self.lines - self.skipped_before_resume;
        writeln!(
            f,
            "{}: {} lines in {seconds:.1} s, {} lines/s",
            self.file.display(),
            grouped(now),
            grouped((now as f64 / seconds) as u64)
        )?;
        if self.skipped_before_resume > 0 {
            let before = grouped(self.skipped_before_resume);
            writeln!(f, "  {before} more were done before; these are the counts of all:")?;
        }
        writeln!(f, "  accepted  {:>12}", grouped(self.accepted))?;
        if self.warnings > 0 {
            writeln!(f, "    with a warning  {:>4}", grouped(self.warnings))?;
            reasons(f, "    ", &self.oddities)?;
        }
        writeln!(f, "  duplicate {:>12}", grouped(self.duplicate))?;
        if self.duplicate > 0 {
            writeln!(
                f,
                "    these have the id of another line; is the id's column different for every event?"
            )?;
        }
        write!(f, "  rejected  {:>12}", grouped(self.rejected))?;
        if self.rejected > 0 {
            writeln!(f)?;
            reasons(f, "    ", &self.rejections)?;
        }
        if let Some(file) = &self.rejects_file {
            write!(f, "  The rejected lines stand in {}", file.display())?;
        }
        Ok(())
    }
}

fn reasons(f: &mut fmt::Formatter<'_>, indent: &str, reasons: &BTreeMap<String, Reason>) -> fmt::Result {
    for (code, reason) in reasons {
        let (count, line, message) = (grouped(reason.count), reason.first_line, &reason.message);
        writeln!(f, "{indent}{code} {count}, first in line {line}: {message}")?;
    }
    Ok(())
}

/// A count with a comma after every three digits.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_by_three() {
        let check = |count: u64, expected: &str| assert_eq!(grouped(count), expected);
        check(0, "0");
        check(999, "999");
        check(1000, "1,000");
        check(1_234_567, "1,234,567");
    }
}
