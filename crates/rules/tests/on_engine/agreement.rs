//! Generated rules over generated events: the engine and the slow evaluator agree.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use serde_json::{Value, json};
use suanpan_event::{Attribute, AttributeType};
use suanpan_rules::{Answer, parse};

use crate::data::{Row, attribute};
use crate::evaluator::{Evaluator, Findings, Found1, PATTERNS, findings_of};
use crate::rig::App;

const CASES: u32 = 80;
const EVENTS: &[&str] = &["open", "view", "buy", "it's"];
const ZONES: &[&str] =
    &["UTC", "Asia/Shanghai", "Asia/Kolkata", "America/New_York", "America/Sao_Paulo", "Asia/Kathmandu"];

/// 2017-10-15, around which clocks in São Paulo skip midnight, and New York follows in November.
const MIDDLE_MS: i64 = 1_508_040_000_000;
const DAY_MS: i64 = 86_400_000;

fn attributes() -> Vec<Attribute> {
    use AttributeType::{Boolean, Datetime, Number, String};
    vec![
        attribute("amount", Number, Some(("num_01", 1))),
        attribute("size", Number, Some(("num_02", 3))),
        attribute("weight", Number, None),
        attribute("channel", String, Some(("cat_01", 1))),
        attribute("city", String, Some(("text_01", 2))),
        attribute("note", String, None),
        attribute("vip", Boolean, Some(("num_03", 2))),
        attribute("new", Boolean, None),
        attribute("due", Datetime, Some(("num_04", 2))),
        attribute("seen", Datetime, None),
    ]
}

fn property() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (-8..40_i32).prop_map(|n| json!(f64::from(n) / 4.0)),
        2 => (0..5_i32).prop_map(|n| json!(n)),
        4 => prop::sample::select(vec!["ads", "Ads", "a1", "organic", "", "x'y", "店", "2", "0.5", "nan", "a\\b"]).prop_map(Value::from),
        2 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
        1 => Just(json!([1, "a"])),
        2 => (0..20_i64).prop_map(|n| {
            let at = jiff::Timestamp::from_millisecond(MIDDLE_MS + n * DAY_MS / 3).unwrap();
            Value::from(at.to_string())
        }),
        1 => (0..20_i64).prop_map(|n| json!(MIDDLE_MS + n * DAY_MS / 3)),
    ]
}

fn row() -> impl Strategy<Value = Row> {
    let names = attributes().into_iter().map(|a| a.name).collect::<Vec<_>>();
    let properties = prop::collection::hash_map(prop::sample::select(names), property(), 0..8);
    let time = prop_oneof![-45 * DAY_MS..45 * DAY_MS, -36 * 3_600_000..36 * 3_600_000_i64];
    let platform = prop::sample::select(vec!["ios", "android", "web", ""]);
    let origin = (prop::sample::select(vec!["CN", "DE", ""]), any::<bool>());
    (prop::sample::select(EVENTS), time, 0..7, platform, origin, 1..5_u32, properties).prop_map(
        |(event, time, person, platform, (country, bot), slot_map, properties)| Row {
            event: event.into(),
            time_ms: MIDDLE_MS + time,
            person: format!("p{person}"),
            platform: platform.into(),
            country: country.into(),
            bot,
            slot_map,
            content: serde_json::to_string(&properties).unwrap(),
        },
    )
}

/// An attribute with its type, by name or by a stated type other than the plan's.
fn attribute_ref() -> impl Strategy<Value = (String, Option<&'static str>, AttributeType)> {
    let planned = prop::sample::select(attributes()).prop_map(|a| (a.name, None, a.kind));
    let built_in = prop::sample::select(vec![
        ("platform".to_owned(), None, AttributeType::String),
        ("event".to_owned(), None, AttributeType::String),
        ("actor_id".to_owned(), None, AttributeType::String),
        ("event_time".to_owned(), None, AttributeType::Datetime),
        ("country".to_owned(), None, AttributeType::String),
        ("bot".to_owned(), None, AttributeType::Boolean),
    ]);
    let stated = (prop::sample::select(attributes()), 0..3).prop_map(|(a, kind)| {
        let (word, kind) = [
            ("string", AttributeType::String),
            ("number", AttributeType::Number),
            ("boolean", AttributeType::Boolean),
        ][kind as usize];
        (a.name, Some(word), kind)
    });
    prop_oneof![5 => planned, 2 => built_in, 1 => stated]
}

fn number_attribute() -> impl Strategy<Value = (String, Option<&'static str>)> {
    attribute_ref().prop_map(|(name, stated, kind)| match kind {
        AttributeType::Number => (name, stated),
        _ if ["platform", "event", "actor_id", "event_time", "country", "bot"].contains(&name.as_str()) => {
            ("amount".into(), None)
        }
        _ => (name, Some("number")),
    })
}

fn condition() -> impl Strategy<Value = Value> {
    let texts =
        || prop::sample::select(vec!["ads", "Ads", "a", "ios", "view", "x'y", "店", "2", "p1", "a\\b"]);
    let numbers = || (-8..40_i32).prop_map(|n| f64::from(n) / 4.0);
    let moments =
        || prop::sample::select(vec!["2017-10-15", "2017-10-16T05:00", "2017-10-14T03:00:00Z", "2017-10-20"]);
    let parts = (texts(), texts(), numbers(), 0.0..4.0, moments(), moments(), prop::sample::select(PATTERNS));
    (attribute_ref(), 0..16_usize, parts).prop_map(|((name, stated, kind), choice, parts)| {
        let (text, text2, number, more, moment, moment2, pattern) = parts;
        let (first, last) = if moment <= moment2 { (moment, moment2) } else { (moment2, moment) };
        let choose = |of: &[(&'static str, Value)]| of[choice % of.len()].clone();
        let (is, value) = match kind {
            AttributeType::String => choose(&[
                ("=", json!(text)),
                ("≠", json!(text)),
                ("in", json!([text, text2])),
                ("not in", json!([text, text2])),
                ("contains", json!(text)),
                ("not contains", json!(text)),
                ("starts", json!(text)),
                ("regex", json!(pattern)),
                ("is set", Value::Null),
                ("is not set", Value::Null),
            ]),
            AttributeType::Number => choose(&[
                ("=", json!(number)),
                ("!=", json!(number)),
                ("in", json!([number, 1, -0.0])),
                ("not in", json!([number, 2])),
                (">", json!(number)),
                (">=", json!(number)),
                ("<", json!(number)),
                ("≤", json!(number)),
                ("between", json!([number, number + f64::from(more as i32)])),
                ("is set", Value::Null),
                ("is not set", Value::Null),
            ]),
            // Lists have a test of their own, `lists`; no reference here is one.
            AttributeType::StringList => choose(&[("is set", Value::Null)]),
            AttributeType::Boolean => choose(&[
                ("=", json!(true)),
                ("=", json!(false)),
                ("≠", json!(true)),
                ("is set", Value::Null),
                ("is not set", Value::Null),
            ]),
            AttributeType::Datetime => choose(&[
                ("=", json!(moment)),
                ("≠", json!(moment)),
                (">", json!(moment)),
                ("≥", json!(moment)),
                ("<", json!(moment)),
                ("<=", json!(moment)),
                ("between", json!([first, last])),
                ("is set", Value::Null),
                ("is not set", Value::Null),
            ]),
        };
        json!({"attribute": name, "type": stated, "is": is, "value": value})
    })
}

fn filter() -> impl Strategy<Value = Value> {
    condition().prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(|all| json!({ "and": all })),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|any| json!({ "or": any })),
            inner.prop_map(|not| json!({ "not": not })),
        ]
    })
}

fn measure() -> impl Strategy<Value = Value> {
    let plain = prop::sample::select(vec!["events", "people", "events_per_person"]);
    let of_number = prop::sample::select(vec!["sum", "avg", "min", "max", "p50", "p90", "p99"]);
    let what = prop_oneof![
        plain.prop_map(|measure| json!({ "measure": measure })),
        (of_number, number_attribute())
            .prop_map(|(measure, (name, kind))| json!({"measure": measure, "attribute": name, "type": kind})),
        attribute_ref()
            .prop_map(|(name, kind, _)| json!({"measure": "distinct", "attribute": name, "type": kind})),
    ];
    let events = prop::option::of(prop::sample::subsequence(EVENTS.to_vec(), 1..3));
    (what, events, prop::option::weighted(0.3, filter())).prop_map(|(mut measure, events, filter)| {
        measure["event"] = json!(events);
        measure["filter"] = json!(filter);
        measure
    })
}

fn range() -> impl Strategy<Value = Value> {
    let date = |n: i64| {
        let at = jiff::Timestamp::from_millisecond(MIDDLE_MS + n * DAY_MS).unwrap();
        at.to_zoned(TimeZone::UTC).date().to_string()
    };
    let dates =
        (-40..40_i64, 0..40_i64).prop_map(move |(n, more)| json!({"from": date(n), "to": date(n + more)}));
    let instants = (-40 * 24..40 * 24_i64, 1..400_i64).prop_map(|(hour, more)| {
        let at =
            |hour: i64| jiff::Timestamp::from_millisecond(MIDDLE_MS + hour * 3_600_000 + 60_000).unwrap();
        json!({"from": at(hour).to_string(), "to": at(hour + more).to_string()})
    });
    let units = prop::sample::select(vec![("hour", 60_u32), ("day", 40), ("week", 6), ("month", 2)]);
    let relative =
        (units, 0..1_000_u32).prop_map(|((unit, max), n)| json!({"last": 1 + n % max, "unit": unit}));
    prop_oneof![2 => dates, 1 => instants, 2 => relative]
}

fn rule() -> impl Strategy<Value = Value> {
    let breakdown = prop::collection::vec(attribute_ref(), 0..4).prop_map(|attributes| {
        let mut seen = BTreeSet::new();
        let shown = |(name, stated, _): (String, Option<&str>, _)| match stated {
            None => json!(name),
            Some(kind) => json!({"attribute": name, "type": kind}),
        };
        attributes.into_iter().filter(|a| seen.insert(a.0.clone())).map(shown).collect::<Vec<_>>()
    });
    let interval = prop::option::of(prop::sample::select(vec!["minute", "hour", "day", "week", "month"]));
    let parts = (
        prop::collection::vec(measure(), 1..5),
        prop::option::of(filter()),
        breakdown,
        1..6_u32,
        interval,
        range(),
        any::<bool>(),
    );
    parts.prop_map(|(mut measures, filter, breakdown, top, interval, range, compare)| {
        for (at, measure) in measures.iter_mut().enumerate() {
            measure["name"] = json!(format!("m{at}"));
        }
        // Minutes of a long range are more points than an answer may have.
        let is_short =
            range.get("last").and_then(Value::as_u64).is_some_and(|n| n < 25) && range["unit"] == "hour";
        let interval = interval.map(|i| if i == "minute" && !is_short { "hour" } else { i });
        let long_hours = interval == Some("hour") && !is_short;
        let (breakdown, measures) =
            if long_hours { (vec![], measures[..1].to_vec()) } else { (breakdown, measures) };
        json!({
            "version": 1, "kind": "trend", "measures": measures, "filter": filter,
            "top": if breakdown.is_empty() { Value::Null } else { json!(top) },
            "breakdown": if breakdown.is_empty() { Value::Null } else { json!(breakdown) },
            "interval": interval, "range": range,
            "compare": compare.then_some("previous_period"),
        })
    })
}

/// The evaluator leaves out buckets without rows; fills them in from the answer's.
fn fill(expected: &mut Findings, found: &Findings, nothing: &[Option<f64>]) {
    let fill = |expected: &mut Found1, found: &Found1| {
        for label in found.points.keys() {
            expected.points.entry(label.clone()).or_insert_with(|| nothing.to_vec());
        }
        // Buckets of the period before that have no partner are not shown.
        expected.points.retain(|label, _| found.points.contains_key(label));
    };
    for (expected, found) in expected.iter_mut().zip(found) {
        let labels = expected.1.points.len();
        fill(&mut expected.1, &found.1);
        assert!(expected.1.points.len() >= labels, "a bucket is missing in the answer");
        if let (Some(expected), Some(found)) = (&mut expected.2, &found.2) {
            fill(expected, found);
        }
    }
}

fn agree(app: &App, rows: &[Row], json: &Value) -> Result<Answer, TestCaseError> {
    let rule = parse(&json.to_string()).map_err(|errors| TestCaseError::fail(errors.to_string()))?;
    prop_assert_eq!(&parse(&rule.canonical()).unwrap(), &rule);
    let answer = app.answer(&rule);
    let found = findings_of(&answer);
    let zone = TimeZone::get(&app.zone).unwrap();
    let evaluator = Evaluator { rule: &rule, rows, attributes: &app.attributes, zone, now_ms: app.now_ms };
    let mut expected = evaluator.findings();
    let empty = Evaluator { rows: &[], ..evaluator };
    let nothing = empty_values(&empty);
    fill(&mut expected, &found, &nothing);
    prop_assert_eq!(found, expected, "zone {}", app.zone);
    Ok(answer)
}

fn empty_values(evaluator: &Evaluator<'_>) -> Vec<Option<f64>> {
    let mut rule = evaluator.rule.clone();
    rule.breakdown.clear();
    let nothing = Evaluator { rule: &rule, zone: evaluator.zone.clone(), ..*evaluator };
    nothing.findings().remove(0).1.total
}

#[test]
fn the_engine_agrees_with_the_slow_evaluator() {
    let seed = match std::env::var("SUANPAN_SEED") {
        Ok(seed) => seed.parse().expect("SUANPAN_SEED is a UUID"),
        Err(_) => uuid::Uuid::new_v4(),
    };
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(seed.as_bytes());
    let config =
        Config { cases: CASES, failure_persistence: None, max_shrink_iters: 400, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));

    let mut data = Vec::new();
    for (at, zone) in ZONES.iter().enumerate() {
        let tree = prop::collection::vec(row(), 150..300).new_tree(&mut runner).unwrap();
        let mut rows = proptest::strategy::ValueTree::current(&tree);
        // Some apps have slots in all rows, some have older rows without.
        let floor = 1 + at as u32 % 4;
        rows.iter_mut().for_each(|row| row.slot_map = row.slot_map.max(floor));
        let mut app = App::new(zone, &attributes(), &rows);
        app.now_ms = MIDDLE_MS + at as i64 * DAY_MS;
        data.push((app, rows));
    }
    let answered = std::cell::Cell::new(0);
    let result = runner.run(&(0..ZONES.len(), rule()), |(at, json)| {
        let (app, rows) = &data[at];
        let answer = agree(app, rows, &json)?;
        let found = answer.series.iter().any(|s| s.total.iter().flatten().any(|n| n.as_f64() != Some(0.0)));
        answered.set(answered.get() + u32::from(found));
        Ok(())
    });
    if let Err(error) = result {
        panic!("SUANPAN_SEED={seed}\n{error}");
    }
    assert!(answered.get() > CASES / 2, "most rules found nothing: the generator is off");
}
