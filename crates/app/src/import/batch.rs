use std::ops::Range;
use std::sync::atomic::Ordering;

use anyhow::{Context as _, Result, ensure};
use tokio::sync::mpsc;

use super::bad_line::Reject;
use super::draft::Drafter;
use super::file::{self, Identity};
use super::records::Records;
use super::survey::header;
use super::window::Position;
use super::{Format, ImportOptions};

/// Bytes of the events of one batch, unless a single event is larger. Well below the 6 MiB that a
/// gateway takes, even where gzip gains nothing.
pub const BATCH_BYTES: usize = 900_000;

/// Some lines in a row: what is acknowledged together.
#[derive(Default)]
pub struct Batch {
    /// The lines that became events.
    pub events: Vec<Drafted>,
    /// Those that did not.
    pub bad: Vec<Reject>,
    /// Where the line after these begins.
    pub next: Option<Position>,
    /// Bytes of the file that were read up to here.
    pub file_bytes: u64,
    json: Vec<u8>,
    source_bytes: usize,
}

/// A line that became an event.
pub struct Drafted {
    /// Its number.
    pub line: u64,
    /// It as it stands in the file, for the rejects.
    pub text: String,
    json: Range<usize>,
}

impl Batch {
    /// Number of lines.
    pub fn lines(&self) -> u64 {
        (self.events.len() + self.bad.len()) as u64
    }

    /// The events as JSON.
    pub fn json(&self) -> Vec<&[u8]> {
        self.events.iter().map(|event| &self.json[event.json.clone()]).collect()
    }

    fn is_full(&self, events_max: usize) -> bool {
        self.lines() >= events_max as u64 || self.json.len().max(self.source_bytes) >= BATCH_BYTES
    }
}

/// A file to be cut into batches.
pub struct Cutting {
    /// What to import.
    pub options: ImportOptions,
    /// How it is written.
    pub format: Format,
    /// What the file was when the import began.
    pub identity: Identity,
    /// Makes events of lines.
    pub drafter: Drafter,
    /// Where to begin; none is the first line.
    pub from: Option<Position>,
}

impl Cutting {
    /// Reads the file and sends its batches, until the receiver is gone. Blocks.
    ///
    /// # Errors
    /// The file can't be read, or is no more what it was.
    pub fn run(mut self, batches: &mpsc::Sender<Batch>) -> Result<()> {
        let shown = self.options.file.display().to_string();
        let source = file::open(&self.options.file)?;
        let mut records =
            Records::new(source.reader, self.format).with_context(|| format!("can't read {shown}"))?;
        if self.format == Format::Csv {
            let names = header(&mut records)?.with_context(|| format!("{shown} is empty"))?;
            records.expect_width(names.len());
            self.drafter.expect_columns(&names);
        }
        if let Some(from) = self.from {
            records.skip_to(from).with_context(|| format!("can't go on in {shown}"))?;
        }
        loop {
            let mut batch = self.cut(&mut records).with_context(|| format!("can't read {shown}"))?;
            batch.file_bytes = source.read_bytes.load(Ordering::Relaxed);
            if batch.lines() == 0 {
                break;
            }
            if batches.blocking_send(batch).is_err() {
                return Ok(());
            }
        }
        let read = records.position().offset;
        ensure!(
            read == self.identity.unpacked_bytes,
            "{shown} was changed while it was imported: it had {} bytes and now {read}; when it is complete, import \
             it again with --restart",
            self.identity.unpacked_bytes
        );
        Ok(())
    }

    fn cut(&mut self, records: &mut Records) -> std::io::Result<Batch> {
        let mut batch = Batch::default();
        while !batch.is_full(self.options.batch_events) {
            let Some(found) = records.next()? else { break };
            batch.source_bytes += found.text.len();
            let line = found.line;
            let drafted =
                found.content.and_then(|content| self.drafter.write(line, &content, &mut batch.json));
            match drafted {
                Ok(json) => {
                    let text = String::from_utf8_lossy(found.text).into_owned();
                    batch.events.push(Drafted { line, text, json });
                }
                Err(bad) => batch.bad.push(Reject::new(line, bad, found.text)),
            }
        }
        batch.next = Some(records.position());
        Ok(batch)
    }
}
