//! Every error names its path and, for a name that is not known, the nearest one that is.
#![allow(clippy::unwrap_used, reason = "a failed expectation is a test's result")]

use jiff::tz::TimeZone;
use suanpan_event::{AppId, Attribute, AttributeTerms, AttributeType};
use suanpan_rules::{Context, ErrorCode, RuleErrors, RuleLimits, compile, json_schema, parse};

fn attribute(name: &str, kind: AttributeType) -> Attribute {
    Attribute { name: name.into(), kind, title: String::new(), terms: AttributeTerms::default(), slot: None }
}

/// Parses and, if that works, compiles.
fn errors_of(json: &str) -> Option<RuleErrors> {
    let rule = match parse(json) {
        Ok(rule) => rule,
        Err(errors) => return Some(errors),
    };
    let app: AppId = "shop".parse().unwrap();
    let attributes = [
        attribute("amount", AttributeType::Number),
        attribute("channel", AttributeType::String),
        attribute("vip", AttributeType::Boolean),
        attribute("tags", AttributeType::StringList),
        attribute("due", AttributeType::Datetime),
    ];
    let limits = RuleLimits::default();
    let context = Context {
        app: &app,
        zone: &TimeZone::UTC,
        zone_name: "UTC",
        now_ms: 1_700_000_000_000,
        attributes: &attributes,
        slot_floor: None,
        table: "events",
        limits: &limits,
    };
    compile(&rule, &context).err()
}

/// Expected: code, path, a part of the message, suggestion, for each error.
fn check(json: &str, expected: &[(&str, &str, &str, Option<&str>)]) {
    let errors = errors_of(json).unwrap_or_else(|| panic!("no error: {json}")).errors;
    let found = errors.iter().map(|e| (e.code.name(), e.path.as_str(), e.suggestion.as_deref()));
    let wanted = expected.iter().map(|(code, path, _, suggestion)| (*code, *path, *suggestion));
    assert_eq!(found.collect::<Vec<_>>(), wanted.collect::<Vec<_>>(), "{json}\n{errors:?}");
    for (error, (_, _, part, _)) in errors.iter().zip(expected) {
        assert!(error.message.contains(part), "{part:?} is not in {:?}", error.message);
    }
}

/// A rule of these further fields.
fn rule(fields: &str) -> String {
    format!(
        r#"{{"version": 1, "kind": "trend", "measures": [{{"measure": "events"}}],
            "range": {{"last": 7, "unit": "day"}}{}{fields}}}"#,
        if fields.is_empty() { "" } else { "," }
    )
}

fn filter(filter: &str) -> String {
    rule(&format!(r#""filter": {filter}"#))
}

fn measures(measures: &str) -> String {
    format!(
        r#"{{"version": 1, "kind": "trend", "measures": {measures}, "range": {{"last": 7, "unit": "day"}}}}"#
    )
}

fn range(range: &str) -> String {
    format!(r#"{{"version": 1, "kind": "trend", "measures": [{{"measure": "events"}}], "range": {range}}}"#)
}

#[test]
fn the_rules_of_these_tests_are_right_but_for_what_they_test() {
    assert_eq!(errors_of(&rule("")), None);
    assert_eq!(errors_of(&rule(r#""title": null, "filter": null, "top": null"#)), None);
}

#[test]
fn what_is_no_rule() {
    check("{", &[("json_invalid", "", "line 1 column 1", None)]);
    check("[]", &[("wrong_type", "", "expected an object, found a list", None)]);
    check(
        "{}",
        &[
            ("field_missing", "version", "1", None),
            ("field_missing", "kind", "trend", None),
            ("field_missing", "measures", "at least one", None),
            ("field_missing", "range", "last", None),
        ],
    );
    check(
        &rule("").replace(r#""version": 1"#, r#""version": 2"#),
        &[("version_unknown", "version", "version 2", None)],
    );
    check(&rule("").replace("trend", "tend"), &[("name_unknown", "kind", "\"tend\"", Some("trend"))]);
    check(&rule(r#""filters": {}"#), &[("field_unknown", "filters", "possible here", Some("filter"))]);
    check(&rule(r#""interval": "day", "interval": "week""#), &[("duplicate", "interval", "twice", None)]);
    check(&rule(r#""interval": "days""#), &[("name_unknown", "interval", "\"minute\"", Some("day"))]);
    check(&rule(r#""compare": "previous""#), &[("name_unknown", "compare", "previous_period", None)]);
    check(&rule(r#""top": 3"#), &[("field_not_allowed", "top", "breakdown", None)]);
    check(&rule(r#""title": 3"#), &[("wrong_type", "title", "found a number", None)]);
}

#[test]
fn measures_of_what_and_called_what() {
    check(&measures("[]"), &[("value_invalid", "measures", "at least one", None)]);
    check(
        &measures(r#"[{"measure": "peple"}]"#),
        &[("name_unknown", "measures[0].measure", "", Some("people"))],
    );
    check(
        &measures(r#"[{"measure": "sum"}]"#),
        &[("field_missing", "measures[0].attribute", "sum of what", None)],
    );
    check(
        &measures(r#"[{"measure": "people", "attribute": "amount"}]"#),
        &[("field_not_allowed", "measures[0].attribute", "not of an attribute", None)],
    );
    check(
        &measures(r#"[{"measure": "avg", "attribute": "channel"}]"#),
        &[("type_mismatch", "measures[0].attribute", "is a string", None)],
    );
    check(
        &measures(r#"[{"measure": "people"}, {"measure": "people"}]"#),
        &[("duplicate", "measures[1].name", "\"people\"", None)],
    );
    check(
        &measures(r#"[{"measure": "events", "event": []}]"#),
        &[("value_invalid", "measures[0].event", "", None)],
    );
    check(
        &measures(r#"[{"measure": "events", "event": ["a", 2]}]"#),
        &[("wrong_type", "measures[0].event[1]", "found a number", None)],
    );
    assert_eq!(
        errors_of(&measures(r#"[{"measure": "avg", "attribute": "channel", "type": "number"}]"#)),
        None
    );
}

#[test]
fn attributes_are_the_plans_or_stated() {
    check(
        &filter(r#"{"and": [{"attribute": "platform", "is": "set"}, {"attribute": "chanel", "is": "set"}]}"#),
        &[("attribute_unknown", "filter.and[1].attribute", "define it, or state its type", Some("channel"))],
    );
    check(
        &rule(r#""breakdown": "platfrom""#),
        &[("attribute_unknown", "breakdown[0]", "", Some("platform"))],
    );
    check(
        &measures(
            r#"[{"measure": "events"}, {"measure": "sum", "attribute": "x", "filter": {"not": {"attribute": "amuont", "is": "=", "value": 1}}}]"#,
        ),
        &[
            ("attribute_unknown", "measures[1].attribute", "\"x\"", None),
            ("attribute_unknown", "measures[1].filter.not.attribute", "", Some("amount")),
        ],
    );
    check(
        &rule(r#""breakdown": {"attribute": "platform", "type": "number"}"#),
        &[("type_mismatch", "breakdown[0].type", "always a string", None)],
    );
    check(
        &rule(r#""breakdown": {"attribute": "x", "type": "text"}"#),
        &[("name_unknown", "breakdown.type", "\"datetime\"", None)],
    );
    check(&rule(r#""breakdown": ["channel", "channel"]"#), &[("duplicate", "breakdown[1]", "already", None)]);
    assert_eq!(errors_of(&rule(r#""breakdown": {"attribute": "x", "type": "number"}"#)), None);
}

#[test]
fn operators_and_values_fit_the_type() {
    check(
        &filter(r#"{"attribute": "channel", "is": ">", "value": "a"}"#),
        &[("type_mismatch", "filter.is", "not possible for a string; possible: =, ≠, in", None)],
    );
    check(
        &filter(r#"{"attribute": "tags", "is": "=", "value": "a"}"#),
        &[(
            "type_mismatch",
            "filter.is",
            "for a list; possible: contains, not contains, is set, is not set",
            None,
        )],
    );
    check(&rule(r#""breakdown": "tags""#), &[("type_mismatch", "breakdown[0]", "\"tags\" is a list", None)]);
    check(
        &measures(r#"[{"measure": "distinct", "attribute": "tags"}]"#),
        &[("type_mismatch", "measures[0].attribute", "\"tags\" is a list", None)],
    );
    check(
        &filter(r#"{"attribute": "vip", "is": "contains", "value": "a"}"#),
        &[("type_mismatch", "filter.is", "possible: =, ≠, is set, is not set", None)],
    );
    check(
        &filter(r#"{"attribute": "amount", "is": "≥", "value": "5"}"#),
        &[("wrong_type", "filter.value", "expected a number, found the text \"5\"", None)],
    );
    check(
        &filter(r#"{"attribute": "channel", "is": "in", "value": ["a", true]}"#),
        &[("wrong_type", "filter.value[1]", "expected a text, found true", None)],
    );
    check(
        &filter(r#"{"attribute": "vip", "is": "=", "value": 1}"#),
        &[("wrong_type", "filter.value", "true or false", None)],
    );
    check(
        &filter(r#"{"attribute": "due", "is": "between", "value": ["2024-03-01", "March"]}"#),
        &[("value_invalid", "filter.value[1]", "\"March\" is not a date", None)],
    );
    check(
        &filter(r#"{"attribute": "amount", "is": "between", "value": [2, 1]}"#),
        &[("value_invalid", "filter.value", "nothing lies between", None)],
    );
    check(
        &filter(r#"{"attribute": "amount", "is": "between", "value": [2]}"#),
        &[("value_invalid", "filter.value", "found 1", None)],
    );
    check(
        &filter(r#"{"attribute": "channel", "is": "=", "value": ""}"#),
        &[("value_invalid", "filter.value", "is not set", None)],
    );
    check(
        &filter(r#"{"attribute": "channel", "is": "regex", "value": "a(b"}"#),
        &[("regex_invalid", "filter.value", "unclosed group", None)],
    );
    check(
        &filter(r#"{"attribute": "channel", "is": "is set", "value": 1}"#),
        &[("field_not_allowed", "filter.value", "takes no value", None)],
    );
    check(&filter(r#"{"attribute": "channel", "is": "="}"#), &[("field_missing", "filter.value", "", None)]);
    check(
        &filter(r#"{"attribute": "channel", "is": "equals", "value": "x"}"#),
        &[("name_unknown", "filter.is", "\"regex\"", None)],
    );
    check(
        &filter(r#"{"attribute": "channel", "is": "contans", "value": "x"}"#),
        &[("name_unknown", "filter.is", "", Some("contains"))],
    );
}

#[test]
fn filters_have_one_form_at_a_time() {
    check(&filter("{}"), &[("field_missing", "filter", "exactly one of", None)]);
    check(&filter(r#"{"and": []}"#), &[("value_invalid", "filter.and", "at least one", None)]);
    check(&filter(r#"{"and": [], "or": []}"#), &[("field_not_allowed", "filter", "exactly one of", None)]);
    check(
        &filter(r#"{"not": {"attribute": "vip", "is": "set"}, "is": "="}"#),
        &[("field_not_allowed", "filter.is", "beside \"not\"", None)],
    );
}

#[test]
fn ranges_are_possible_times() {
    check(&range(r#"{"last": 7, "unit": "dya"}"#), &[("name_unknown", "range.unit", "", Some("day"))]);
    check(&range(r#"{"last": 0, "unit": "day"}"#), &[("value_invalid", "range.last", "from 1", None)]);
    check(&range(r#"{"last": 1.5, "unit": "day"}"#), &[("value_invalid", "range.last", "whole", None)]);
    check(&range(r#"{"last": 7, "from": "2024-03-01"}"#), &[("field_not_allowed", "range", "either", None)]);
    check(&range(r#"{"from": "2024-03-01"}"#), &[("field_missing", "range.to", "", None)]);
    check(
        &range(r#"{"from": "2024-03-01", "to": "2024-02-29"}"#),
        &[("range_invalid", "range", "empty", None)],
    );
    check(
        &range(r#"{"from": "2024-03-01T10:00Z", "to": "2024-03-01T10:00Z"}"#),
        &[("range_invalid", "range", "empty", None)],
    );
    check(
        &range(r#"{"from": "1969-12-31", "to": "1970-01-05"}"#),
        &[("range_invalid", "range", "1970", None)],
    );
    check(
        &range(r#"{"from": "2024-02-30", "to": "2024-03-05"}"#),
        &[("value_invalid", "range.from", "2024-02-30", None)],
    );
}

#[test]
fn limits_are_named_when_they_are_hit() {
    let list = |n: usize, item: &dyn Fn(usize) -> String| (0..n).map(item).collect::<Vec<_>>().join(",");
    let hit = |json: &str, path: &str, limit: &str| check(json, &[("limit_exceeded", path, limit, None)]);
    hit(&format!("{}{}", rule(""), " ".repeat(64 * 1024)), "", "body_bytes_max is 65536");
    let name = |n| format!(r#"{{"measure": "events", "name": "{n}"}}"#);
    assert_eq!(errors_of(&measures(&format!("[{}]", list(10, &name)))), None);
    hit(&measures(&format!("[{}]", list(11, &name))), "measures", "measures_max is 10");
    hit(&rule(&format!(r#""title": "{}""#, "x".repeat(257))), "title", "title_chars_max is 256");
    let long = "x".repeat(129);
    hit(
        &measures(&format!(r#"[{{"measure": "events", "event": "{long}"}}]"#)),
        "measures[0].event",
        "name_chars_max is 128",
    );
    let event = |n| format!("\"e{n}\"");
    let events = list(101, &event);
    hit(
        &measures(&format!(r#"[{{"measure": "events", "event": [{events}]}}]"#)),
        "measures[0].event",
        "events_max is 100",
    );
    let condition = |_| r#"{"attribute": "vip", "is": "set"}"#.to_owned();
    assert_eq!(errors_of(&filter(&format!(r#"{{"and": [{}]}}"#, list(99, &condition)))), None);
    hit(
        &filter(&format!(r#"{{"and": [{}]}}"#, list(102, &condition))),
        "filter.and[99]",
        "filter_nodes_max is 100",
    );
    let deep = |n| format!("{}{}{}", r#"{"not": "#.repeat(n), condition(0), "}".repeat(n));
    assert_eq!(errors_of(&filter(&deep(7))), None);
    hit(&filter(&deep(8)), &format!("filter{}", ".not".repeat(8)), "filter_depth_max is 8");
    let is_in =
        |n| filter(&format!(r#"{{"attribute": "channel", "is": "in", "value": [{}]}}"#, list(n, &event)));
    assert_eq!(errors_of(&is_in(1_000)), None);
    hit(&is_in(1_001), "filter.value", "in_values_max is 1000");
    let regex = "a".repeat(1_001);
    hit(
        &filter(&format!(r#"{{"attribute": "channel", "is": "regex", "value": "{regex}"}}"#)),
        "filter.value",
        "regex_chars_max is 1000",
    );
    hit(&rule(r#""breakdown": ["channel", "vip", "amount", "due"]"#), "breakdown", "breakdown_max is 3");
    hit(&rule(r#""breakdown": "channel", "top": 101"#), "top", "top_max is 100");
    hit(&range(r#"{"last": 3661, "unit": "day"}"#), "range", "range_days_max is 3660");
    hit(&range(r#"{"from": "2000-01-01", "to": "2020-01-01"}"#), "range", "range_days_max is 3660");
    hit(
        &rule(r#""interval": "minute""#),
        "interval",
        "10080 intervals of a minute; the limit points_max is 10000",
    );
    let minutes =
        range(r#"{"last": 6, "unit": "day"}"#).replace("\"measures\"", r#""interval": "minute", "measures""#);
    assert_eq!(errors_of(&minutes), None);
    hit(
        &minutes.replace("\"measures\"", r#""breakdown": "channel", "measures""#),
        "interval",
        "answer_points_max is 90000",
    );
}

#[test]
fn many_errors_are_cut_off() {
    let names = (0..200).map(|n| format!("\"f{n}\": 1")).collect::<Vec<_>>().join(",");
    assert_eq!(errors_of(&rule(&names)).unwrap().errors.len(), RuleLimits::default().errors_max);
}

#[test]
fn errors_are_texts_and_json() {
    let errors = errors_of(&rule(r#""breakdown": "platfrom""#)).unwrap();
    assert!(errors.to_string().ends_with("; did you mean \"platform\"?"), "{errors}");
    let json = serde_json::to_value(&errors).unwrap();
    assert_eq!(json[0]["code"], "attribute_unknown");
    assert_eq!(json[0]["suggestion"], "platform");
    let names = ErrorCode::ALL.iter().map(|code| code.name()).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(names.len(), ErrorCode::ALL.len());
}

#[test]
fn spelling_does_not_change_a_rule() {
    let plain = parse(
        r#"{"version": 1, "kind": "trend", "title": "A",
            "measures": [{"measure": "people", "event": ["b", "a", "b"]}],
            "filter": {"attribute": "amount", "is": "≥", "value": 5}, "breakdown": ["platform"], "top": 10,
            "range": {"from": "2024-03-01T08:00:00+08:00", "to": "2024-03-02"}}"#,
    )
    .unwrap();
    let other = parse(
        r#"{"range": {"to": "2024-03-02", "from": "2024-03-01T00:00:00.000Z"}, "compare": null,
            "breakdown": {"attribute": "platform"}, "kind": "trend",
            "filter": {"value": 5.0, "is": ">=", "attribute": "amount"},
            "measures": [{"event": ["a", "b"], "measure": "people", "name": "people of a, b"}], "version": 1}"#,
    )
    .unwrap();
    assert_ne!(plain, other);
    assert_eq!(plain.fingerprint(), other.fingerprint());
    assert_eq!(parse(&plain.canonical()).unwrap(), plain);
    assert!(plain.canonical().contains("\"title\":\"A\""));
}

#[test]
fn the_schema_knows_every_field_and_operator() {
    let schema = json_schema();
    let fields = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(
        fields,
        [
            "version",
            "kind",
            "title",
            "measures",
            "filter",
            "breakdown",
            "top",
            "interval",
            "range",
            "compare"
        ]
    );
    assert_eq!(schema["required"], serde_json::json!(["version", "kind", "measures", "range"]));
    let text = schema.to_string();
    for word in ["not contains", "≥", ">=", "is not set", "events_per_person", "previous_period", "datetime"]
    {
        assert!(text.contains(&format!("\"{word}\"")), "{word}");
    }
}
