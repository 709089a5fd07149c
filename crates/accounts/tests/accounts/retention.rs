use jiff::ToSpan as _;
use suanpan_catalog::{NewApp, SettingsChange};
use suanpan_event::{AppId, Event, report_date};

use crate::stations::{DAY_MS, Stations, now_ms};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_older_than_its_app_keeps_it_goes_and_is_counted() {
    let stations = Stations::start().await;
    let other: AppId = "cafe".parse().unwrap();
    let new = NewApp { id: other.clone(), title: "Cafe".into(), time_zone: "UTC".into() };
    stations.catalog.create_app(new).await.unwrap();
    let now = now_ms();
    // Ten days of the one app, of which the other has the oldest too.
    let mut events: Vec<Event<'_>> = Vec::new();
    for day in 0..10 {
        for n in 0..5 {
            events.push(stations.event(&format!("u{n}"), now - day * DAY_MS));
        }
    }
    events.push(Event { app_id: other.clone(), ..stations.event("guest", now - 9 * DAY_MS) });
    stations.append(&events).await;
    stations.settle().await;

    let preview = stations.accounts.retention_preview(&stations.app, 3).await.unwrap();
    let today = report_date(now_ms());
    assert_eq!((preview.events, preview.days), (30, 6));
    assert_eq!(preview.kept_from, today.saturating_sub(3.days()));
    let change = SettingsChange { retention_days: Some(Some(3)), ..SettingsChange::default() };
    stations.catalog.update_settings(&stations.app, change).await.unwrap();
    let is_done = async || stations.rows("events").await == 21;
    stations.watch_until(is_done).await;

    let oldest =
        stations.plant("SELECT min(report_date) FROM suanpan.events_local WHERE app_id = 'shop'").await;
    assert_eq!(oldest.trim(), preview.kept_from.to_string());
    let summary = stations.expect_equal().await;
    assert_eq!((summary.stored, summary.removed), (51, 30));
    let open = stations.warehouse.open_removals().await.unwrap();
    assert_eq!(open, []);
    stations.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_was_cut_off_goes_on_and_counts_once() {
    let stations = Stations::start().await;
    let now = now_ms();
    let events: Vec<_> = (0..40).map(|n| stations.event(&format!("u{n}"), now - 5 * DAY_MS)).collect();
    stations.append(&events).await;
    stations.settle().await;
    let day = report_date(now - 5 * DAY_MS);
    // As a crash leaves it: counted, and some rows gone.
    stations
        .plant(&format!(
            "INSERT INTO suanpan.removal_steps_local SELECT 7, 'retention', '{}', 'counted', now64(3), 1",
            format_args!(
                r#"{{"job":7,"reason":"retention","rows":{{"day":{{"day":"{day}","apps":["shop"]}}}},"ends":[]}}"#
            )
        ))
        .await;
    stations
        .plant(
            "INSERT INTO suanpan.removed_local SELECT app_id, toStartOfMinute(received_time) AS minute, 'retention', 7, \
             count() FROM suanpan.events_local GROUP BY app_id, minute",
        )
        .await;
    stations.expect_equal().await;
    stations
        .plant("ALTER TABLE suanpan.events_local DELETE WHERE user_id < 'u2' SETTINGS mutations_sync = 2")
        .await;
    // Neither what is gone nor what is still there is a difference.
    stations.expect_equal().await;
    let is_done = async || stations.warehouse.open_removals().await.unwrap().is_empty();
    stations.watch_until(is_done).await;
    assert_eq!(stations.rows("events").await, 0);
    assert_eq!(stations.expect_equal().await.removed, 40);
    stations.end().await;
}
