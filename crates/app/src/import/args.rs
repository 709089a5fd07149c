use std::path::PathBuf;

use anyhow::{Context as _, Result};
use jiff::tz::TimeZone;

use super::field::{Field, Mapping, constant};
use super::options::{BATCH_EVENTS, Format, ImportOptions};

/// Paragraphs are one line each, which clap wraps to the terminal.
const AFTER_HELP: &str = "\
Examples:
  suanpan import shop.csv --key spw_… --dry-run
  suanpan import shop.csv --key spw_… --map user=user_id --map order=properties.order_id
  suanpan import visits.ndjson.gz --key spw_… --map user.id=user_id --map user=-
  SUANPAN_KEY=spw_… suanpan import old.csv --time-zone Asia/Shanghai --text zip_code

The key: a write key made with 'suanpan keys create write --app APP --may-report-old'; others report \
only events of the last 30 days.

Columns: one named like a field is that field. So are these, unless a column has the field's own \
name, or --map or --set fills it:
  id         event_id, message_id, insert_id, uuid
  event      event_name, name
  time       timestamp, ts, event_time, datetime, created_at
  user_id    uid
  device_id  anonymous_id, distinct_id
  and such as sessionId, appVersion, lib; upper and lower case are the same
Any other column becomes a property of its name; one without a name is left out. A column (or key) \
'properties' with a JSON object gives one property for each entry.

Values: in CSV, empty is not set; a JSON number (no leading zero or plus, no whole number beyond \
2^53) is a number; true and false are booleans; the rest is text. NDJSON keeps its types.

Times: RFC 3339; 2026-03-01 08:00:00 with an optional fraction, or 2026-03-01, in --time-zone; 10 \
digits as seconds or 13 as milliseconds since 1970.

Ids: an event without an id gets one made of the file's content and its line number, so that the \
same file imported again, from wherever and however mapped, only makes duplicates, which count once.

Bad lines go to FILE.rejects.ndjson with line number and reason; the rest goes on. The exit code is \
then 2.

After an interruption run the same command again: it goes on where it stopped. Its place stands in \
FILE.suanpan-import.json until the import is done. A server that is away or busy is waited for, up \
to 10 minutes a request.";

/// What to import, and how, as the command line says it.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct ImportArgs {
    /// The file, CSV with a header or NDJSON; gzip is unpacked
    pub file: PathBuf,

    /// Write key of the app [required unless --dry-run]
    #[arg(long, env = "SUANPAN_KEY", hide_env_values = true, value_name = "KEY")]
    pub key: Option<String>,

    /// How the file is written [default: by its name: .csv, .ndjson, .jsonl, .json, each also with .gz]
    #[arg(long)]
    pub format: Option<Format>,

    /// Which field a column becomes: id, event, time, user_id, device_id, session_id, platform, app_version,
    /// library, properties.NAME, or - to leave it out; may be given many times
    #[arg(long, value_name = "COLUMN=FIELD")]
    pub map: Vec<Mapping>,

    /// A field with the same value for every event; may be given many times
    #[arg(long, value_name = "FIELD=VALUE", value_parser = constant)]
    pub set: Vec<(Field, String)>,

    /// IANA name of the zone of times without an offset
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = time_zone)]
    pub time_zone: TimeZone,

    /// A column whose numbers stay text, such as a zip code; may be given many times
    #[arg(long, value_name = "COLUMN")]
    pub text: Vec<String>,

    /// Send nothing: show the columns, the first events, and how many lines are good and bad
    #[arg(long)]
    pub dry_run: bool,

    /// Where bad lines go [default: FILE.rejects.ndjson]
    #[arg(long, value_name = "FILE")]
    pub rejects: Option<PathBuf>,

    /// Begin anew, even if an earlier import of this file was interrupted
    #[arg(long)]
    pub restart: bool,

    /// Events of one request at most, 1 to 10000; a server takes 1000 unless configured otherwise
    #[arg(long, value_name = "COUNT", default_value_t = BATCH_EVENTS, value_parser = batch_events)]
    pub batch_events: usize,
}

impl ImportOptions {
    /// What the command line asks for, and the write key.
    ///
    /// # Errors
    /// There is no key, and events are to be sent.
    pub fn from_args(args: ImportArgs) -> Result<(Self, String)> {
        let key = match args.key {
            Some(key) => key.trim().to_owned(),
            None if args.dry_run => String::new(),
            None => None.context(
                "no key: give a write key with --key or SUANPAN_KEY; \
                 'suanpan keys create write --app APP --may-report-old' makes one",
            )?,
        };
        let options = Self {
            file: args.file,
            format: args.format,
            map: args.map,
            constants: args.set,
            time_zone: args.time_zone,
            text_columns: args.text,
            dry_run: args.dry_run,
            rejects: args.rejects,
            resume: !args.restart,
            batch_events: args.batch_events,
            progress: true,
        };
        Ok((options, key))
    }
}

fn time_zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name)
        .map_err(|_unknown| format!("no time zone is called '{name}'; write one such as Asia/Shanghai"))
}

fn batch_events(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| (1..=10_000).contains(count));
    count.ok_or_else(|| "write a number from 1 to 10000".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        import: ImportArgs,
    }

    #[test]
    fn the_command_line_becomes_options() {
        let line = "import shop.csv --key spw_1 --map user=user_id --map x=- --set event=buy --text zip \
                    --time-zone Asia/Shanghai --format ndjson --restart --batch-events 9 --rejects bad";
        let args = Line::try_parse_from(line.split_whitespace()).unwrap().import;
        let (options, key) = ImportOptions::from_args(args).unwrap();
        assert_eq!(key, "spw_1");
        assert_eq!(options.map.len(), 2);
        assert_eq!(options.constants, [(Field::Event, "buy".to_owned())]);
        assert_eq!(options.time_zone.iana_name(), Some("Asia/Shanghai"));
        assert_eq!(options.format, Some(Format::Ndjson));
        assert_eq!((options.resume, options.batch_events, options.dry_run), (false, 9, false));
        assert_eq!(options.rejects_file(), PathBuf::from("bad"));
    }

    #[test]
    fn a_wrong_command_line_is_refused() {
        let check = |line: &str, part: &str| {
            let error = Line::try_parse_from(line.split_whitespace()).err().unwrap().to_string();
            assert!(error.contains(part), "{line}: {error}");
        };
        check("import shop.csv --map a=b", "no field 'b'");
        check("import shop.csv --time-zone Asia/Nowhere", "Asia/Shanghai");
        check("import shop.csv --batch-events 0", "1 to 10000");
        check("import", "<FILE>");
    }
}
