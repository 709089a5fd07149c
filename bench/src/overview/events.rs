use std::time::{Duration, SystemTime};

use bytes::Bytes;
use suanpan_sdk::Event;
use uuid::Uuid;

/// Hours before now over which the events are spread: less than the pipeline's memory of ids, as
/// nearly all events of a running app are.
const HOURS: u64 = 20;

/// Shop events with eight properties each, about 450 bytes an event, as the SDK writes them.
pub fn shop(seed: u64, events: usize, now: SystemTime) -> Vec<Vec<u8>> {
    let channels = ["organic", "email", "paid_search", "social"];
    let names = ["product_view", "catalog", "search", "home", "add_to_cart", "purchase"];
    let platforms = ["ios", "android", "wechat", "web"];
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let one = |_| {
        let person = next(50_000);
        let event = Event::new(names[usize::try_from(next(6)).unwrap_or(0)])
            // The SDK's own ids share their beginning within a millisecond, and all these are made in few.
            .id(Uuid::new_v4())
            .time(now - Duration::from_millis(next(HOURS * 3_600_000)))
            .user(format!("user-{person}"))
            .device(format!("device-{person}"))
            .session(format!("session-{}", next(200_000)))
            .platform(platforms[usize::try_from(next(4)).unwrap_or(0)])
            .app_version("3.2.1")
            .property("channel", channels[usize::try_from(next(4)).unwrap_or(0)])
            .property("category", format!("category-{}", next(40)))
            .property("sku", format!("sku-{}", next(5_000)))
            .property("amount", next(100_000) as f64 / 100.0)
            .property("quantity", next(9) + 1)
            .property("coupon", next(2) == 0)
            .property("page", format!("/shop/category-{}/item-{}", next(40), next(5_000)))
            .property("referrer", "https://example.com/landing");
        event.into_json().1
    };
    (0..events).map(one).collect()
}

/// A plain body of events.
pub fn body(events: &[Vec<u8>]) -> Bytes {
    [b"{\"events\":[".as_slice(), &events.join(&b','), b"]}"].concat().into()
}
