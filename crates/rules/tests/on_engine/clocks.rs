//! Days, hours and ranges where clocks are set, counted by the engine.

use jiff::Timestamp;
use serde_json::{Value, json};
use suanpan_rules::{Answer, parse};

use crate::data::Row;
use crate::rig::App;

fn ms(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_millisecond()
}

/// An app with one event, of one person, at each of these instants.
fn app(zone: &str, now: &str, instants: &[&str]) -> App {
    let row = |at: &&str| Row {
        event: "e".into(),
        time_ms: ms(at),
        person: "p".into(),
        content: "{}".into(),
        ..Row::default()
    };
    let mut app = App::new(zone, &[], &instants.iter().map(row).collect::<Vec<_>>());
    app.now_ms = ms(now);
    app
}

fn ask(app: &App, interval: &str, range: Value, compare: bool) -> Answer {
    let rule = json!({
        "version": 1, "kind": "trend", "measures": [{"measure": "events"}, {"measure": "people"}],
        "interval": interval, "range": range, "compare": compare.then_some("previous_period"),
    });
    app.answer(&parse(&rule.to_string()).unwrap())
}

fn lines(answer: &Answer) -> Vec<(String, i64)> {
    let counts = answer.series[0].points[0].iter().map(|n| n.as_ref().unwrap().as_i64().unwrap());
    answer.buckets.iter().map(|b| b.label.clone()).zip(counts).collect()
}

/// Asks one range; expected: each bucket's label and how many events lie in it.
fn check(zone: &str, interval: &str, range: Value, instants: &[&str], expected: &[(&str, i64)]) {
    let answer = ask(&app(zone, "2030-01-01T00:00:00Z", instants), interval, range, false);
    let expected = expected.iter().map(|(label, n)| ((*label).to_owned(), *n)).collect::<Vec<_>>();
    assert_eq!(lines(&answer), expected, "{zone}");
    let total = expected.iter().map(|(_, n)| n).sum::<i64>();
    assert_eq!(answer.series[0].total, [Some(total.into()), Some(i64::from(total > 0).into())]);
}

#[test]
fn new_york_has_a_day_of_25_hours_and_one_of_23() {
    check(
        "America/New_York",
        "day",
        json!({"from": "2024-11-02", "to": "2024-11-04"}),
        &[
            "2024-11-02T03:59:59.999Z",
            "2024-11-02T04:00:00Z",
            "2024-11-03T03:59:59.999Z",
            "2024-11-03T04:00:00Z",
            "2024-11-04T04:59:59.999Z",
            "2024-11-04T05:00:00Z",
            "2024-11-05T05:00:00Z",
        ],
        &[("2024-11-02", 2), ("2024-11-03", 2), ("2024-11-04", 1)],
    );
    check(
        "America/New_York",
        "hour",
        json!({"from": "2024-11-03T00:00", "to": "2024-11-03T03:00"}),
        &["2024-11-03T05:30:00Z", "2024-11-03T06:30:00Z", "2024-11-03T06:59:59.999Z", "2024-11-03T07:00:00Z"],
        &[
            ("2024-11-03T00:00-04:00", 0),
            ("2024-11-03T01:00-04:00", 1),
            ("2024-11-03T01:00-05:00", 2),
            ("2024-11-03T02:00-05:00", 1),
        ],
    );
    check(
        "America/New_York",
        "hour",
        json!({"from": "2024-03-10T01:00", "to": "2024-03-10T04:00"}),
        &["2024-03-10T06:59:59.999Z", "2024-03-10T07:00:00Z"],
        &[("2024-03-10T01:00-05:00", 1), ("2024-03-10T03:00-04:00", 1)],
    );
}

#[test]
fn a_skipped_midnight_starts_its_day_later() {
    check(
        "America/Sao_Paulo",
        "day",
        json!({"from": "2017-10-14", "to": "2017-10-16"}),
        &[
            "2017-10-15T02:59:59.999Z",
            "2017-10-15T03:00:00Z",
            "2017-10-16T01:59:59.999Z",
            "2017-10-16T02:00:00Z",
        ],
        &[("2017-10-14", 1), ("2017-10-15", 2), ("2017-10-16", 1)],
    );
    check(
        "Asia/Beirut",
        "day",
        json!({"from": "2024-03-31", "to": "2024-03-31"}),
        &[
            "2024-03-30T21:59:59.999Z",
            "2024-03-30T22:00:00Z",
            "2024-03-31T20:59:59.999Z",
            "2024-03-31T21:00:00Z",
        ],
        &[("2024-03-31", 2)],
    );
}

#[test]
fn halves_of_hours_count() {
    check(
        "Asia/Kolkata",
        "hour",
        json!({"from": "2024-03-01T00:00", "to": "2024-03-01T02:00"}),
        &[
            "2024-02-29T18:29:59.999Z",
            "2024-02-29T18:30:00Z",
            "2024-02-29T19:29:59.999Z",
            "2024-02-29T19:30:00Z",
        ],
        &[("2024-03-01T00:00+05:30", 2), ("2024-03-01T01:00+05:30", 1)],
    );
    check(
        "Australia/Lord_Howe",
        "hour",
        json!({"from": "2024-04-07T01:00", "to": "2024-04-07T03:00"}),
        &[
            "2024-04-06T14:59:59.999Z",
            "2024-04-06T15:00:00Z",
            "2024-04-06T15:29:59.999Z",
            "2024-04-06T15:30:00Z",
        ],
        &[("2024-04-07T01:00+11:00", 1), ("2024-04-07T01:30+10:30", 2), ("2024-04-07T02:00+10:30", 1)],
    );
}

#[test]
fn weeks_months_and_minutes() {
    check(
        "Asia/Shanghai",
        "week",
        json!({"from": "2024-02-26", "to": "2024-03-10"}),
        &["2024-02-25T16:00:00Z", "2024-03-03T15:59:59.999Z", "2024-03-03T16:00:00Z"],
        &[("2024-02-26", 2), ("2024-03-04", 1)],
    );
    check(
        "America/New_York",
        "month",
        json!({"from": "2024-10-01", "to": "2024-12-31"}),
        &[
            "2024-11-01T03:59:59.999Z",
            "2024-11-01T04:00:00Z",
            "2024-12-01T04:59:59.999Z",
            "2025-01-01T04:59:59.999Z",
        ],
        &[("2024-10", 1), ("2024-11", 2), ("2024-12", 1)],
    );
    check(
        "Asia/Kathmandu",
        "minute",
        json!({"from": "2024-03-01T00:00:30", "to": "2024-03-01T00:02"}),
        &["2024-02-29T18:15:29.999Z", "2024-02-29T18:15:30Z", "2024-02-29T18:16:59.999Z"],
        &[("2024-03-01T00:00+05:45", 1), ("2024-03-01T00:01+05:45", 1)],
    );
}

#[test]
fn the_last_days_are_today_and_those_before() {
    let app = app(
        "America/New_York",
        "2024-11-05T12:00:00Z",
        &[
            "2024-10-30T03:59:59.999Z",
            "2024-10-30T04:00:00Z",
            "2024-11-06T04:59:59.999Z",
            "2024-10-28T05:00:00Z",
        ],
    );
    let answer = ask(&app, "day", json!({"last": 7, "unit": "day"}), true);
    assert_eq!(answer.range.from, "2024-10-30T00:00:00-04:00");
    assert_eq!(answer.range.to, "2024-11-06T00:00:00-05:00");
    assert!(answer.range.open);
    let previous = answer.previous_range.as_ref().unwrap();
    assert_eq!((previous.from.as_str(), previous.open), ("2024-10-23T00:00:00-04:00", false));
    let found = lines(&answer);
    assert_eq!(found.first().unwrap(), &("2024-10-30".to_owned(), 1));
    assert_eq!(found.last().unwrap(), &("2024-11-05".to_owned(), 1));
    let before = answer.series[0].previous.as_ref().unwrap();
    assert_eq!(before.total[0], Some(2.into()));
    assert_eq!(before.points[0][5..], [Some(1.into()), Some(1.into())]);
}

#[test]
fn a_longer_month_has_days_without_a_partner() {
    let app = app("UTC", "2024-03-15T00:00:00Z", &["2024-02-29T12:00:00Z", "2024-03-31T12:00:00Z"]);
    let answer = ask(&app, "day", json!({"last": 1, "unit": "month"}), true);
    assert_eq!((answer.buckets.len(), answer.previous_buckets.len()), (31, 29));
    let before = answer.series[0].previous.as_ref().unwrap();
    assert_eq!(before.points[0][27..], [Some(0.into()), Some(1.into()), None, None]);
    // A total without an interval still says so.
    let range = json!({"from": "2024-03-31", "to": "2024-03-31"});
    let rule = json!({ "version": 1, "kind": "trend", "measures": [{"measure": "events"}], "range": range });
    let answer = app.answer(&parse(&rule.to_string()).unwrap());
    assert_eq!(answer.series[0].total, [Some(1.into())]);
    assert!(answer.buckets.is_empty() && answer.series[0].points.is_empty());
}
