use serde_json::{Value, json};
use suanpan_journey::{App, instant, measure, rule};

use crate::shared;

journeys! {
    days_begin_at_midnight_in_shanghai,
    the_days_of_new_york_have_23_and_25_hours,
    an_app_that_moves_asks_in_its_new_zone,
}

/// Reports an event at each of these local times.
async fn report_at(app: &App, times: &[&str]) {
    let event = |time: &&str| json!({ "event": "open", "user_id": "ann", "time": instant(time) });
    app.accept(&times.iter().map(event).collect::<Vec<_>>()).await;
    shared::settle().await;
}

/// The labels and counts of the answer's buckets.
async fn counts(app: &App, interval: &str, (from, to): (&str, &str)) -> Vec<(String, u64)> {
    let question = rule(json!({ "interval": interval, "range": { "from": from, "to": to } }));
    let answer = app.ask(&question).await;
    let labels = answer["buckets"].as_array().expect("buckets").iter();
    let points = answer["series"][0]["points"][0].as_array().expect("points").iter();
    let label = |bucket: &Value| bucket["label"].as_str().expect("a label").to_owned();
    labels.zip(points).map(|(bucket, point)| (label(bucket), point.as_u64().expect("a count"))).collect()
}

fn days(expected: &[(&str, u64)]) -> Vec<(String, u64)> {
    expected.iter().map(|(day, count)| ((*day).to_owned(), *count)).collect()
}

async fn days_begin_at_midnight_in_shanghai() {
    let calls = shared::server().await;
    let app = App::create_in(&calls, "Asia/Shanghai").await.importing().await;
    report_at(
        &app,
        &[
            "2026-02-28T23:59:59.999[Asia/Shanghai]",
            "2026-03-01T00:00:00[Asia/Shanghai]",
            "2026-03-01T07:59:59[Asia/Shanghai]",
            "2026-03-01T23:59:59.999[Asia/Shanghai]",
            "2026-03-02T00:00:00[Asia/Shanghai]",
        ],
    )
    .await;
    let expected = days(&[("2026-02-28", 1), ("2026-03-01", 3), ("2026-03-02", 1)]);
    assert_eq!(counts(&app, "day", ("2026-02-28", "2026-03-02")).await, expected);
    assert_eq!(counts(&app, "day", ("2026-03-01", "2026-03-01")).await, expected[1..2]);
    let months = counts(&app, "month", ("2026-02-01", "2026-03-31")).await;
    assert_eq!(months.iter().map(|(_, count)| *count).collect::<Vec<_>>(), [1, 4]);
}

async fn the_days_of_new_york_have_23_and_25_hours() {
    let calls = shared::server().await;
    let app = App::create_in(&calls, "America/New_York").await.importing().await;
    report_at(
        &app,
        &[
            // On 2026-03-08 the clock jumps from 02:00 to 03:00.
            "2026-03-07T23:59:59.999[America/New_York]",
            "2026-03-08T00:00:00[America/New_York]",
            "2026-03-08T01:59:59.999[America/New_York]",
            "2026-03-08T03:00:00[America/New_York]",
            "2026-03-08T23:59:59.999[America/New_York]",
            "2026-03-09T00:00:00[America/New_York]",
            // On 2025-11-02 the hour from 01:00 comes twice.
            "2025-11-01T23:59:59.999-04:00[America/New_York]",
            "2025-11-02T00:00:00-04:00[America/New_York]",
            "2025-11-02T01:30:00-04:00[America/New_York]",
            "2025-11-02T01:30:00-05:00[America/New_York]",
            "2025-11-02T23:59:59.999-05:00[America/New_York]",
            "2025-11-03T00:00:00-05:00[America/New_York]",
        ],
    )
    .await;
    let spring = counts(&app, "day", ("2026-03-07", "2026-03-09")).await;
    assert_eq!(spring, days(&[("2026-03-07", 1), ("2026-03-08", 4), ("2026-03-09", 1)]));
    let autumn = counts(&app, "day", ("2025-11-01", "2025-11-03")).await;
    assert_eq!(autumn, days(&[("2025-11-01", 1), ("2025-11-02", 4), ("2025-11-03", 1)]));
    let hours = counts(&app, "hour", ("2026-03-08", "2026-03-08")).await;
    assert_eq!((hours.len(), hours[1].1, hours[2].1, hours[22].1), (23, 1, 1, 1), "{hours:?}");
    let hours = counts(&app, "hour", ("2025-11-02", "2025-11-02")).await;
    assert_eq!((hours.len(), hours[1].1, hours[2].1, hours[24].1), (25, 1, 1, 1), "{hours:?}");

    // A day is compared with the day before, though that one is an hour shorter.
    let question =
        json!({ "range": { "from": "2026-03-09", "to": "2026-03-09" }, "compare": "previous_period" });
    let answer = app.ask(&rule(question)).await;
    assert_eq!(answer["series"][0]["total"], json!([1]));
    assert_eq!(answer["series"][0]["previous"]["total"], json!([4]));
}

async fn an_app_that_moves_asks_in_its_new_zone() {
    let calls = shared::server().await;
    let app = App::create_in(&calls, "Asia/Shanghai").await.importing().await;
    report_at(&app, &["2026-03-01T00:30:00[Asia/Shanghai]"]).await;
    let range = ("2026-02-28", "2026-03-01");
    assert_eq!(counts(&app, "day", range).await, days(&[("2026-02-28", 0), ("2026-03-01", 1)]));
    let change = json!({ "time_zone": "America/New_York" });
    calls.admin(reqwest::Method::PATCH, &app.path(""), Some(&change)).await.expect(200);
    assert_eq!(counts(&app, "day", range).await, days(&[("2026-02-28", 1), ("2026-03-01", 0)]));
    let nowhere = json!({ "time_zone": "Asia/Shanghei" });
    calls.admin(reqwest::Method::PATCH, &app.path(""), Some(&nowhere)).await.problem(422, "invalid");
    assert_eq!(
        app.totals(&rule(json!({ "measures": [measure("people")],
        "range": { "from": "2026-02-01", "to": "2026-02-28" } })))
            .await,
        json!([1])
    );
}
