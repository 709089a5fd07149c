use std::io::{self, Read};

use super::Format;
use super::bad_line::BadLine;
use super::csv_split::{CsvSplitter, Split};
use super::window::{LINE_BYTES_MAX, Position, Window};

/// Bytes of an overlong line that are kept to show it.
const EXCERPT_BYTES: usize = 4 * 1024;

/// Reads a file line by line, where a line is a CSV record (which may span several lines of text)
/// or one line of NDJSON. Blank lines are passed over.
///
/// A line that can't be read costs no more than itself: where a quote is never closed, or a
/// record over several lines has the wrong number of values, reading goes on after the *first*
/// of its lines, since a stray quote would else swallow its neighbours.
pub struct Records {
    window: Window,
    /// For CSV.
    splitter: Option<CsvSplitter>,
    /// Values a CSV record must have.
    width: Option<usize>,
    /// Bytes of the last line handed out, still in the window.
    taken: usize,
    excerpt: Vec<u8>,
}

/// A line, or why it can't be read.
pub struct Found<'r> {
    /// Where it begins, from 1.
    pub line: u64,
    /// It as it stands in the file, without its line end.
    pub text: &'r [u8],
    /// What it holds.
    pub content: Result<Content<'r>, BadLine>,
}

/// What a line holds.
pub enum Content<'r> {
    /// A CSV record.
    Cells(Cells<'r>),
    /// A line of NDJSON, which may be anything.
    Json(&'r str),
}

/// The values of a CSV record.
pub struct Cells<'r> {
    text: &'r str,
    ends: &'r [usize],
}

impl<'r> Cells<'r> {
    /// The values in order.
    pub fn iter(&self) -> impl Iterator<Item = &'r str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(self.ends).map(|(start, &end)| &self.text[start..end])
    }
}

/// Which bytes of the window are the next line.
enum Next {
    End,
    /// Bytes of the text, and with its line end.
    Record(usize, usize),
    /// The same, for a line that can't be read.
    Bad(usize, usize, BadLine),
    /// Passed already; its beginning is kept.
    TooLong(u64),
}

impl Records {
    /// Reads from the beginning, behind a byte order mark.
    ///
    /// # Errors
    /// The file can't be read, or is UTF-16.
    pub fn new(source: Box<dyn Read + Send>, format: Format) -> io::Result<Self> {
        let mut window = Window::new(source);
        while window.bytes().len() < 3 && window.grow()? {}
        match window.bytes() {
            [0xEF, 0xBB, 0xBF, ..] => window.consume(3),
            [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => {
                let message =
                    "it is UTF-16; save it as UTF-8, or convert it: iconv -f UTF-16 -t UTF-8 FILE > NEW";
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
            _ => {}
        }
        let splitter = (format == Format::Csv).then(CsvSplitter::new);
        Ok(Self { window, splitter, width: None, taken: 0, excerpt: Vec::new() })
    }

    /// From now on a CSV record with another number of values is a bad line.
    pub fn expect_width(&mut self, width: usize) {
        self.width = Some(width);
    }

    /// Where the next line, or the blank lines before it, begin.
    pub fn position(&mut self) -> Position {
        self.window.consume(std::mem::take(&mut self.taken));
        self.window.at()
    }

    /// Goes to a place that [`Self::position`] named in an earlier reading.
    ///
    /// # Errors
    /// The file can't be read, or ends before.
    pub fn skip_to(&mut self, to: Position) -> io::Result<()> {
        self.position();
        self.window.skip_to(to)
    }

    /// The next line; none at the end of the file.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn next(&mut self) -> io::Result<Option<Found<'_>>> {
        self.skip_blank_lines()?;
        let line = self.window.at().line;
        let found = match self.find()? {
            Next::End => return Ok(None),
            Next::TooLong(bytes) => {
                let message = format!("{bytes} bytes; a line may have {LINE_BYTES_MAX}");
                Found { line, text: &self.excerpt, content: Err(BadLine::new("line_too_long", "", message)) }
            }
            Next::Bad(length, taken, bad) => {
                self.taken = taken;
                Found { line, text: &self.window.bytes()[..length], content: Err(bad) }
            }
            Next::Record(length, taken) => {
                self.taken = taken;
                let text = &self.window.bytes()[..length];
                Found { line, text, content: content(text, self.splitter.as_ref()) }
            }
        };
        Ok(Some(found))
    }

    fn skip_blank_lines(&mut self) -> io::Result<()> {
        self.position();
        loop {
            let blank = self.window.bytes().iter().take_while(|b| matches!(b, b'\n' | b'\r')).count();
            self.window.consume(blank);
            // A line of NDJSON may be blank with spaces in it; a CSV record of spaces is a value.
            if let (None, Some((length, taken))) = (&self.splitter, self.window.line_end())
                && self.window.bytes()[..length].trim_ascii().is_empty()
            {
                self.window.consume(taken);
            } else if !self.window.bytes().is_empty() || !self.window.grow()? {
                return Ok(());
            }
        }
    }

    fn find(&mut self) -> io::Result<Next> {
        let Some(splitter) = &mut self.splitter else { return self.first_line(None) };
        let (length, taken) = match splitter.split(&mut self.window)? {
            Split::End => return Ok(Next::End),
            Split::Record { length, taken } => (length, taken),
            Split::Unclosed => return self.first_line(Some(stray_quote())),
        };
        let spans_lines = self.window.bytes()[..length].iter().any(|b| matches!(b, b'\n' | b'\r'));
        if spans_lines && !quotes_enclose_values(&self.window.bytes()[..length]) {
            return self.first_line(Some(stray_quote()));
        }
        if length > LINE_BYTES_MAX {
            let message =
                format!("a record over several lines of {length} bytes; it may have {LINE_BYTES_MAX}");
            return self.first_line(Some(BadLine::new("line_too_long", "", message)));
        }
        match (splitter.width(), self.width) {
            (given, Some(expected)) if given != expected => {
                let values = if given == 1 { "value" } else { "values" };
                let message = format!("{given} {values}; the header names {expected} columns");
                self.first_line(Some(BadLine::new("csv_width", "", message)))
            }
            _ => Ok(Next::Record(length, taken)),
        }
    }

    /// The first line of text, whole.
    fn first_line(&mut self, bad: Option<BadLine>) -> io::Result<Next> {
        let (length, taken) = loop {
            if let Some(end) = self.window.line_end() {
                break end;
            }
            let shown = self.window.bytes().len();
            if shown > LINE_BYTES_MAX {
                return self.pass_long_line();
            }
            if !self.window.grow()? {
                let length = self.window.bytes().trim_ascii_end().len();
                break (length, shown);
            }
        };
        Ok(match bad {
            _ if taken == 0 || (bad.is_none() && length == 0) => Next::End,
            _ if length > LINE_BYTES_MAX => return self.pass_long_line(),
            Some(bad) => Next::Bad(length, taken, bad),
            None => Next::Record(length, taken),
        })
    }

    fn pass_long_line(&mut self) -> io::Result<Next> {
        self.excerpt = self.window.bytes()[..EXCERPT_BYTES].to_vec();
        let mut bytes = 0;
        loop {
            if let Some((length, taken)) = self.window.line_end() {
                self.window.consume(taken);
                return Ok(Next::TooLong(bytes + length as u64));
            }
            // A last \r stays, until it is known what follows.
            let passed = self.window.bytes().len().saturating_sub(1);
            self.window.consume(passed);
            bytes += passed as u64;
            if !self.window.grow()? {
                let rest = self.window.bytes().len();
                self.window.consume(rest);
                return Ok(Next::TooLong(bytes + rest as u64));
            }
        }
    }
}

fn stray_quote() -> BadLine {
    BadLine::new("csv_quote", "", "a quote is opened in this line and not closed")
}

/// Whether each closing quote of a record ends a value. The CSV reader does not mind other ones; where
/// they join several lines, they are hardly what was meant.
fn quotes_enclose_values(record: &[u8]) -> bool {
    let mut rest = record;
    loop {
        if let [b'"', quoted @ ..] = rest {
            let Some(end) = quoted.iter().position(|b| *b == b'"') else { return false };
            rest = match &quoted[end + 1..] {
                // A doubled quote is a part of the value, which goes on as if opened again.
                again @ [b'"', ..] => again,
                [b',', next @ ..] => next,
                after => return after.is_empty(),
            };
        } else {
            let Some(end) = rest.iter().position(|b| *b == b',') else { return true };
            rest = &rest[end + 1..];
        }
    }
}

fn content<'r>(text: &'r [u8], splitter: Option<&'r CsvSplitter>) -> Result<Content<'r>, BadLine> {
    let text = std::str::from_utf8(text).map_err(|error| {
        let message = format!(
            "not UTF-8 from byte {} of the line on; convert the file, such as by iconv -f GB18030 -t UTF-8",
            error.valid_up_to() + 1
        );
        BadLine::new("not_utf8", "", message)
    })?;
    Ok(match splitter {
        None => Content::Json(text),
        Some(splitter) => {
            let (values, ends) = splitter.values();
            let values =
                std::str::from_utf8(values).expect("parts of UTF-8 between ASCII characters are UTF-8");
            Content::Cells(Cells { text: values, ends })
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every line as `number: values` or `number! code text`.
    fn read(format: Format, width: Option<usize>, text: &[u8]) -> Vec<String> {
        let mut records = Records::new(Box::new(io::Cursor::new(text.to_vec())), format).unwrap();
        if let Some(width) = width {
            records.expect_width(width);
        }
        let mut seen = Vec::new();
        while let Some(found) = records.next().unwrap() {
            let text = String::from_utf8_lossy(found.text).chars().take(20).collect::<String>();
            seen.push(match found.content {
                Ok(Content::Cells(cells)) => {
                    format!("{}: {}", found.line, cells.iter().collect::<Vec<_>>().join("|"))
                }
                Ok(Content::Json(json)) => format!("{}: {json}", found.line),
                Err(bad) => format!("{}! {} {text}", found.line, bad.code),
            });
        }
        seen
    }

    #[test]
    fn csv_records_know_their_line() {
        let check = |text: &str, expected: &[&str]| {
            assert_eq!(read(Format::Csv, None, text.as_bytes()), expected, "{text:?}");
        };
        check("a,b\n1,2\n", &["1: a|b", "2: 1|2"]);
        check("\u{feff}a,b\r\n1,2\r\n3,4", &["1: a|b", "2: 1|2", "3: 3|4"]);
        check("\n\na,b\n\n1,\"2\n3\"\n4,5", &["3: a|b", "5: 1|2\n3", "7: 4|5"]);
        check("a\r1\r2", &["1: a", "2: 1", "3: 2"]);
        check("a,\"b \"\"c\"\"\"\n1,5\" pipe\n", &["1: a|b \"c\"", "2: 1|5\" pipe"]);
        check(",\n", &["1: |"]);
        check("", &[]);
        check("\n\r\n", &[]);
    }

    #[test]
    fn a_bad_csv_line_costs_only_itself() {
        let check = |text: &[u8], expected: &[&str]| {
            assert_eq!(read(Format::Csv, Some(2), text), expected, "{:?}", String::from_utf8_lossy(text));
        };
        check(b"1,2\n3\n4,5\n", &["1: 1|2", "2! csv_width 3", "3: 4|5"]);
        check(b"1,\"2\n3,4\n5,6\n", &["1! csv_quote 1,\"2", "2: 3|4", "3: 5|6"]);
        check(b"1,\"2\r\n3,4\r\n5,\"6\"\r\n7,8", &["1! csv_quote 1,\"2", "2: 3|4", "3: 5|6", "4: 7|8"]);
        check(b"1,2\n\"3\n\",\"4 \"\"x\"\"\n\"\"\"\n5,6", &["1: 1|2", "2: 3\n|4 \"x\"\n\"", "5: 5|6"]);
        check(b"1,2,\"3\n4\"\n5,6", &["1! csv_width 1,2,\"3", "2! csv_width 4\"", "3: 5|6"]);
        check(b"1,\xff\xfe\n3,4\n", &["1! not_utf8 1,\u{fffd}\u{fffd}", "2: 3|4"]);
        check(b"1,\"", &["1! csv_quote 1,\""]);
    }

    #[test]
    fn ndjson_lines_know_their_number() {
        let check = |text: &str, expected: &[&str]| {
            assert_eq!(read(Format::Ndjson, None, text.as_bytes()), expected, "{text:?}");
        };
        check("{}\n\n  \n[1]\r\n{}", &["1: {}", "4: [1]", "5: {}"]);
        check("  \n", &[]);
        check("  ", &[]);
        check("\u{feff}{}", &["1: {}"]);
    }

    #[test]
    fn an_overlong_line_is_passed_over() {
        for length in [LINE_BYTES_MAX + 1, LINE_BYTES_MAX + 100_000, 5 * LINE_BYTES_MAX] {
            let long = "x".repeat(length);
            for end in ["\n", "\r\n"] {
                let text = format!("1,2{end}{long}{end}3,4");
                let expected =
                    ["1: 1|2".to_owned(), format!("2! line_too_long {}", &long[..20]), "3: 3|4".to_owned()];
                assert_eq!(read(Format::Csv, Some(2), text.as_bytes()), expected, "{length}");
                let expected =
                    ["1: 1,2".to_owned(), format!("2! line_too_long {}", &long[..20]), "3: 3,4".to_owned()];
                assert_eq!(read(Format::Ndjson, None, text.as_bytes()), expected, "{length}");
            }
        }
        let longest = "y".repeat(LINE_BYTES_MAX);
        assert_eq!(read(Format::Ndjson, None, format!("{longest}\n").as_bytes()), [format!("1: {longest}")]);
        assert_eq!(read(Format::Csv, Some(1), longest.as_bytes()), [format!("1: {longest}")]);
    }

    #[test]
    fn a_quote_that_is_never_closed_does_not_swallow_a_long_file() {
        let text = format!("1,\"2\n{}", "3,4\n".repeat(LINE_BYTES_MAX / 2));
        let seen = read(Format::Csv, Some(2), text.as_bytes());
        assert_eq!(seen[0], "1! csv_quote 1,\"2");
        assert_eq!(seen.len(), 1 + LINE_BYTES_MAX / 2);
    }

    #[test]
    fn reading_goes_on_from_a_position() {
        let text = "a,b\r\n1,\"x\r\ny\"\r\n\r\n2,z\r\n3,w";
        let open = || Records::new(Box::new(io::Cursor::new(text)), Format::Csv).unwrap();
        let mut records = open();
        let mut positions = vec![records.position()];
        let mut lines = Vec::new();
        while let Some(found) = records.next().unwrap() {
            lines.push(found.line);
            positions.push(records.position());
        }
        assert_eq!(lines, [1, 2, 5, 6]);
        assert_eq!(positions[4], Position { line: 6, offset: text.len() as u64 });
        for (at, line) in lines.iter().enumerate() {
            let mut again = open();
            again.next().unwrap();
            if at > 0 {
                again.skip_to(positions[at]).unwrap();
                assert_eq!(again.next().unwrap().unwrap().line, *line);
            }
        }
    }

    #[test]
    fn utf_16_is_refused_with_a_way_out() {
        let error = Records::new(Box::new(io::Cursor::new(b"\xff\xfea\0")), Format::Csv).err().unwrap();
        assert!(error.to_string().contains("iconv -f UTF-16"));
    }
}
