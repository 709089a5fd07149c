//! The SQL that reads a property from JSON agrees with `suanpan_event::coerce` on every value.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use suanpan_event::{AttributeType, EventLimits, Scalar, properties};
use suanpan_rules::parse;

use crate::data::Row;
use crate::rig::App;

const KINDS: [AttributeType; 4] =
    [AttributeType::String, AttributeType::Number, AttributeType::Boolean, AttributeType::Datetime];

const MATRIX: &[&str] = &[
    // Texts.
    r#""ios""#,
    r#""""#,
    r#"" ""#,
    r#""a\"b\\c\/d\b\f\n\r\t""#,
    r#""\u0041\u00e9\ud83d\ude00\u0000x""#,
    r#""店 é 😀""#,
    r#""true""#,
    r#""null""#,
    r#""{\"a\":1}""#,
    // Numbers in texts.
    r#""12""#,
    r#""-12.5""#,
    r#""+5""#,
    r#"".5""#,
    r#""5.""#,
    r#"".""#,
    r#""+""#,
    r#""-""#,
    r#""1e5""#,
    r#""1E+5""#,
    r#""1e""#,
    r#""e5""#,
    r#""1e400""#,
    r#""1e-400""#,
    r#"" 12""#,
    r#""12 ""#,
    r#""12\n""#,
    r#""0x10""#,
    r#""1_000""#,
    r#""1,5""#,
    r#""nan""#,
    r#""NaN""#,
    r#""inf""#,
    r#""-Infinity""#,
    r#""１２""#,
    r#""00012""#,
    r#""--1""#,
    r#""1.2.3""#,
    r#""9007199254740993""#,
    r#""123456789012345678901234567890""#,
    r#""0.1""#,
    r#""2.2250738585072011e-308""#,
    r#""8.5e-320""#,
    r#""-0""#,
    // Numbers.
    "0",
    "-0",
    "-0.0",
    "1",
    "-1",
    "1.0",
    "1.50",
    "12.5",
    "1e21",
    "1e20",
    "1E5",
    "1e-6",
    "1e-7",
    "0.00000012",
    "123456789.125",
    "9007199254740993",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "1.7976931348623157e308",
    "5e-324",
    "2.2250738585072011e-308",
    "0.1",
    "0.30000000000000004",
    "123456789012345680000.0",
    "1e22",
    "-1.5e300",
    "100000000000000000000000.5",
    "4.35",
    "1.0e0",
    "1234567.125e-3",
    // The rest.
    "true",
    "false",
    "null",
    "[]",
    "[1, 2]",
    "{}",
    r#"{"a": "b"}"#,
    r#"["12"]"#,
    // Instants.
    r#""2024-03-01T00:00:00Z""#,
    r#""2024-03-01 00:00:00Z""#,
    r#""2024-03-01T08:00:00.123456789+08:00""#,
    r#""2024-03-01T08:00:00.5-03:30""#,
    r#""2024-03-01T08:00:00.1234567891Z""#,
    r#""2024-03-01T08:00:00.Z""#,
    r#""2024-03-01T08:00:00""#,
    r#""2024-03-01""#,
    r#""2024-03-01T08:00Z""#,
    r#""2024-03-01t08:00:00z""#,
    r#""2024-03-01T08:00:60Z""#,
    r#""2024-03-01T24:00:00Z""#,
    r#""2024-03-01T23:60:00Z""#,
    r#""2024-02-30T00:00:00Z""#,
    r#""2023-02-29T00:00:00Z""#,
    r#""2024-02-29T00:00:00Z""#,
    r#""2024-00-10T00:00:00Z""#,
    r#""2024-13-10T00:00:00Z""#,
    r#""2024-01-00T00:00:00Z""#,
    r#""2024-01-32T00:00:00Z""#,
    r#""2024-04-31T00:00:00Z""#,
    r#""2024-03-01T08:00:00+0800""#,
    r#""2024-03-01T08:00:00+08""#,
    r#""2024-03-01T08:00:00+23:59""#,
    r#""2024-03-01T08:00:00+24:00""#,
    r#""2024-03-01T08:00:00+25:59""#,
    r#""2024-03-01T08:00:00+26:00""#,
    r#""2024-03-01T08:00:00+08:60""#,
    r#""2024-03-01T08:00:00-00:00""#,
    r#""2024-03-01T08:00:00+08:00[Asia/Shanghai]""#,
    r#""2024-03-01T08:00:00Z ""#,
    r#""1970-01-01T00:00:00Z""#,
    r#""1969-12-31T23:59:59.999Z""#,
    r#""1969-12-31T23:59:59.9999Z""#,
    r#""1969-12-31T23:30:00-01:00""#,
    r#""1970-01-01T00:30:00+01:00""#,
    r#""2149-06-06T23:59:59.999Z""#,
    r#""2149-06-06T23:59:59.9999Z""#,
    r#""2149-06-07T00:00:00Z""#,
    r#""2149-06-07T00:30:00+01:00""#,
    r#""2149-12-31T00:00:00Z""#,
    r#""0001-01-01T00:00:00Z""#,
    r#""9999-12-31T23:59:59Z""#,
    r#""20240301T000000Z""#,
    "1709251200000",
    "1709251200000.5",
    "-1",
    "1e300",
];

/// Every value as every type: stores one row a value, and breaks down by the property and by the
/// row's number, so that each row is a group of its own.
fn check(values: &[String]) {
    let mut rows = Vec::new();
    let mut expected = Vec::new();
    let mut wrong = Vec::new();
    for (at, value) in values.iter().enumerate() {
        let content = format!(r#"{{"other": "x", "p": {value}, "z": [1]}}"#);
        let content = properties::admit(&content, &EventLimits::default(), &mut Vec::new());
        let Ok(content) = content else { continue };
        let row = Row {
            event: "e".into(),
            time_ms: 1_000,
            person: at.to_string(),
            content: content.into_owned(),
            ..Row::default()
        };
        rows.push(row);
    }
    let app = App::new("UTC", &[], &rows);
    for kind in KINDS {
        for row in &rows {
            let value = row.property("p", kind).map(|scalar| match scalar {
                Scalar::Text(text) => text.into_owned(),
                // The sign of a zero is not kept in groups.
                Scalar::Number(number) => format!("{:e}", number + 0.0),
            });
            expected.push((kind, row.person.clone(), value));
        }
        let rule = parse(&format!(
            r#"{{"version": 1, "kind": "trend", "measures": [{{"measure": "events"}}], "top": 100,
                "breakdown": ["actor_id", {{"attribute": "p", "type": "{}"}}],
                "range": {{"from": "1970-01-01", "to": "1970-01-02"}}}}"#,
            kind.name()
        ))
        .unwrap();
        let statement = app.compile(&rule).statements.remove(0);
        // All rows, not the top 100.
        let params = statement.params.into_iter().map(|(name, value)| {
            let value = if name == "top" { rows.len().to_string() } else { value };
            (name, value)
        });
        let found = app.ask(&statement.sql, &params.collect::<Vec<_>>());
        assert_eq!(found.len(), rows.len());
        for cells in found {
            let text = |at: usize| cells[at].as_str().unwrap().to_owned();
            let (person, value) = (text(2), text(3));
            let value = match kind {
                _ if value.is_empty() => None,
                AttributeType::String => Some(value),
                _ => Some(format!("{:e}", value.parse::<f64>().unwrap())),
            };
            let at = expected.iter().position(|(k, p, _)| *k == kind && *p == person).unwrap();
            let content = &rows.iter().find(|row| row.person == person).unwrap().content;
            if value != expected[at].2 {
                wrong.push(format!("{content} as {}: {value:?}, not {:?}", kind.name(), expected[at].2));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn json_reads_as_coerce_says() {
    check(&MATRIX.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>());
}

#[test]
fn any_json_reads_as_coerce_says() {
    let instant = (1965_i64..2155, 0..14, 0..33, 0..26, 0..62, 0..62, 0_u32..2_000_000_000, -27..27, 0..61);
    let instant = instant.prop_map(|(y, mo, d, h, mi, s, fraction, oh, om)| {
        let fraction = if fraction < 1_000_000_000 { format!(".{fraction}") } else { String::new() };
        let sign = if oh < 0 { '-' } else { '+' };
        format!("\"{y:04}-{mo:02}-{d:02}T{h:02}:{mi:02}:{s:02}{fraction}{sign}{:02}:{om:02}\"", i32::abs(oh))
    });
    let text = any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap());
    let value = prop_oneof![
        any::<f64>().prop_filter_map("finite", |n| serde_json::to_string(&n).ok()),
        (any::<i32>(), -340..320).prop_map(|(mantissa, exponent)| format!("{mantissa}e{exponent}")),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<u64>().prop_map(|n| n.to_string()),
        (-100_000_000_i64..100_000_000, 0_u32..1_000_000).prop_map(|(n, f)| format!("{n}.{f:06}")),
        r#"[+-]?[0-9]{0,4}[.]?[0-9]{0,4}([eE][+-]?[0-9]{0,3})?"#.prop_map(|text| format!("\"{text}\"")),
        text,
        instant,
    ];
    let mut runner = TestRunner::default();
    let values = (0..400).map(|_| value.new_tree(&mut runner).unwrap().current());
    check(&values.collect::<Vec<_>>());
}
