//! Golden rules: `tests/golden/NAME` holds `rule.json`, `app.json` (zone, now, attributes),
//! `events.ndjson`, and what comes of them: `expected.sql` and `expected.json`. `SUANPAN_BLESS=1`
//! writes the two anew; read the difference before committing it.

use std::fmt::Write;
use std::path::Path;

use serde::Deserialize;
use suanpan_event::Attribute;
use suanpan_rules::{Compiled, parse};

use crate::data::Row;
use crate::rig::App;

#[derive(Deserialize)]
struct AppFile {
    zone: String,
    now: jiff::Timestamp,
    #[serde(default)]
    attributes: Vec<Attribute>,
}

/// One event of `events.ndjson`.
#[derive(Deserialize)]
struct EventLine {
    event: String,
    time: jiff::Timestamp,
    person: String,
    #[serde(default)]
    platform: String,
    #[serde(default)]
    country: String,
    #[serde(default)]
    bot: bool,
    #[serde(default)]
    slot_map: u32,
    #[serde(default)]
    properties: serde_json::Map<String, serde_json::Value>,
}

fn print(compiled: &Compiled) -> String {
    let mut text = String::new();
    for line in compiled.plan.to_string().lines() {
        // Writing to a String can't fail.
        let _ = writeln!(text, "-- {line}");
    }
    for statement in &compiled.statements {
        let _ = writeln!(text, "\n-- {:?}\n{}", statement.period, statement.sql);
        for (name, value) in &statement.params {
            let value = if name == "app" { "(the app)" } else { value };
            let _ = writeln!(text, "-- {name} = {value}");
        }
    }
    text
}

fn compare(file: &Path, found: &str) {
    if std::env::var_os("SUANPAN_BLESS").is_some() {
        std::fs::write(file, found).unwrap();
    }
    let expected = std::fs::read_to_string(file).unwrap_or_default();
    assert!(expected == found, "{} differs; found:\n{found}", file.display());
}

fn check(folder: &Path) {
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let file: AppFile = serde_json::from_str(&read("app.json")).unwrap();
    let row = |line: &str| {
        let line: EventLine = serde_json::from_str(line).unwrap();
        Row {
            event: line.event,
            time_ms: line.time.as_millisecond(),
            person: line.person,
            platform: line.platform,
            country: line.country,
            bot: line.bot,
            slot_map: line.slot_map,
            content: serde_json::to_string(&line.properties).unwrap(),
        }
    };
    let rows = read("events.ndjson").lines().map(row).collect::<Vec<_>>();
    let mut app = App::new(&file.zone, &file.attributes, &rows);
    app.now_ms = file.now.as_millisecond();
    let rule = parse(&read("rule.json")).unwrap();
    let sql = print(&app.compile(&rule)).replace(&format!("app {}", app.id), "app (the app)");
    compare(&folder.join("expected.sql"), &sql);
    let answer = serde_json::to_string_pretty(&app.answer(&rule)).unwrap() + "\n";
    compare(&folder.join("expected.json"), &answer);
}

#[test]
fn golden_rules_print_and_answer_as_before() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut folders =
        std::fs::read_dir(golden).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    folders.sort();
    assert!(folders.len() >= 4);
    for folder in folders {
        check(&folder);
    }
}
