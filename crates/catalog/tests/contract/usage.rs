use jiff::ToSpan as _;
use jiff::civil::{Date, date};
use suanpan_catalog::Usage;

use crate::{Shelf, app_id, create};

const TODAY: Date = date(2026, 11, 22);

#[tokio::test]
async fn usage_adds_up_over_processes() {
    let (shelf, shop) = Shelf::with_shop().await;
    let game = create(&shelf.catalog, "game").await.id;
    let neighbour = shelf.neighbour().await;
    let version = shelf.catalog.snapshot().version();

    let add = async |catalog: suanpan_catalog::Catalog| {
        for _ in 0..20 {
            let used =
                [(shop.clone(), TODAY, 3), (shop.clone(), date(2026, 11, 1), 1), (game.clone(), TODAY, 5)];
            catalog.add_usage(&used).await.unwrap();
        }
    };
    tokio::join!(add(shelf.catalog.clone()), add(neighbour.clone()));

    let totals = neighbour.usage_totals(TODAY).await.unwrap();
    assert_eq!(totals.get(&shop), Some(&Usage { day: 120, month: 160 }));
    assert_eq!(totals.get(&game), Some(&Usage { day: 200, month: 200 }));
    let first = shelf.catalog.usage_totals(date(2026, 11, 1)).await.unwrap();
    assert_eq!(first.get(&shop), Some(&Usage { day: 40, month: 160 }));
    let days = shelf.catalog.usage(&shop, TODAY).await.unwrap();
    assert_eq!(days, [(date(2026, 11, 1), 40), (TODAY, 120)]);
    assert_eq!(shelf.catalog.snapshot().version(), version, "usage makes no snapshot");
}

#[tokio::test]
async fn another_month_begins_at_nothing_and_old_ones_are_forgotten() {
    let (shelf, shop) = Shelf::with_shop().await;
    let c = &shelf.catalog;
    c.add_usage(&[(shop.clone(), date(2025, 10, 17), 7)]).await.unwrap();
    c.add_usage(&[(shop.clone(), TODAY, 1)]).await.unwrap();
    assert!(c.usage_totals(date(2026, 12, 1)).await.unwrap().is_empty());
    assert!(c.usage(&shop, date(2025, 10, 1)).await.unwrap().is_empty(), "more than 400 days ago");
    assert_eq!(c.usage(&shop, TODAY).await.unwrap(), [(TODAY, 1)]);
}

#[tokio::test]
async fn many_entries_and_entries_of_one_day_add_up() {
    let (shelf, shop) = Shelf::with_shop().await;
    let c = &shelf.catalog;
    c.add_usage(&[]).await.unwrap();
    let used: Vec<_> = (0..2500).map(|n| (shop.clone(), TODAY.saturating_sub((n % 3).days()), 2)).collect();
    c.add_usage(&used).await.unwrap();
    let days = c.usage(&shop, TODAY).await.unwrap();
    assert_eq!(days.iter().map(|(_, events)| events).sum::<u64>(), 5000);
    assert_eq!(c.usage_totals(TODAY).await.unwrap()[&shop], Usage { day: 1668, month: 5000 });
}

#[tokio::test]
async fn usage_of_no_app_is_refused_as_a_whole() {
    let (shelf, shop) = Shelf::with_shop().await;
    let used = [(shop.clone(), TODAY, 1), (app_id("nobody"), TODAY, 1)];
    shelf.catalog.add_usage(&used).await.unwrap_err();
    assert!(shelf.catalog.usage_totals(TODAY).await.unwrap().is_empty());
}
