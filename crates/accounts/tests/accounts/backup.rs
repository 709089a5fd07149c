use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use suanpan_accounts::{read_manifest, restore, verify};
use suanpan_catalog::Catalog;

use crate::stations::{Stations, engine, now_ms};

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_made_while_events_come_is_restored_with_equal_accounts() {
    let stations = Arc::new(Stations::start().await);
    let day = now_ms();
    let first: Vec<_> = (0..500).map(|n| stations.event(&format!("u{}", n % 20), day - n)).collect();
    stations.append(&first).await;
    stations.append_dead(&[stations.dead("u1", "{}")]).await;
    stations.settle().await;

    let is_over = Arc::new(AtomicBool::new(false));
    let (of_task, over) = (Arc::clone(&stations), Arc::clone(&is_over));
    let sending = tokio::spawn(async move {
        let mut sent = 0_i64;
        while !over.load(Ordering::Relaxed) {
            let events: Vec<_> = (0..20).map(|n| of_task.event(&format!("v{n}"), day - sent - n)).collect();
            of_task.append(&events).await;
            sent += 20;
        }
        sent
    });
    let manifest = stations.accounts.back_up(Some("one")).await.unwrap();
    is_over.store(true, Ordering::Relaxed);
    assert!(sending.await.unwrap() > 0, "events came meanwhile");
    assert!(stations.accounts.back_up(Some("one")).await.is_err(), "a backup is never overwritten");
    assert!(stations.accounts.back_up(Some("../one")).await.is_err());
    stations.settle().await;
    stations.expect_equal().await;
    let before = stations.plant("SELECT user_id, count() FROM suanpan.events_local WHERE user_id < 'v' GROUP BY user_id ORDER BY user_id").await;
    let Ok(stations) = Arc::try_unwrap(stations) else { panic!("the sender has ended") };
    let app = stations.app.clone();
    let old = stations.end().await;

    let folder = old.path().join("backups/one");
    assert_eq!(read_manifest(&folder).unwrap(), manifest);
    verify(&folder, &manifest).unwrap();
    let new = tempfile::tempdir().unwrap();
    std::fs::copy(folder.join("catalog.sqlite"), new.path().join("catalog.sqlite")).unwrap();
    let engine = engine(new.path(), &folder).await;
    let restored = restore(&engine.warehouse(), &folder, &manifest).await.unwrap();
    assert!(restored.commits.iter().map(|commit| commit.next_offset).sum::<u64>() >= 501);
    let twice = restore(&engine.warehouse(), &folder, &manifest).await;
    assert!(twice.is_err(), "what is there is never overwritten");
    let catalog = Catalog::open(&new.path().join("catalog.sqlite")).await.unwrap();
    let stations = Stations::over(new, engine, catalog, app).await;
    let summary = stations.expect_equal().await;
    assert!(summary.stored >= 500 && summary.refused == 1, "{summary:?}");
    let after = stations.plant("SELECT user_id, count() FROM suanpan.events_local WHERE user_id < 'v' GROUP BY user_id ORDER BY user_id").await;
    assert_eq!(after, before);

    // A new log goes on.
    stations.append(&first).await;
    stations.append(&[stations.event("new", day)]).await;
    stations.settle().await;
    let after = stations.expect_equal().await;
    assert_eq!((after.stored, after.duplicate), (summary.stored + 1, summary.duplicate + 500));
    stations.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_backup_is_known_before_it_is_used() {
    let stations = Stations::start().await;
    stations.append(&[stations.event("u", now_ms())]).await;
    stations.settle().await;
    let manifest = stations.accounts.back_up(None).await.unwrap();
    let backup = stations.accounts.backup(&manifest.name).unwrap();
    assert_eq!(stations.accounts.backups().unwrap(), std::slice::from_ref(&backup));
    verify(&backup.folder, &manifest).unwrap();
    let file =
        manifest.files.iter().find(|file| file.path.ends_with("data.bin") || file.bytes > 200).unwrap();
    let path = backup.folder.join(&file.path);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let told = verify(&backup.folder, &manifest).unwrap_err().to_string();
    assert!(told.contains("is not what it was"), "{told}");
    stations.end().await;
}
