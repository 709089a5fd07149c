//! Deletions of a person's data, as jobs and as proofs.

use suanpan_catalog::{DeletionCounts, DeletionJob, DeletionState};

use crate::{Shelf, app_id, assert_invalid, assert_lost, assert_not_found, create};

fn ids(list: &[&str]) -> Vec<String> {
    list.iter().map(|id| (*id).to_owned()).collect()
}

#[tokio::test]
async fn a_deletion_goes_from_request_to_proof() {
    let (shelf, shop) = Shelf::with_shop().await;
    let c = &shelf.catalog;
    let job = c.request_deletion(&shop, "ann@shop.example", &ids(&["d2", "d1", "d1"])).await.unwrap();
    assert_eq!((job.state, job.actor.as_deref()), (DeletionState::Requested, Some("ann@shop.example")));
    assert_eq!((job.other_ids.as_slice(), job.actor_hash.len()), (ids(&["d1", "d2"]).as_slice(), 64));

    let lease = c.try_lease("watch", "one").await.unwrap().unwrap();
    let mut running = c.claim_deletion(&lease).await.unwrap().unwrap();
    assert_eq!((running.id, running.state), (job.id, DeletionState::Running));
    assert!(running.started_ms.is_some() && running.ended_ms.is_none());
    assert!(c.claim_deletion(&lease).await.unwrap().is_none(), "it is being done");
    running.step = "waiting for the log".into();
    running.log_ends = r#"{"0":17}"#.into();
    running.counts = DeletionCounts { rows: 3, dead_letters: 2, links: 1 };
    c.note_deletion(&lease, &running).await.unwrap();
    assert_eq!(shelf.neighbour().await.deletion(&shop, job.id).await.unwrap(), running);
    running.counts.rows = 5;
    c.end_deletion(&lease, &running).await.unwrap();

    let proof = c.deletion(&shop, job.id).await.unwrap();
    assert_eq!((proof.state, proof.counts.rows), (DeletionState::Finished, 5));
    assert_eq!((proof.actor.as_ref(), proof.other_ids.len()), (None, 0), "the proof names nobody");
    assert!(proof.ended_ms.is_some() && proof.actor_hash == job.actor_hash);
    assert_eq!(c.deletions_of(&shop, "ann@shop.example").await.unwrap(), std::slice::from_ref(&proof));
    assert!(c.deletions_of(&shop, "bob").await.unwrap().is_empty());
    assert_lost(c.note_deletion(&lease, &running).await);
    let again = c.request_deletion(&shop, "ann@shop.example", &[]).await.unwrap();
    let listed: Vec<i64> = c.deletions(&shop).await.unwrap().iter().map(|job| job.id).collect();
    assert_eq!(listed, [again.id, job.id]);
}

#[tokio::test]
async fn the_same_request_is_one_job_until_it_has_finished() {
    let (shelf, shop) = Shelf::with_shop().await;
    let c = &shelf.catalog;
    let other = create(c, "other").await.id;
    let job = c.request_deletion(&shop, "ann", &ids(&["d1"])).await.unwrap();
    assert_eq!(c.request_deletion(&shop, "ann", &ids(&["d1", "ann"])).await.unwrap(), job);
    let more = c.request_deletion(&shop, "ann", &ids(&["d1", "d2"])).await.unwrap();
    assert_ne!(more.id, job.id, "more ids are more to do");
    let elsewhere = c.request_deletion(&other, "ann", &ids(&["d1"])).await.unwrap();
    assert_ne!(elsewhere.actor_hash, job.actor_hash, "each app has a secret of its own");

    let lease = c.try_lease("watch", "one").await.unwrap().unwrap();
    let mut claimed = c.claim_deletion(&lease).await.unwrap().unwrap();
    assert_eq!(claimed.id, job.id, "the oldest first");
    claimed.problem = "the store refuses".into();
    c.end_deletion(&lease, &claimed).await.unwrap();
    let failed = c.deletion(&shop, job.id).await.unwrap();
    assert_eq!((failed.state, failed.problem.as_str()), (DeletionState::Failed, "the store refuses"));
    assert_eq!(failed.actor.as_deref(), Some("ann"), "it can be tried again");
    let again = c.request_deletion(&shop, "ann", &ids(&["d1"])).await.unwrap();
    assert_eq!((again.id, again.state, again.ended_ms), (job.id, DeletionState::Requested, None));
    assert!(again.problem.is_empty());
}

#[tokio::test]
async fn what_a_lost_holder_began_its_heir_ends() {
    let (shelf, shop) = Shelf::with_shop().await;
    let c = &shelf.catalog;
    let job = c.request_deletion(&shop, "ann", &[]).await.unwrap();
    let lease = c.try_lease("watch", "one").await.unwrap().unwrap();
    let mut begun: DeletionJob = c.claim_deletion(&lease).await.unwrap().unwrap();
    begun.step = "half done".into();
    c.note_deletion(&lease, &begun).await.unwrap();
    shelf.place.raw("DELETE FROM leases").await;

    let neighbour = shelf.neighbour().await;
    let heirs = neighbour.try_lease("watch", "two").await.unwrap().unwrap();
    assert_lost(c.claim_deletion(&lease).await);
    assert_lost(c.note_deletion(&lease, &begun).await);
    assert_lost(c.end_deletion(&lease, &begun).await);
    let mut taken = neighbour.claim_deletion(&heirs).await.unwrap().unwrap();
    assert_eq!((taken.id, taken.step.as_str()), (job.id, "half done"));
    assert_eq!(taken.started_ms, begun.started_ms);
    taken.step = "done".into();
    neighbour.end_deletion(&heirs, &taken).await.unwrap();
    assert_eq!(c.deletion(&shop, job.id).await.unwrap().state, DeletionState::Finished);
}

#[tokio::test]
async fn wrong_requests_are_refused_and_deleted_apps_are_cleaned_too() {
    let (shelf, shop) = Shelf::with_shop().await;
    let c = &shelf.catalog;
    assert_invalid(c.request_deletion(&shop, "", &[]).await, "actor");
    assert_invalid(c.request_deletion(&shop, &"x".repeat(1025), &[]).await, "actor");
    assert_invalid(c.request_deletion(&shop, "ann", &ids(&[""])).await, "other_ids");
    let many: Vec<String> = (0..101).map(|n| n.to_string()).collect();
    assert_invalid(c.request_deletion(&shop, "ann", &many).await, "other_ids");
    assert_not_found(c.request_deletion(&app_id("shpo"), "ann", &[]).await, "app", Some("shop"));
    assert_not_found(c.deletion(&shop, 7).await, "deletion", None);
    assert!(c.deletions(&shop).await.unwrap().is_empty());

    let job = c.request_deletion(&shop, "zero\0 and 价", &[]).await.unwrap();
    c.delete_app(&shop).await.unwrap();
    let lease = c.try_lease("watch", "one").await.unwrap().unwrap();
    let claimed = c.claim_deletion(&lease).await.unwrap().unwrap();
    assert_eq!((claimed.id, claimed.actor.as_deref()), (job.id, Some("zero\0 and 价")));
    c.end_deletion(&lease, &claimed).await.unwrap();
    assert_not_found(c.deletion(&shop, job.id).await, "app", None);
}
