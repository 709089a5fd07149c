use std::fmt;

use anyhow::{Context as _, Result};

use super::bad_line::Reject;
use super::counts::Counts;
use super::draft::Drafter;
use super::records::Records;
use super::report::ImportReport;
use super::seen::Seen;
use super::survey::header;
use super::{Format, ImportOptions, file};

/// Events that are shown.
const EVENTS_SHOWN: usize = 3;

/// What a dry run found.
#[derive(Debug, Default)]
pub struct Preview {
    /// The first events, as JSON, as they would be sent.
    pub events: Vec<String>,
    /// The columns and what they become.
    pub columns: Seen,
}

/// Makes events of a whole file without sending them. Blocks.
///
/// # Errors
/// The file can't be read.
pub fn run(options: &ImportOptions, format: Format, mut drafter: Drafter) -> Result<ImportReport> {
    let shown = || format!("can't read {}", options.file.display());
    let source = file::open(&options.file)?;
    let mut records = Records::new(source.reader, format).with_context(shown)?;
    if format == Format::Csv {
        let names = header(&mut records)?.with_context(shown)?;
        records.expect_width(names.len());
        drafter.expect_columns(&names);
    }
    drafter.observe();
    let mut preview = Preview::default();
    let mut counts = Counts::default();
    let mut json = Vec::new();
    while let Some(found) = records.next().with_context(shown)? {
        counts.lines += 1;
        json.clear();
        match found.content.and_then(|content| drafter.write(found.line, &content, &mut json)) {
            Err(bad) => counts.reject(&Reject::new(found.line, bad, b"")),
            Ok(_) if preview.events.len() < EVENTS_SHOWN => {
                preview.events.push(String::from_utf8_lossy(&json).into_owned());
            }
            Ok(_) => {}
        }
    }
    preview.columns = drafter.seen();
    Ok(ImportReport { preview: Some(preview), ..ImportReport::new(options.file.clone(), counts) })
}

impl fmt::Display for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Columns, the fields they become, and the values met:\n{}", self.columns)?;
        writeln!(f, "The first events as they would be sent:")?;
        for event in &self.events {
            writeln!(f, "  {event}")?;
        }
        writeln!(f)
    }
}
