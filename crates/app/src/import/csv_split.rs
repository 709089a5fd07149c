use std::io;

use csv_core::{ReadRecordResult, Reader};

use super::window::{LINE_BYTES_MAX, Window};

/// The most that is handed to the CSV reader at once.
const FEED_BYTES: usize = 16 * 1024;

/// Splits CSV as RFC 4180 has it into values, record by record. It works on csv-core, because the
/// reader built on top of that has no bound on a record and can't go back behind a stray quote.
pub struct CsvSplitter {
    core: Reader,
    values: Vec<u8>,
    values_length: usize,
    ends: Vec<usize>,
    ends_length: usize,
}

/// What stands at the beginning of a window.
pub enum Split {
    /// Nothing.
    End,
    /// A record: bytes of its text, and with its line end.
    Record {
        /// Bytes without the line end.
        length: usize,
        /// Bytes with it.
        taken: usize,
    },
    /// A quote that is not closed before the end of the file or the limit of a line.
    Unclosed,
}

impl CsvSplitter {
    /// A splitter for commas and double quotes.
    pub fn new() -> Self {
        Self { core: Reader::new(), values: Vec::new(), values_length: 0, ends: vec![0; 64], ends_length: 0 }
    }

    /// Number of values of the last record.
    pub fn width(&self) -> usize {
        self.ends_length
    }

    /// The values of the last record, joined, and where each ends.
    pub fn values(&self) -> (&[u8], &[usize]) {
        (&self.values[..self.values_length], &self.ends[..self.ends_length])
    }

    /// Splits the record at the window's beginning, and takes nothing out of it.
    pub fn split(&mut self, window: &mut Window) -> io::Result<Split> {
        self.core.reset();
        (self.values_length, self.ends_length) = (0, 0);
        let mut fed = 0;
        loop {
            let input = &window.bytes()[fed..];
            if input.is_empty() {
                if fed > LINE_BYTES_MAX {
                    return Ok(Split::Unclosed);
                }
                if window.grow()? {
                    continue;
                }
                if fed == 0 {
                    return Ok(Split::End);
                }
                // A line end closes the file's last record, unless a quote is open.
                return Ok(match self.feed(b"\n") {
                    (true, _) => Split::Record { length: fed, taken: fed },
                    (false, _) => Split::Unclosed,
                });
            }
            let (complete, count) = self.feed(&input[..input.len().min(FEED_BYTES)]);
            fed += count;
            if complete {
                return self.complete(window, fed);
            }
        }
    }

    /// Feeds all of the input, or as much as completes a record.
    fn feed(&mut self, input: &[u8]) -> (bool, usize) {
        let mut fed = 0;
        loop {
            // One byte more than can come: the reader wants room even where it writes nothing.
            self.values.resize(self.values.len().max(self.values_length + input.len() + 1), 0);
            let (values, ends) = (&mut self.values[self.values_length..], &mut self.ends[self.ends_length..]);
            let (result, read, written, ended) = self.core.read_record(&input[fed..], values, ends);
            fed += read;
            self.values_length += written;
            self.ends_length += ended;
            match result {
                ReadRecordResult::Record => return (true, fed),
                ReadRecordResult::OutputEndsFull => self.ends.resize(2 * self.ends.len(), 0),
                _ if fed == input.len() => return (false, fed),
                _ => {}
            }
        }
    }

    /// Takes `\r\n` as one line end, where the reader stops between.
    fn complete(&self, window: &mut Window, fed: usize) -> io::Result<Split> {
        if window.bytes().len() == fed && window.bytes()[fed - 1] == b'\r' {
            window.grow()?;
        }
        let bytes = window.bytes();
        let pair = bytes[fed - 1] == b'\r' && bytes.get(fed) == Some(&b'\n');
        let taken = fed + usize::from(pair);
        let end = match bytes[..taken] {
            [.., b'\r', b'\n'] => 2,
            _ => 1,
        };
        Ok(Split::Record { length: taken - end, taken })
    }
}
