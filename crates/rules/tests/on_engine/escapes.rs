//! No text of a rule or a tracking plan gets out of its parameter.

use serde_json::{Value, json};
use suanpan_event::AttributeType;
use suanpan_rules::parse;

use crate::data::{Row, attribute};
use crate::rig::App;

const NASTY: &[&str] = &[
    "it's",
    "back\\slash",
    "\\'",
    "'); DROP TABLE events; --",
    "tab\tnew\nline\rreturn",
    "nul\0nul",
    "\u{8}\u{c}\u{1}",
    "\\N",
    "NULL",
    "emoji 😀 店 é",
    "\"quoted\"",
    "{v1:String}",
    "%27 &param_app=other",
    "[1,'2']",
    "$1 `x` ;",
    "\\x41\\0",
    " ",
    "]",
    "a'||'b",
];

fn rows(text: &str) -> Vec<Row> {
    let row = |value: Value| Row {
        event: text.into(),
        time_ms: 86_400_000,
        person: text.into(),
        platform: "web".into(),
        content: json!({ text: value }).to_string(),
        ..Row::default()
    };
    vec![row(json!(text)), row(json!(format!("x{text}x"))), row(json!(7))]
}

fn events(app: &App, fields: Value) -> Value {
    let mut rule = json!({
        "version": 1, "kind": "trend", "measures": [{"measure": "events"}],
        "range": {"from": "1970-01-01", "to": "1970-01-03"},
    });
    rule.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let answer = app.answer(&parse(&rule.to_string()).unwrap());
    json!(answer.series.iter().map(|s| json!([s.group, s.total[0]])).collect::<Vec<_>>())
}

#[test]
fn texts_of_rules_stay_texts() {
    for text in NASTY {
        let attributes = [attribute(text, AttributeType::String, None)];
        let app = App::new("UTC", &attributes, &rows(text));
        let filtered = |is: &str, value: Value| {
            events(&app, json!({ "filter": {"attribute": text, "is": is, "value": value} }))
        };
        let count = |n: u32| json!([[[], n]]);
        assert_eq!(filtered("=", json!(text)), count(1), "{text:?}");
        assert_eq!(filtered("≠", json!(text)), count(2), "{text:?}");
        assert_eq!(filtered("in", json!([text, "7", "\\"])), count(2), "{text:?}");
        assert_eq!(filtered("contains", json!(text)), count(2), "{text:?}");
        assert_eq!(filtered("starts", json!(text)), count(1), "{text:?}");
        let measures = json!({ "measures": [{"measure": "events", "event": text}] });
        assert_eq!(events(&app, measures), count(3), "{text:?}");
        let measures = json!({ "measures": [{"measure": "events", "event": [text, "other"]}] });
        assert_eq!(events(&app, measures), count(3), "{text:?}");
        let groups = events(&app, json!({ "breakdown": [text, "actor_id"] }));
        let expected = [json!(text), json!("7"), json!(format!("x{text}x"))];
        for value in expected {
            assert!(groups.as_array().unwrap().contains(&json!([[value, text], 1])), "{text:?}: {groups}");
        }
    }
}

#[test]
fn patterns_stay_patterns() {
    let app = App::new(
        "UTC",
        &[attribute("p", AttributeType::String, None)],
        &[
            Row {
                time_ms: 1,
                event: "e".into(),
                content: json!({"p": "a.b\\c'd"}).to_string(),
                ..Row::default()
            },
            Row {
                time_ms: 2,
                event: "e".into(),
                content: json!({"p": "axb\nc"}).to_string(),
                ..Row::default()
            },
        ],
    );
    let check = |pattern: &str, expected: u32| {
        let filter = json!({ "filter": {"attribute": "p", "is": "regex", "value": pattern} });
        assert_eq!(events(&app, filter), json!([[[], expected]]), "{pattern}");
    };
    check(r"^a\.b", 1);
    check(r"\\c'd$", 1);
    check("^a.b", 2);
    check("b.c", 2);
    check("b\nc", 1);
    check(r"b\nc", 1);
    check(r"^\x{61}", 2);
    check(r"\p{L}[[:punct:]]", 1);
    check("(?i)^AXB(?-i)", 1);
    check("^(a|b){1,1000}", 2);
}

/// As many and as long values as the limits allow.
#[test]
fn the_longest_lists_arrive() {
    let app = App::new("UTC", &[attribute("p", AttributeType::String, None)], &rows("p"));
    let values = (0..1_000).map(|n| format!("{n:04}{}", "店".repeat(18))).collect::<Vec<_>>();
    let mut values = values;
    values[999] = "p".into();
    let filter = json!({ "filter": {"attribute": "p", "is": "in", "value": values} });
    assert!((60_000..65_536).contains(&filter.to_string().len()), "{}", filter.to_string().len());
    assert_eq!(events(&app, filter), json!([[[], 1]]));
}

/// The compiler's own guard, before the warehouse adds its walls: another app's rows don't count.
#[test]
fn an_app_reads_its_own_rows() {
    let one = App::new("UTC", &[], &rows("x"));
    let other = App::new("UTC", &[], &rows("x")[..2]);
    for (app, expected) in [(&one, 3), (&other, 2)] {
        assert_eq!(events(app, json!({ "breakdown": "event" })), json!([[["x"], expected]]));
        let rule = parse(
            r#"{"version": 1, "kind": "trend", "measures": [{"measure": "events"}], "breakdown": "event", "interval": "day",
                "range": {"from": "1970-01-02", "to": "1970-01-02"}, "compare": "previous_period"}"#,
        );
        for statement in app.compile(&rule.unwrap()).statements {
            let scans = statement.sql.matches("FROM events").count();
            assert_eq!(statement.sql.matches("WHERE app_id = {app:String}\n").count(), scans);
            assert_eq!(statement.params.iter().find(|(name, _)| name == "app").unwrap().1, app.id.as_str());
        }
    }
}
