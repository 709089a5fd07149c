//! What is kept beside the events: the dead letter, links between ids, and learnt names.

#![allow(clippy::unwrap_used)]

mod fixture;

use fixture::{DAY_MS, MARCH_MS, app, batch, question, row};
use serde_json::json;
use suanpan_event::{AppId, DeadEvent, Origin, report_date};
use suanpan_warehouse::{
    BatchId, DeadLetterBy, DeadLetterFilter, EventRow, Learnt, LearntTypes, NewLearnt, NewLink, ReplayNote,
    StoredDead, Warehouse, testing,
};
use uuid::Uuid;

fn span(epoch: u64, first: u64, last: u64) -> BatchId {
    BatchId { epoch, partition: 0, first, last, writer: 0 }
}

fn dead(app_id: &AppId, n: u64) -> DeadEvent<'static> {
    DeadEvent {
        app_id: app_id.clone(),
        id: Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{app_id}/{n}").as_bytes()),
        received_time_ms: MARCH_MS + n as i64 * 1_000,
        format: "native".into(),
        code: if n.is_multiple_of(2) { "missing" } else { "too_deep" }.into(),
        field: "properties.价格".into(),
        message: "it's \"wrong\"\n".into(),
        event: format!("e{}", n % 3).into(),
        user_id: "u1".into(),
        device_id: "d1".into(),
        raw: format!(r#"{{"n":{n},"name":"算盘 \\ ' \u0000 Ünï"}}"#).into(),
        draft: "".into(),
        is_replayable: n != 9,
        clock_correction_ms: (n == 3).then_some(-5),
        may_report_old: n == 4,
        origin: Origin { country: "CN".into(), is_bot: true, ..Origin::default() },
    }
}

async fn keep(warehouse: &Warehouse, epoch: u64, dead: &[DeadEvent<'_>]) {
    let rows: Vec<_> = dead.iter().enumerate().map(|(n, dead)| (n as u64, dead)).collect();
    let batch = span(epoch, 0, rows.len() as u64 - 1);
    warehouse.insert_dead_letter(batch, &rows).await.unwrap();
}

fn ids(found: &[StoredDead]) -> Vec<Uuid> {
    found.iter().map(|dead| dead.id).collect()
}

#[test]
fn where_an_event_came_from_is_stored_with_it() {
    testing::run(async |warehouse: Warehouse| {
        let app = app("origin");
        let origin = Origin {
            ip: "192.0.2.7".into(),
            country: "CN".into(),
            region: "上海".into(),
            city: "Shanghai".into(),
            browser: "WeChat".into(),
            browser_version: "8.0".into(),
            os: "iOS".into(),
            os_version: "18.1".into(),
            device_type: "mobile".into(),
            is_bot: true,
        };
        let known = EventRow { origin, linked_id: "anonymous".into(), ..row(&app, 0) };
        let rows = [known, row(&app, 1)];
        warehouse.insert_events(batch(50, &rows), &rows).await.unwrap();
        let sql = "SELECT linked_id, ip, country, region, city, browser, browser_version, os, os_version, device_type, \
                   is_bot FROM events ORDER BY log_offset";
        let found = warehouse.ask(&question(&app, sql)).await.unwrap().rows;
        let first = json!([
            "anonymous",
            "192.0.2.7",
            "CN",
            "上海",
            "Shanghai",
            "WeChat",
            "8.0",
            "iOS",
            "18.1",
            "mobile",
            true
        ]);
        assert_eq!(json!(found), json!([first, ["", "", "", "", "", "", "", "", "", "", false]]));
    });
}

#[test]
fn a_dead_event_comes_back_as_it_was() {
    testing::run(async |warehouse: Warehouse| {
        let app = app("dead-one");
        let first = dead(&app, 3);
        keep(&warehouse, 51, &[first.clone(), dead(&app, 4)]).await;
        let found = warehouse.dead_event(&app, first.id).await.unwrap().unwrap();
        let (mut record, mut expected) = (Vec::new(), Vec::new());
        found.dead_event(&app).encode_into(&mut record);
        first.encode_into(&mut expected);
        assert_eq!(String::from_utf8(record), String::from_utf8(expected));
        assert_eq!((found.replay_outcome.as_str(), found.replay_time_ms), ("", None));
        assert_eq!(warehouse.dead_event(&app, Uuid::nil()).await.unwrap(), None);
        let other = fixture::app("dead-other");
        assert_eq!(warehouse.dead_event(&other, first.id).await.unwrap(), None);
    });
}

#[test]
fn a_search_finds_what_fits_page_by_page() {
    testing::run(async |warehouse: Warehouse| {
        let app = app("dead-search");
        let all: Vec<_> = (0..30).map(|n| dead(&app, n)).collect();
        keep(&warehouse, 52, &all).await;
        let newest_first: Vec<Uuid> = all.iter().rev().map(|dead| dead.id).collect();

        let everything = DeadLetterFilter::default();
        let (mut found, mut before) = (Vec::new(), None);
        loop {
            let page = warehouse.dead_letter(&app, &everything, before, 7).await.unwrap();
            let Some(last) = page.last() else { break };
            before = Some(last.place());
            assert!(page.len() <= 7);
            found.extend(ids(&page));
        }
        assert_eq!(found, newest_first);

        let check = async |filter: DeadLetterFilter, expected: &[u64]| {
            let found = warehouse.dead_letter(&app, &filter, None, 100).await.unwrap();
            let expected: Vec<Uuid> = expected.iter().rev().map(|n| all[*n as usize].id).collect();
            assert_eq!(ids(&found), expected, "{filter:?}");
        };
        let none = DeadLetterFilter::default;
        let text = |text: &str| Some(text.to_owned());
        check(DeadLetterFilter { code: text("too_deep"), to_ms: Some(MARCH_MS + 4_000), ..none() }, &[1, 3])
            .await;
        check(DeadLetterFilter { from_ms: Some(MARCH_MS + 27_000), event: text("e0"), ..none() }, &[27])
            .await;
        check(DeadLetterFilter { text: text("\"n\":7,"), ..none() }, &[7]).await;
        check(
            DeadLetterFilter { text: text("\\\\ ' \\u0000 ÜNÏ"), to_ms: Some(MARCH_MS + 1), ..none() },
            &[0],
        )
        .await;
        check(DeadLetterFilter { user_id: text("nobody"), ..none() }, &[]).await;
        check(DeadLetterFilter { device_id: text("d1"), ids: vec![all[5].id], ..none() }, &[5]).await;
        check(DeadLetterFilter { code: text("' OR 1 --"), ..none() }, &[]).await;
        check(DeadLetterFilter { replayed: Some(true), ..none() }, &[]).await;

        let by_code = warehouse.dead_letter_counts(&app, &none(), DeadLetterBy::Code).await.unwrap();
        let by_code: Vec<_> = by_code.iter().map(|c| (c.value.as_str(), c.kept, c.replayable)).collect();
        assert_eq!(by_code, [("missing", 15, 15), ("too_deep", 15, 14)]);
        let by_event = warehouse.dead_letter_counts(&app, &none(), DeadLetterBy::Event).await.unwrap();
        assert_eq!(by_event.iter().map(|c| c.kept).collect::<Vec<_>>(), [10, 10, 10]);
    });
}

#[test]
fn a_record_sent_again_is_one_row_a_day_and_keeps_its_replay() {
    testing::run(async |warehouse: Warehouse| {
        let app = app("dead-again");
        let first = dead(&app, 0);
        let later = DeadEvent { received_time_ms: MARCH_MS + 60_000, ..first.clone() };
        let next_day = DeadEvent { received_time_ms: MARCH_MS + DAY_MS, ..first.clone() };
        keep(&warehouse, 53, std::slice::from_ref(&first)).await;
        keep(&warehouse, 54, &[first.clone(), later.clone(), next_day]).await;
        let all = DeadLetterFilter::default();
        assert_eq!(warehouse.dead_letter(&app, &all, None, 10).await.unwrap().len(), 2);
        assert_eq!(warehouse.dead_selected(&app, &all, 1).await.unwrap().left, 1);

        let note = ReplayNote { id: first.id, outcome: "accepted", code: "", message: String::new() };
        for _ in 0..2 {
            warehouse
                .note_replays(&app, 1, MARCH_MS + 2 * DAY_MS, std::slice::from_ref(&note))
                .await
                .unwrap();
        }
        keep(&warehouse, 55, &[later]).await;
        let found = warehouse.dead_letter(&app, &all, None, 10).await.unwrap();
        let outcomes: Vec<_> = found.iter().map(|d| (d.replay_outcome.as_str(), d.replay_time_ms)).collect();
        assert_eq!(outcomes, [("accepted", Some(MARCH_MS + 2 * DAY_MS)); 2]);
        let selected = warehouse.dead_selected(&app, &all, 2).await.unwrap();
        assert_eq!((selected.left, selected.accepted_before), (0, 1));
    });
}

#[test]
fn a_job_tries_each_one_once_and_knows_what_it_noted() {
    testing::run(async |warehouse: Warehouse| {
        let app = app("dead-job");
        let all: Vec<_> = (0..10).map(|n| dead(&app, n)).collect();
        keep(&warehouse, 56, &all).await;
        let (filter, job) = (DeadLetterFilter::default(), 7);
        // The last one can't be replayed.
        assert_eq!(warehouse.dead_selected(&app, &filter, job).await.unwrap().left, 9);
        let page = warehouse.dead_to_replay(&app, &filter, job, (None, 4)).await.unwrap();
        assert_eq!(ids(&page), all[..4].iter().map(|d| d.id).collect::<Vec<_>>());
        let outcome = |n: usize| {
            if n == 2 { ("rejected", "too_deep", "it's \\ 'deep'\n") } else { ("accepted", "", "") }
        };
        let notes: Vec<_> = page
            .iter()
            .enumerate()
            .map(|(n, dead)| {
                let (outcome, code, message) = outcome(n);
                ReplayNote { id: dead.id, outcome, code, message: message.into() }
            })
            .collect();
        warehouse.note_replays(&app, job, MARCH_MS, &notes).await.unwrap();
        let next = warehouse.dead_to_replay(&app, &filter, job, (None, 4)).await.unwrap();
        assert_eq!(next[0].id, all[4].id);
        let behind =
            warehouse.dead_to_replay(&app, &filter, job, (Some(next[0].place()), 100)).await.unwrap();
        assert_eq!(behind.len(), 4);
        let totals = warehouse.replay_totals(&app, job).await.unwrap();
        let totals: Vec<_> = totals.iter().map(|t| (t.outcome.as_str(), t.events)).collect();
        assert_eq!(totals, [("accepted", 3), ("rejected", 1)]);
        // Another job tries the rejected one again.
        assert_eq!(warehouse.dead_selected(&app, &filter, 8).await.unwrap().left, 6);
        let again = warehouse.dead_event(&app, all[2].id).await.unwrap().unwrap();
        assert_eq!(
            (again.replay_code.as_str(), again.replay_message.as_str()),
            ("too_deep", "it's \\ 'deep'\n")
        );
    });
}

/// Has an engine of its own, since the bounds are those of all apps together.
#[tokio::test(flavor = "multi_thread")]
async fn the_dead_letter_keeps_to_its_bounds() {
    let engine = testing::TestEngine::start().await;
    let warehouse = engine.warehouse();
    let app = app("dead-bounds");
    let on =
        |day: i64| DeadEvent { received_time_ms: MARCH_MS + day * DAY_MS, ..dead(&app, day.unsigned_abs()) };
    keep(&warehouse, 57, &(0..10).map(on).collect::<Vec<_>>()).await;
    let today = report_date(MARCH_MS + 9 * DAY_MS);
    assert_eq!(warehouse.dead_letter_rows(&app, today).await.unwrap(), 1);
    let kept = warehouse.trim_dead_letter(today, 5, u64::MAX).await.unwrap();
    assert_eq!(kept.days_dropped, 4);
    let kept = warehouse.trim_dead_letter(today, 5, kept.bytes - 1).await.unwrap();
    assert_eq!(kept.days_dropped, 1);
    // Today's stay, whatever they take.
    let kept = warehouse.trim_dead_letter(today, 5, 0).await.unwrap();
    assert_eq!((kept.days_dropped, kept.bytes > 0), (4, true));
    let left = warehouse.dead_letter(&app, &DeadLetterFilter::default(), None, 100).await.unwrap();
    assert_eq!(ids(&left), [dead(&app, 9).id]);
    assert_eq!(warehouse.dead_letter_end(57, 0, 0).await.unwrap(), 10);
    assert_eq!(warehouse.dead_letter_end(57, 0, 10).await.unwrap(), 0);
    engine.stop().await;
}

#[test]
fn a_link_keeps_its_first_and_last_time() {
    testing::run(async |warehouse: Warehouse| {
        let app = app("links");
        let link = |from: &str, to: &str, first_seen_ms, last_seen_ms| NewLink {
            app_id: app.clone(),
            from_id: from.into(),
            to_id: to.into(),
            first_seen_ms,
            last_seen_ms,
        };
        let batches = [
            vec![link("a1", "u1", 50, 60), link("a2", "u1", 10, 10)],
            vec![link("a1", "u1", 40, 45), link("u1", "u9", 5, 5), link("a3", "u2", 1, 1)],
            vec![link("a1", "u1", 55, 70)],
        ];
        for (n, links) in (0..).zip(&batches) {
            for _ in 0..2 {
                warehouse.insert_links(span(58, n, n), links).await.unwrap();
            }
        }
        let found = warehouse.links_of(&app, "u1").await.unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|l| (l.from_id.as_str(), l.to_id.as_str(), l.first_seen_ms, l.last_seen_ms))
            .collect();
        assert_eq!(found, [("a1", "u1", 40, 70), ("a2", "u1", 10, 10), ("u1", "u9", 5, 5)]);
        assert!(warehouse.links_of(&fixture::app("links-other"), "u1").await.unwrap().is_empty());
    });
}

#[test]
fn what_is_learnt_adds_up_and_is_counted_once() {
    testing::run(async |warehouse: Warehouse| {
        let app = app("learnt");
        let new = |event, attribute, seen_ms, types, samples: &[&str]| NewLearnt {
            app_id: app.clone(),
            event,
            attribute,
            first_seen_ms: seen_ms,
            last_seen_ms: seen_ms + 10,
            events: 3,
            types,
            samples: samples.iter().map(|sample| (*sample).to_owned()).collect(),
            unlisted: Vec::new(),
        };
        let first = [new("buy", "", 100, 0, &[]), new("buy", "价格", 100, LearntTypes::NUMBER, &["1", "2"])];
        for _ in 0..3 {
            warehouse.insert_learnt(span(59, 0, 9), &first).await.unwrap();
        }
        let rest = NewLearnt { unlisted: vec![7, u64::MAX], ..new("", "", 90, 0, &[]) };
        let second = [new("buy", "价格", 50, LearntTypes::STRING, &["2", "3", "4", "5", "6", "7"]), rest];
        warehouse.insert_learnt(span(59, 10, 19), &second).await.unwrap();
        assert_eq!(warehouse.learnt_through(59, 0).await.unwrap(), 20);
        assert_eq!(warehouse.learnt_through(59, 1).await.unwrap(), 0);

        let learnt = warehouse.learnt(&app).await.unwrap();
        let [unlisted, event, attribute] = &learnt[..] else { panic!("{learnt:?}") };
        assert_eq!((unlisted.is_unlisted(), unlisted.unlisted, unlisted.events), (true, 2, 3));
        assert_eq!((event.event.as_str(), event.events, event.first_seen_ms), ("buy", 3, 100));
        let Learnt { events, first_seen_ms, last_seen_ms, types, samples, .. } = attribute;
        assert_eq!((*events, *first_seen_ms, *last_seen_ms), (6, 50, 110));
        assert_eq!((LearntTypes(*types).names(), samples.len()), (vec!["string", "number"], 5));
        assert!(warehouse.learnt(&fixture::app("learnt-other")).await.unwrap().is_empty());
    });
}
