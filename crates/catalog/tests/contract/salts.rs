use jiff::civil::date;

use crate::Shelf;

#[tokio::test]
async fn the_salts_of_a_day_are_the_same_for_all_until_the_day_is_over() {
    let shelf = Shelf::new().await;
    let (one, other) = (&shelf.catalog, shelf.neighbour().await);
    let days = [date(2026, 12, 30), date(2026, 12, 31), date(2027, 1, 1)];
    let first = one.salts(days[0], days[1]).await.unwrap();
    assert_ne!(first[0], first[1]);
    assert_eq!(other.salts(days[0], days[1]).await.unwrap(), first);
    let second = other.salts(days[1], days[2]).await.unwrap();
    assert_eq!(second[0], first[1]);
    // A day that is over gets another salt, since its own is gone.
    assert_ne!(one.salts(days[0], days[1]).await.unwrap()[0], first[0]);
}
