use std::io::{self, Read};

use serde::{Deserialize, Serialize};

/// Bytes that one line may have.
pub const LINE_BYTES_MAX: usize = 1024 * 1024;
/// The most that is read at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// A place in a file between two lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Number of the line that begins here, from 1.
    pub line: u64,
    /// Unpacked bytes before it.
    pub offset: u64,
}

/// The part of a file that is being looked at: never more than a longest line and a chunk.
pub struct Window {
    source: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    at: Position,
}

impl Window {
    /// A window on the beginning of a file.
    pub fn new(source: Box<dyn Read + Send>) -> Self {
        let at = Position { line: 1, offset: 0 };
        Self { source, buffer: vec![0; 2 * CHUNK_BYTES], start: 0, end: 0, at }
    }

    /// What can be seen.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Where the window begins.
    pub fn at(&self) -> Position {
        self.at
    }

    /// Shows more; false at the end of the file. Callers stop at [`LINE_BYTES_MAX`].
    pub fn grow(&mut self) -> io::Result<bool> {
        if self.buffer.len() - self.end < CHUNK_BYTES {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.buffer.len() - self.end < CHUNK_BYTES {
            let larger = (2 * self.buffer.len()).min(LINE_BYTES_MAX + 4 * CHUNK_BYTES);
            self.buffer.resize(larger.max(self.end + CHUNK_BYTES), 0);
        }
        loop {
            match self.source.read(&mut self.buffer[self.end..self.end + CHUNK_BYTES]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(count) => {
                    self.end += count;
                    return Ok(count > 0);
                }
            }
        }
    }

    /// Leaves bytes behind and counts their line ends: `\n`, `\r\n`, and `\r` alone.
    pub fn consume(&mut self, count: usize) {
        let left = &self.buffer[self.start..self.start + count];
        let newlines = left.iter().filter(|b| **b == b'\n').count();
        let returns = if left.contains(&b'\r') {
            left.iter()
                .zip(left[1..].iter().chain([&0]))
                .filter(|(b, next)| **b == b'\r' && **next != b'\n')
                .count()
        } else {
            0
        };
        self.at.line += (newlines + returns) as u64;
        self.at.offset += count as u64;
        self.start += count;
    }

    /// Bytes to the end of the first line without its line end, and with it; none if the window
    /// does not show its end yet.
    pub fn line_end(&self) -> Option<(usize, usize)> {
        let bytes = self.bytes();
        let end = bytes.iter().position(|b| matches!(b, b'\n' | b'\r'))?;
        match &bytes[end..] {
            [b'\r', b'\n', ..] => Some((end, end + 2)),
            // Whether \n follows is not known yet.
            [b'\r'] => None,
            _ => Some((end, end + 1)),
        }
    }

    /// Goes to a place that an earlier reading of the same file reached.
    pub fn skip_to(&mut self, to: Position) -> io::Result<()> {
        while self.at.offset < to.offset {
            if self.start == self.end && !self.grow()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let left = usize::try_from(to.offset - self.at.offset).unwrap_or(usize::MAX);
            let count = left.min(self.end - self.start);
            self.start += count;
            self.at.offset += count as u64;
        }
        self.at = to;
        Ok(())
    }
}
