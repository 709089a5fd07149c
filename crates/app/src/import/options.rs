use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use jiff::tz::TimeZone;

use super::draft::ContentHash;
use super::field::{Field, Mapping};

/// Events of one request, unless said otherwise.
pub const BATCH_EVENTS: usize = 500;

/// How a file's lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Values separated by commas, below a header that names the columns
    Csv,
    /// One JSON object a line
    Ndjson,
}

/// What to import, and how.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// The file; gzip is unpacked.
    pub file: PathBuf,
    /// How it is written; none goes by its name.
    pub format: Option<Format>,
    /// Columns that become something else than their name says.
    pub map: Vec<Mapping>,
    /// Values that every event gets.
    pub constants: Vec<(Field, String)>,
    /// The zone of times without an offset.
    pub time_zone: TimeZone,
    /// Columns whose numbers and booleans stay text.
    pub text_columns: Vec<String>,
    /// Send nothing, and say what would be sent.
    pub dry_run: bool,
    /// Where bad lines go; none is the file's name with `.rejects.ndjson`.
    pub rejects: Option<PathBuf>,
    /// Go on where an interrupted import of the same file stopped.
    pub resume: bool,
    /// Events of one request at most.
    pub batch_events: usize,
    /// Show a progress bar where standard error is a terminal, and say what is waited for.
    pub progress: bool,
}

/// The gateway to report to.
#[derive(Clone)]
pub struct Target {
    /// Its URL, such as `http://127.0.0.1:8765`.
    pub url: String,
    /// A write key.
    pub key: String,
}

impl ImportOptions {
    /// The defaults for a file, with some columns mapped to fields.
    pub fn new(file: PathBuf, map: &[(&str, &str)]) -> Self {
        let mapping = |(column, field): &(&str, &str)| Mapping {
            column: (*column).to_owned(),
            to: Some(field.parse().expect("a mapping in the code names a field")),
        };
        Self {
            file,
            format: None,
            map: map.iter().map(mapping).collect(),
            constants: Vec::new(),
            time_zone: TimeZone::UTC,
            text_columns: Vec::new(),
            dry_run: false,
            rejects: None,
            resume: true,
            batch_events: BATCH_EVENTS,
            progress: true,
        }
    }

    /// How the file is written.
    ///
    /// # Errors
    /// Neither an option nor the name says it.
    pub fn format(&self) -> Result<Format> {
        if let Some(format) = self.format {
            return Ok(format);
        }
        let name = self.file.to_string_lossy().to_lowercase();
        match Path::new(name.strip_suffix(".gz").unwrap_or(&name)).extension().and_then(|e| e.to_str()) {
            Some("csv") => Ok(Format::Csv),
            Some("ndjson" | "jsonl" | "json") => Ok(Format::Ndjson),
            _ => bail!(
                "the name {} does not tell the format: say --format csv or --format ndjson",
                self.file.display()
            ),
        }
    }

    /// Where bad lines go.
    pub fn rejects_file(&self) -> PathBuf {
        self.rejects.clone().unwrap_or_else(|| beside(&self.file, &self.file, "rejects.ndjson"))
    }

    /// Where the import keeps its place: beside the rejects.
    pub fn state_file(&self) -> PathBuf {
        beside(&self.rejects_file(), &self.file, "suanpan-import.json")
    }

    /// Tells two imports of one file apart where going on with one as the other would be wrong:
    /// in what becomes of a line, and in who gets it. The key can't be read back from it.
    pub fn fingerprint(&self, format: Format, target: &Target) -> String {
        let zone = self.time_zone.iana_name().map_or_else(|| format!("{:?}", self.time_zone), str::to_owned);
        let parts = (format, &self.map, &self.constants, zone, &self.text_columns, &target.url, &target.key);
        ContentHash::of(format!("{parts:?}").as_bytes()).hex()
    }
}

fn beside(neighbour: &Path, file: &Path, ending: &str) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_os_string();
    name.push(".");
    name.push(ending);
    neighbour.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_tells_the_format() {
        let check = |name: &str, expected: Option<Format>| {
            assert_eq!(ImportOptions::new(name.into(), &[]).format().ok(), expected, "{name}");
        };
        check("a/shop.csv", Some(Format::Csv));
        check("shop.CSV.GZ", Some(Format::Csv));
        check("shop.ndjson", Some(Format::Ndjson));
        check("shop.jsonl.gz", Some(Format::Ndjson));
        check("shop.txt", None);
        check("csv", None);
    }

    #[test]
    fn what_an_import_writes_lies_beside_the_file() {
        let mut options = ImportOptions::new("a/shop.csv.gz".into(), &[]);
        assert_eq!(options.rejects_file(), Path::new("a/shop.csv.gz.rejects.ndjson"));
        assert_eq!(options.state_file(), Path::new("a/shop.csv.gz.suanpan-import.json"));
        options.rejects = Some("b/bad.ndjson".into());
        assert_eq!(options.rejects_file(), Path::new("b/bad.ndjson"));
        assert_eq!(options.state_file(), Path::new("b/shop.csv.gz.suanpan-import.json"));
    }

    #[test]
    fn the_fingerprint_follows_what_is_sent_and_where() {
        let target = Target { url: "http://a".into(), key: "k".into() };
        let options = ImportOptions::new("shop.csv".into(), &[]);
        let same = options.fingerprint(Format::Csv, &target);
        let mut other = options.clone();
        other.batch_events = 7;
        other.file = "moved.csv".into();
        assert_eq!(other.fingerprint(Format::Csv, &target), same);
        other.text_columns.push("a".to_owned());
        assert_ne!(other.fingerprint(Format::Csv, &target), same);
        assert_ne!(options.fingerprint(Format::Csv, &Target { key: "l".into(), ..target }), same);
    }
}
