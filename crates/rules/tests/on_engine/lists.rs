//! Attributes that are lists: whether they are set, and what is among their elements.

use serde_json::{Value, json};
use suanpan_event::AttributeType;
use suanpan_rules::parse;

use crate::data::{Row, attribute};
use crate::rig::App;

/// What the events of the test have, each under its own event's name.
fn tags() -> Vec<Value> {
    vec![
        json!(["vip", "new"]),
        json!(["vi", "ip", "VIP", "12"]),
        json!([12, true, null, ["vip"], {"vip": "vip"}]),
        json!(["it's \"quoted\" \\ 店"]),
        json!([]),
        json!("vip"),
        json!(12),
        Value::Null,
    ]
}

#[test]
fn a_list_is_asked_for_its_elements() {
    let rows: Vec<Row> = tags()
        .into_iter()
        .enumerate()
        .map(|(at, tags)| Row {
            event: at.to_string(),
            time_ms: 86_400_000,
            person: "p".into(),
            content: json!({ "tags": tags }).to_string(),
            ..Row::default()
        })
        .collect();
    let defined = App::new("UTC", &[attribute("tags", AttributeType::StringList, None)], &rows);
    let stated = App::new("UTC", &[], &rows);
    let check = |is: &str, value: Option<&str>, expected: &[&str]| {
        let filter = |kind: &[(&str, &str)]| {
            let mut filter = json!({ "attribute": "tags", "is": is });
            value.into_iter().for_each(|value| filter["value"] = value.into());
            kind.iter().for_each(|(name, kind)| filter[name] = (*kind).into());
            filter
        };
        assert_eq!(found(&defined, &filter(&[])), expected, "{is} {value:?}");
        assert_eq!(found(&stated, &filter(&[("type", "list")])), expected, "{is} {value:?}");
    };
    check("is set", None, &["0", "1", "2", "3"]);
    check("is not set", None, &["4", "5", "6", "7"]);
    check("contains", Some("vip"), &["0"]);
    check("not contains", Some("vip"), &["1", "2", "3", "4", "5", "6", "7"]);
    check("contains", Some("12"), &["1", "2"]);
    check("contains", Some("true"), &["2"]);
    check("contains", Some("null"), &[]);
    check("contains", Some("it's \"quoted\" \\ 店"), &["3"]);
}

/// The names of the events that pass a filter.
fn found(app: &App, filter: &Value) -> Vec<String> {
    let rule = json!({
        "version": 1, "kind": "trend", "measures": [{"measure": "events"}], "filter": filter,
        "breakdown": "event", "range": {"from": "1970-01-01", "to": "1970-01-03"},
    });
    let answer = app.answer(&parse(&rule.to_string()).unwrap());
    let mut names: Vec<String> =
        answer.series.iter().filter_map(|s| Some(s.group.first()?.as_str()?.to_owned())).collect();
    names.sort();
    names
}
