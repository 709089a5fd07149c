use std::ops::Range;

use jiff::tz::TimeZone;
use sha2::{Digest as _, Sha256};
use suanpan_event::properties::{Properties, kind_of};
use uuid::Uuid;

use super::ImportOptions;
use super::bad_line::BadLine;
use super::cell::{Cell, write_text};
use super::columns::Columns;
use super::field::Field;
use super::records::{Cells, Content};
use super::seen::Seen;
use super::times::read_time;

/// The namespace of ids that an import derives; never to be changed, since files imported again
/// are recognised by it.
const IMPORT_IDS: Uuid = Uuid::from_u128(0x6f0c_2b5e_90a4_4d0e_8f53_c1b7_42d8_1e6a);

/// SHA-256 of a file's content, unpacked: what makes it the same file wherever it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentHash(pub [u8; 32]);

impl ContentHash {
    /// The hash of a whole content.
    pub fn of(content: &[u8]) -> Self {
        Self(Sha256::digest(content).into())
    }

    /// As hexadecimal digits.
    pub fn hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The id of the event in a line that names none: a UUID version 5 of the hash and the line's
    /// number as 8 bytes, big-endian. It changes neither with the file's path nor with the mapping.
    pub fn event_id(self, line: u64) -> Uuid {
        let mut name = [0; 40];
        name[..32].copy_from_slice(&self.0);
        name[32..].copy_from_slice(&line.to_be_bytes());
        Uuid::new_v5(&IMPORT_IDS, &name)
    }
}

/// Makes events of lines.
pub struct Drafter {
    columns: Columns,
    file: ContentHash,
    time_zone: TimeZone,
    /// What every event gets.
    constants: Draft,
    /// The columns of the line before, which mostly are those of the next as well.
    names: Vec<String>,
    places: Vec<Option<Field>>,
    /// Columns and types met, where somebody wants to know.
    seen: Option<Seen>,
}

/// An event in the making: JSON without its braces.
#[derive(Debug, Clone, Default)]
struct Draft {
    fields: Vec<u8>,
    properties: Vec<u8>,
    has_id: bool,
    has_event: bool,
    has_time: bool,
    has_identity: bool,
}

impl Drafter {
    /// Drafts events of this file.
    ///
    /// # Errors
    /// A constant is no value of its field.
    pub fn new(columns: Columns, file: ContentHash, options: &ImportOptions) -> Result<Self, BadLine> {
        let mut drafter = Self {
            columns,
            file,
            time_zone: options.time_zone.clone(),
            constants: Draft::default(),
            names: Vec::new(),
            places: Vec::new(),
            seen: None,
        };
        let mut constants = Draft::default();
        for (field, value) in &options.constants {
            drafter.put(&mut constants, field, Cell::Text(value), "--set")?;
        }
        drafter.constants = constants;
        Ok(drafter)
    }

    /// Says which columns CSV records have.
    pub fn expect_columns(&mut self, names: &[String]) {
        self.names = names.to_vec();
        self.places = self.columns.assign(names);
    }

    /// Notes columns and types from now on.
    pub fn observe(&mut self) {
        self.seen = Some(Seen::default());
    }

    /// The columns and types that were met since [`Self::observe`].
    pub fn seen(self) -> Seen {
        self.seen.unwrap_or_default()
    }

    /// Appends a line's event as JSON, and says where it stands.
    ///
    /// # Errors
    /// The line can't become an event; nothing was appended.
    pub fn write(
        &mut self,
        line: u64,
        content: &Content<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Range<usize>, BadLine> {
        let mut draft = self.constants.clone();
        match content {
            Content::Cells(cells) => self.put_cells(&mut draft, cells)?,
            Content::Json(json) => self.put_object(&mut draft, json)?,
        }
        draft.check()?;
        let start = out.len();
        out.push(b'{');
        if !draft.has_id {
            out.extend_from_slice(format!("\"id\":\"{}\",", self.file.event_id(line)).as_bytes());
        }
        out.extend_from_slice(&draft.fields);
        if !draft.properties.is_empty() {
            draft.properties.pop();
            out.extend_from_slice(b"\"properties\":{");
            out.extend_from_slice(&draft.properties);
            out.extend_from_slice(b"},");
        }
        out.pop();
        out.push(b'}');
        Ok(start..out.len())
    }

    fn put_cells(&mut self, draft: &mut Draft, cells: &Cells<'_>) -> Result<(), BadLine> {
        let (names, places) = (std::mem::take(&mut self.names), std::mem::take(&mut self.places));
        let result = (names.iter().zip(&places).zip(cells.iter()))
            .try_for_each(|((name, place), text)| self.put_in(draft, place.as_ref(), Cell::Text(text), name));
        (self.names, self.places) = (names, places);
        result
    }

    fn put_object(&mut self, draft: &mut Draft, json: &str) -> Result<(), BadLine> {
        let json = json.trim();
        if !json.starts_with('{') {
            let kind =
                serde_json::from_str::<serde::de::IgnoredAny>(json).map_or("broken JSON", |_| kind_of(json));
            return Err(BadLine::new("malformed", "", format!("a line must be a JSON object, not {kind}")));
        }
        let object =
            Properties::parse(json).map_err(|error| BadLine::new("malformed", "", error.to_string()))?;
        if !object.iter().map(|(name, _)| name).eq(self.names.iter().map(String::as_str)) {
            self.names = object.iter().map(|(name, _)| name.to_owned()).collect();
            self.places = self.columns.assign(&self.names);
        }
        let places = std::mem::take(&mut self.places);
        let result = (object.iter().zip(&places))
            .try_for_each(|((name, raw), place)| self.put_in(draft, place.as_ref(), Cell::Json(raw), name));
        self.places = places;
        result?;
        for dotted in self.columns.dotted().to_vec() {
            if object.iter().all(|(name, _)| name != dotted.column)
                && let Some(raw) = inner_value(&object, &dotted.outer, &dotted.inner)
            {
                self.put_in(draft, dotted.to.as_ref(), Cell::Json(raw), &dotted.column)?;
            }
        }
        Ok(())
    }

    fn put_in(
        &mut self,
        draft: &mut Draft,
        place: Option<&Field>,
        cell: Cell<'_>,
        column: &str,
    ) -> Result<(), BadLine> {
        let kind = match place {
            _ if cell.is_empty() => "empty",
            None => "left out",
            Some(field) => self.put(draft, field, cell, column)?,
        };
        if let Some(seen) = &mut self.seen {
            seen.note(column, place, kind);
        }
        Ok(())
    }

    fn put(
        &self,
        draft: &mut Draft,
        field: &Field,
        cell: Cell<'_>,
        column: &str,
    ) -> Result<&'static str, BadLine> {
        match field {
            Field::Time => self.put_time(draft, cell, column),
            Field::Properties => draft.put_entries(cell, column),
            Field::Property(name) => {
                write_text(name, &mut draft.properties);
                draft.properties.push(b':');
                let kind = cell.write(self.columns.keeps_text(column), &mut draft.properties);
                draft.properties.push(b',');
                Ok(kind)
            }
            named => Ok(draft.put_named(named, cell)),
        }
    }

    fn put_time(&self, draft: &mut Draft, cell: Cell<'_>, column: &str) -> Result<&'static str, BadLine> {
        let decoded: String;
        let text = match cell {
            Cell::Json(raw) if raw.starts_with('"') => {
                decoded = serde_json::from_str(raw)
                    .map_err(|error| BadLine::new("malformed", column, error.to_string()))?;
                &decoded
            }
            Cell::Text(text) | Cell::Json(text) => text,
        };
        let Some((written, form)) = read_time(text, &self.time_zone) else {
            let shown: String = text.chars().take(40).collect();
            let message = format!(
                "'{shown}' is no time between 1970 and 2149: write 2026-03-01T08:00:00+08:00, 2026-03-01 08:00:00, \
                 2026-03-01, or seconds or milliseconds since 1970"
            );
            return Err(BadLine::new("time_invalid", column, message));
        };
        draft.put_field(&Field::Time, |out| write_text(&written, out));
        Ok(form.name())
    }
}

impl Draft {
    /// Finds what an event can't be without. The gateway would take a missing time for now, which
    /// is hardly what a file means.
    fn check(&self) -> Result<(), BadLine> {
        let missing = |code: &str, field: &str, what: &str| {
            Err(BadLine::new(code, field, format!("the line does not say {what}")))
        };
        match self {
            Self { has_event: false, .. } => missing("missing", "event", "what happened"),
            Self { has_time: false, .. } => missing("time_missing", "time", "when it happened"),
            Self { has_identity: false, .. } => missing("identity_missing", "user_id", "whose event it is"),
            _ => Ok(()),
        }
    }

    /// A field that is a text; the gateway judges what else NDJSON may have there.
    fn put_named(&mut self, field: &Field, cell: Cell<'_>) -> &'static str {
        let trimmed = match cell {
            Cell::Text(text) => Cell::Text(text.trim()),
            json @ Cell::Json(_) => json,
        };
        if matches!(trimmed, Cell::Text("") | Cell::Json("\"\"")) {
            return "empty";
        }
        let mut kind = "";
        self.put_field(field, |out| kind = trimmed.write(matches!(cell, Cell::Text(_)), out));
        kind
    }

    fn put_field(&mut self, field: &Field, write: impl FnOnce(&mut Vec<u8>)) {
        match field {
            Field::Id => self.has_id = true,
            Field::Event => self.has_event = true,
            Field::Time => self.has_time = true,
            Field::UserId | Field::DeviceId => self.has_identity = true,
            _ => {}
        }
        write_text(field.name(), &mut self.fields);
        self.fields.push(b':');
        write(&mut self.fields);
        self.fields.push(b',');
    }

    fn put_entries(&mut self, cell: Cell<'_>, column: &str) -> Result<&'static str, BadLine> {
        let (Cell::Text(text) | Cell::Json(text)) = cell;
        let wrong = |message: String| BadLine::new("wrong_type", column, message);
        let text = text.trim();
        if !text.starts_with('{') {
            return Err(wrong("properties must be a JSON object".to_owned()));
        }
        let entries = Properties::parse(text).map_err(|error| wrong(error.to_string()))?;
        for (name, raw) in entries.iter() {
            write_text(name, &mut self.properties);
            self.properties.push(b':');
            self.properties.extend_from_slice(raw.as_bytes());
            self.properties.push(b',');
        }
        Ok("object")
    }
}

/// The value of `outer.inner`, if there is such an object and key.
pub fn inner_value<'a>(object: &Properties<'a>, outer: &str, inner: &str) -> Option<&'a str> {
    let (_, raw) = object.iter().find(|(name, raw)| *name == outer && raw.starts_with('{'))?;
    let (_, value) = Properties::parse(raw).ok()?.raw().find(|(name, _)| *name == inner)?;
    Some(value.get())
}
