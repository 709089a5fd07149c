//! Replays of the dead letter.

use std::time::{Duration, Instant};

use suanpan_catalog::{CatalogError, LEASE_DURATION, REPLAY_JOBS_KEPT, ReplayCounts, ReplayState};

use crate::{Elsewhere, Shelf, app_id, assert_invalid, assert_lost, assert_not_found, create};

#[tokio::test]
async fn one_replay_of_an_app_runs_at_a_time() {
    let (shelf, shop) = Shelf::with_shop().await;
    let catalog = &shelf.catalog;
    let job = catalog.start_replay(&shop, r#"{"all":true}"#).await.unwrap();
    assert_eq!((job.state, job.filter.as_str()), (ReplayState::Running, r#"{"all":true}"#));
    let busy = catalog.start_replay(&shop, "{}").await.unwrap_err();
    assert!(matches!(busy, CatalogError::Busy { .. }), "{busy}");
    assert!(matches!(catalog.resume_replay(&shop, job.id).await, Err(CatalogError::Busy { .. })));
    let other = create(catalog, "other").await.id;
    catalog.start_replay(&other, "{}").await.unwrap();

    let counts = ReplayCounts { total: 9, accepted: 4, rejected: 3, unreadable: 2, duplicate: 5 };
    catalog.note_replay(job.id, counts).await.unwrap();
    catalog.end_replay(job.id, ReplayState::Finished, "").await.unwrap();
    let ended = catalog.replay(&shop, job.id).await.unwrap();
    assert_eq!((ended.counts, ended.counts.done(), ended.ended_ms.is_some()), (counts, 9, true));
    assert_invalid(catalog.resume_replay(&shop, job.id).await, "state");
    let next = catalog.start_replay(&shop, "{}").await.unwrap();
    let listed: Vec<i64> = catalog.replays(&shop).await.unwrap().iter().map(|job| job.id).collect();
    assert_eq!(listed, [next.id, job.id]);
}

#[tokio::test]
async fn an_interrupted_replay_goes_on_as_the_same_one() {
    let (shelf, shop) = Shelf::with_shop().await;
    let job = shelf.catalog.start_replay(&shop, "{}").await.unwrap();
    let after = shelf.neighbour().await;
    assert_eq!(after.interrupt_all_replays().await.unwrap(), 1);
    assert_eq!(after.interrupt_all_replays().await.unwrap(), 0);
    assert_eq!(after.replay(&shop, job.id).await.unwrap().state, ReplayState::Interrupted);
    let again = after.resume_replay(&shop, job.id).await.unwrap();
    assert_eq!((again.id, again.state, again.ended_ms), (job.id, ReplayState::Running, None));
    after.end_replay(job.id, ReplayState::Failed, "the log is full").await.unwrap();
    let failed = after.replay(&shop, job.id).await.unwrap();
    assert_eq!((failed.state, failed.problem.as_str()), (ReplayState::Failed, "the log is full"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_is_interrupted_when_its_process_is_gone_and_not_before() {
    let (shelf, shop) = Shelf::with_shop().await;
    let other = create(&shelf.catalog, "other").await.id;
    let ours = shelf.catalog.start_replay(&shop, "{}").await.unwrap();
    let gone = Elsewhere::beside(&shelf);
    let theirs = gone.run({
        let other = other.clone();
        |catalog| async move { catalog.start_replay(&other, "{}").await.unwrap() }
    });
    assert_eq!(shelf.catalog.interrupt_replays().await.unwrap(), 0, "both live");
    gone.kill();
    let deadline = Instant::now() + 6 * LEASE_DURATION;
    while shelf.catalog.interrupt_replays().await.unwrap() == 0 {
        assert!(Instant::now() < deadline, "its lease never ended");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(shelf.catalog.replay(&other, theirs.id).await.unwrap().state, ReplayState::Interrupted);
    assert_eq!(shelf.catalog.replay(&shop, ours.id).await.unwrap().state, ReplayState::Running);
    shelf.catalog.note_replay(ours.id, ReplayCounts::default()).await.unwrap();
}

#[tokio::test]
async fn who_lost_a_replay_notes_nothing_more_of_it() {
    let (shelf, shop) = Shelf::with_shop().await;
    let job = shelf.catalog.start_replay(&shop, "{}").await.unwrap();
    let heir = shelf.neighbour().await;
    let counts = ReplayCounts { total: 3, ..ReplayCounts::default() };
    assert_lost(heir.note_replay(job.id, counts).await);
    assert_lost(heir.end_replay(job.id, ReplayState::Cancelled, "").await);
    heir.interrupt_all_replays().await.unwrap();
    heir.resume_replay(&shop, job.id).await.unwrap();
    heir.note_replay(job.id, counts).await.unwrap();
    assert_lost(shelf.catalog.note_replay(job.id, ReplayCounts::default()).await);
    assert_lost(shelf.catalog.end_replay(job.id, ReplayState::Finished, "").await);
    let job = heir.replay(&shop, job.id).await.unwrap();
    assert_eq!((job.state, job.counts), (ReplayState::Running, counts));
    heir.end_replay(job.id, ReplayState::Failed, "").await.unwrap();
    shelf.catalog.end_replay(job.id, ReplayState::Cancelled, "").await.unwrap();
    assert_eq!(heir.replay(&shop, job.id).await.unwrap().state, ReplayState::Cancelled);
}

#[tokio::test]
async fn what_is_not_there_is_said_and_old_ones_go() {
    let (shelf, shop) = Shelf::with_shop().await;
    let catalog = &shelf.catalog;
    assert_not_found(catalog.replay(&shop, 7).await, "replay", None);
    assert_not_found(catalog.resume_replay(&shop, 7).await, "replay", None);
    assert_not_found(catalog.start_replay(&app_id("shpo"), "{}").await, "app", Some("shop"));
    for _ in 0..REPLAY_JOBS_KEPT + 5 {
        let job = catalog.start_replay(&shop, "{}").await.unwrap();
        catalog.end_replay(job.id, ReplayState::Cancelled, "").await.unwrap();
    }
    assert_eq!(catalog.replays(&shop).await.unwrap().len(), REPLAY_JOBS_KEPT);
}
