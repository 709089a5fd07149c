//! A tracking plan as CSV, for spreadsheets: a row for the plan itself, for each attribute, each
//! event, and each attribute of an event. The column `record` says which a row is.
//!
//! ```text
//! record,mode,event,attribute,required,type,title,…
//! plan,warn,,,,,,…
//! attribute,,,amount,,number,Amount,…
//! event,,order_paid,,,,Order paid,…
//! use,,order_paid,amount,true,,,…
//! ```
//!
//! Rows may come in any order, and columns may be missing. An empty cell is what an absent field is
//! in JSON. Allowed values stand in one cell with `|` between them; `\|` and `\\` are the characters
//! themselves.

use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Number;
use suanpan_event::PlanValue;

use crate::plan_body::{EventBody, PlanBody, PlannedAttributeBody, UseBody};
use crate::words::{LifeStatus, PersonalData, ValueType};

/// The columns in the order of an export.
pub(crate) const COLUMNS: [&str; 16] = [
    "record",
    "mode",
    "event",
    "attribute",
    "required",
    "type",
    "title",
    "description",
    "status",
    "personal",
    "common",
    "many_values",
    "allowed",
    "min",
    "max",
    "pattern",
];

/// Between allowed values.
const SEPARATOR: char = '|';

/// What is wrong with a file, and in which line.
#[derive(Debug, PartialEq)]
pub(crate) struct CsvFault {
    pub line: u64,
    pub column: &'static str,
    pub message: String,
}

impl Display for CsvFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: ", self.line)?;
        if !self.column.is_empty() {
            write!(f, "{}: ", self.column)?;
        }
        f.write_str(&self.message)
    }
}

/// The plan as CSV with a header.
pub(crate) fn write(plan: &PlanBody) -> String {
    let mut rows = vec![COLUMNS.map(str::to_owned)];
    if let Some(mode) = plan.mode {
        rows.push(row("plan", [("mode", word(mode))]));
    }
    for a in &plan.attributes {
        let cells = [
            ("attribute", a.name.clone()),
            ("type", word(a.kind)),
            ("title", a.title.clone()),
            ("description", a.description.clone()),
            ("status", word(a.status)),
            ("personal", word(a.personal)),
            ("common", flag(a.common)),
            ("many_values", flag(a.many_values)),
            ("allowed", joined(&a.allowed)),
            ("min", a.min.as_ref().map(value_text).unwrap_or_default()),
            ("max", a.max.as_ref().map(value_text).unwrap_or_default()),
            ("pattern", a.pattern.clone().unwrap_or_default()),
        ];
        rows.push(row("attribute", cells));
    }
    for event in &plan.events {
        let cells = [
            ("event", event.name.clone()),
            ("title", event.title.clone()),
            ("description", event.description.clone()),
            ("status", word(event.status)),
        ];
        rows.push(row("event", cells));
        for one in &event.attributes {
            let cells = [
                ("event", event.name.clone()),
                ("attribute", one.name.clone()),
                ("required", flag(one.required)),
            ];
            rows.push(row("use", cells));
        }
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).expect("rows are of one length, and memory takes what is written");
    }
    let bytes = writer.into_inner().expect("memory takes what is written");
    String::from_utf8(bytes).expect("cells are texts")
}

fn row<const N: usize>(record: &str, cells: [(&str, String); N]) -> [String; COLUMNS.len()] {
    let mut row = COLUMNS.map(|_| String::new());
    row[0] = record.to_owned();
    for (column, cell) in cells {
        let at = COLUMNS.iter().position(|known| *known == column);
        row[at.expect("the columns of an export are known")] = cell;
    }
    row
}

/// Reads a plan. Which line is wrong is said; which attributes exist is the catalog's to check.
pub(crate) fn read(text: &str) -> Result<PlanBody, CsvFault> {
    // Spreadsheets write the mark of the byte order, also where there is none.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let columns = columns(reader.headers().map_err(unreadable)?)?;
    let mut plan = PlanBody { mode: None, events: Vec::new(), attributes: Vec::new() };
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut uses = Vec::new();
    for record in reader.records() {
        let record = record.map_err(unreadable)?;
        let row = Row { columns: &columns, record: &record };
        match row.cell("record") {
            "plan" => plan.mode = Some(row.word("mode", None)?),
            "attribute" => plan.attributes.push(attribute(&row)?),
            "event" => {
                let event = event(&row)?;
                places.insert(event.name.clone(), plan.events.len());
                plan.events.push(event);
            }
            "use" => {
                let one = UseBody { name: row.named("attribute")?, required: row.flag("required")? };
                uses.push((row.named("event")?, one, row.line()));
            }
            "" if record.iter().all(str::is_empty) => {}
            other => {
                let message = format!("{other:?} is none of plan, attribute, event, use");
                return Err(row.fault("record", message));
            }
        }
    }
    for (event, one, line) in uses {
        let Some(place) = places.get(&event) else {
            let message = format!("the event {event:?} has no row of its own");
            return Err(CsvFault { line, column: "event", message });
        };
        plan.events[*place].attributes.push(one);
    }
    Ok(plan)
}

/// Where each known column is.
fn columns(header: &csv::StringRecord) -> Result<HashMap<&'static str, usize>, CsvFault> {
    let fault = |message| CsvFault { line: 1, column: "", message };
    let mut columns = HashMap::new();
    for (at, name) in header.iter().enumerate() {
        let known = COLUMNS.iter().find(|known| **known == name.trim());
        let Some(known) = known else {
            return Err(fault(format!("{name:?} is none of the columns {}", COLUMNS.join(", "))));
        };
        if columns.insert(*known, at).is_some() {
            return Err(fault(format!("the column {known} is there twice")));
        }
    }
    if !columns.contains_key("record") {
        return Err(fault(format!(
            "the first line names the columns, of which record must be one: {}",
            COLUMNS.join(", ")
        )));
    }
    Ok(columns)
}

fn attribute(row: &Row<'_>) -> Result<PlannedAttributeBody, CsvFault> {
    let kind: ValueType = row.word("type", None)?;
    let end = |column| match row.cell(column) {
        "" => Ok(None),
        cell => value(cell, kind).map(Some).map_err(|message| row.fault(column, message)),
    };
    let allowed = split(row.cell("allowed")).into_iter().map(|cell| value(&cell, kind));
    let pattern = row.cell("pattern");
    Ok(PlannedAttributeBody {
        name: row.named("attribute")?,
        kind,
        title: row.cell("title").to_owned(),
        description: row.cell("description").to_owned(),
        status: row.word("status", Some(LifeStatus::default()))?,
        personal: row.word("personal", Some(PersonalData::default()))?,
        common: row.flag("common")?,
        many_values: row.flag("many_values")?,
        allowed: allowed.collect::<Result<_, _>>().map_err(|message| row.fault("allowed", message))?,
        min: end("min")?,
        max: end("max")?,
        pattern: (!pattern.is_empty()).then(|| pattern.to_owned()),
    })
}

fn event(row: &Row<'_>) -> Result<EventBody, CsvFault> {
    Ok(EventBody {
        name: row.named("event")?,
        title: row.cell("title").to_owned(),
        description: row.cell("description").to_owned(),
        status: row.word("status", Some(LifeStatus::default()))?,
        attributes: Vec::new(),
    })
}

struct Row<'a> {
    columns: &'a HashMap<&'static str, usize>,
    record: &'a csv::StringRecord,
}

impl Row<'_> {
    fn cell(&self, column: &str) -> &str {
        self.columns.get(column).and_then(|at| self.record.get(*at)).unwrap_or_default()
    }

    fn named(&self, column: &'static str) -> Result<String, CsvFault> {
        let name = self.cell(column);
        if name.is_empty() {
            return Err(self.fault(column, "the name is missing"));
        }
        Ok(name.to_owned())
    }

    /// A word of a closed set, whatever its case.
    fn word<T: DeserializeOwned>(&self, column: &'static str, absent: Option<T>) -> Result<T, CsvFault> {
        match (self.cell(column), absent) {
            ("", Some(absent)) => Ok(absent),
            (cell, _) => {
                let word = serde_json::Value::String(cell.to_ascii_lowercase());
                serde_json::from_value(word).map_err(|error| self.fault(column, error.to_string()))
            }
        }
    }

    fn flag(&self, column: &'static str) -> Result<bool, CsvFault> {
        match self.cell(column).to_ascii_lowercase().as_str() {
            "true" => Ok(true),
            "false" | "" => Ok(false),
            other => Err(self.fault(column, format!("expected true or false, found {other:?}"))),
        }
    }

    fn line(&self) -> u64 {
        self.record.position().map_or(0, csv::Position::line)
    }

    fn fault(&self, column: &'static str, message: impl Into<String>) -> CsvFault {
        CsvFault { line: self.line(), column, message: message.into() }
    }
}

fn unreadable(error: csv::Error) -> CsvFault {
    let line = error.position().map_or(1, csv::Position::line);
    CsvFault { line, column: "", message: error.to_string() }
}

/// The word as JSON has it.
fn word(word: impl Serialize) -> String {
    let value = serde_json::to_value(word).expect("a word is JSON");
    value.as_str().unwrap_or_default().to_owned()
}

fn flag(flag: bool) -> String {
    if flag { "true".to_owned() } else { String::new() }
}

fn value_text(value: &PlanValue) -> String {
    match value {
        PlanValue::Number(number) => number.to_string(),
        PlanValue::Text(text) => text.clone(),
    }
}

/// A cell as a value of this type: of a datetime a number or a text.
fn value(cell: &str, kind: ValueType) -> Result<PlanValue, String> {
    match kind {
        ValueType::Number | ValueType::Datetime => match (Number::from_str(cell), kind) {
            (Ok(number), _) => Ok(PlanValue::Number(number)),
            (Err(_), ValueType::Datetime) => Ok(PlanValue::Text(cell.to_owned())),
            (Err(_), _) => Err(format!("expected a number, found {cell:?}")),
        },
        _ => Ok(PlanValue::Text(cell.to_owned())),
    }
}

fn joined(values: &[PlanValue]) -> String {
    let escaped = |value| value_text(value).replace('\\', "\\\\").replace(SEPARATOR, "\\|");
    values.iter().map(escaped).collect::<Vec<_>>().join("|")
}

fn split(cell: &str) -> Vec<String> {
    if cell.is_empty() {
        return Vec::new();
    }
    let mut values = vec![String::new()];
    let mut is_escaped = false;
    for c in cell.chars() {
        let current = values.last_mut().expect("there is always one");
        match c {
            _ if is_escaped => {
                current.push(c);
                is_escaped = false;
            }
            '\\' => is_escaped = true,
            SEPARATOR => values.push(String::new()),
            _ => current.push(c),
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn body(json: Value) -> PlanBody {
        serde_json::from_value(json).unwrap()
    }

    fn json_of(plan: &PlanBody) -> Value {
        serde_json::to_value(plan).unwrap()
    }

    #[test]
    fn a_plan_can_be_written_by_hand() {
        let text = "\u{feff}record,event,attribute,type,required,allowed\n\
            use,paid,amount,,TRUE,\n\
            event,paid\n\
            ,,,,,\n\
            attribute,,amount,number,,1|2.5\n\
            attribute,,kind,String,,\"a,b|c\\|d\"\n";
        let expected = json!({
            "events": [{"name": "paid", "status": "live", "attributes": [{"name": "amount", "required": true}]}],
            "attributes": [
                {"name": "amount", "type": "number", "status": "live", "personal": "keep", "allowed": [1, 2.5]},
                {"name": "kind", "type": "string", "status": "live", "personal": "keep", "allowed": ["a,b", "c|d"]},
            ],
        });
        assert_eq!(json_of(&read(text).unwrap()), expected);
    }

    #[test]
    fn the_guides_table_is_a_plan() {
        let guide = include_str!("../../../docs/tracking-plan.md");
        let table = guide.split("```csv\n").nth(1).unwrap().split("```").next().unwrap();
        let plan = json_of(&read(table).unwrap());
        assert_eq!(plan["mode"], "warn");
        assert_eq!(plan["events"][0]["attributes"][0], json!({"name": "amount", "required": true}));
        assert_eq!(plan["attributes"][1]["allowed"], json!(["app", "web"]));
        let shown = guide.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
        let shown: PlanBody = serde_json::from_str(shown).unwrap();
        assert_eq!(json_of(&shown)["events"], plan["events"]);
    }

    #[test]
    fn faults_name_line_and_column() {
        let check = |text: &str, line: u64, column: &str, says: &str| {
            let fault = read(text).err().unwrap();
            assert_eq!((fault.line, fault.column), (line, column), "{fault}");
            assert!(fault.to_string().contains(says), "{fault}");
        };
        check("", 1, "", "record must be one");
        check("record,colour\n", 1, "", "\"colour\" is none of the columns");
        check("record,record\n", 1, "", "twice");
        check("record\nplan\n", 2, "mode", "observe");
        check("record,event\nevent,\n", 2, "event", "missing");
        check("record,attribute,type\nattribute,a,text\n", 2, "type", "string");
        check("record,attribute,type\n\nattribute,\"a\nb\",list\nattribute,c,\n", 5, "type", "");
        check("record,attribute,type,min\nattribute,a,number,few\n", 2, "min", "few");
        check("record,attribute,type,common\nattribute,a,number,yes\n", 2, "common", "true or false");
        check("record,event,attribute\nuse,paid,amount\n", 2, "event", "no row of its own");
        check("record\nthing\n", 2, "record", "thing");
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![".{0,8}", r#"[|\\",\n;=a]{0,6}"#]
    }

    fn attribute_body() -> impl Strategy<Value = Value> {
        let kinds = prop::sample::select(vec!["string", "number", "boolean", "datetime", "list"]);
        let texts = (
            text(),
            text(),
            text(),
            prop::collection::vec(text().prop_filter("set", |t| !t.is_empty()), 0..3),
        );
        let numbers =
            (prop::collection::vec(any::<f64>().prop_filter("JSON", |n| n.is_finite()), 0..3), any::<i64>());
        let words = (
            prop::sample::select(vec!["draft", "live", "retired"]),
            prop::sample::select(vec!["keep", "mask", "drop"]),
        );
        (kinds, texts, numbers, words, any::<(bool, bool)>()).prop_map(
            |(kind, texts, numbers, words, flags)| {
                let (title, description, pattern, allowed) = texts;
                let mut attribute = json!({
                    "type": kind, "title": title, "description": description, "status": words.0,
                    "personal": words.1, "common": flags.0, "many_values": flags.1,
                });
                match kind {
                    "string" | "list" => {
                        attribute["allowed"] = json!(allowed);
                        if !pattern.is_empty() {
                            attribute["pattern"] = json!(pattern);
                        }
                    }
                    "number" => {
                        attribute["allowed"] = json!(numbers.0);
                        attribute["min"] = json!(numbers.1);
                    }
                    "datetime" => {
                        attribute["min"] = json!("2024-01-01T00:00:00Z");
                        attribute["max"] = json!(numbers.1);
                    }
                    _ => {}
                }
                attribute
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_exported_is_imported(
            attributes in prop::collection::vec(attribute_body(), 0..4),
            events in prop::collection::vec((text(), any::<bool>()), 0..3),
            mode in prop::option::of(prop::sample::select(vec!["observe", "warn", "enforce"])),
        ) {
            let named = attributes.into_iter().enumerate().map(|(at, mut a)| {
                a["name"] = json!(format!("{at}|\"价"));
                a
            });
            let events = events.into_iter().enumerate().map(|(at, (title, required))| {
                let uses = json!([{"name": "0|\"价", "required": required}, {"name": "other"}]);
                json!({"name": format!("e{at}"), "title": title, "attributes": uses})
            });
            let plan = body(json!({
                "mode": mode, "events": events.collect::<Vec<_>>(), "attributes": named.collect::<Vec<_>>(),
            }));
            let csv = write(&plan);
            let again = read(&csv).unwrap();
            prop_assert_eq!(json_of(&again), json_of(&plan));
            prop_assert_eq!(write(&again), csv);
        }
    }
}
