use serde_json::json;
use uuid::Uuid;

/// Hours before now over which the events are spread: less than the pipeline's memory of ids, as
/// nearly all events of a running app are.
const HOURS: u64 = 20;

/// A body of shop events with eight properties each, about 420 bytes an event.
pub fn body(seed: u64, events: usize, now_ms: i64) -> String {
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
        let ago_ms = i64::try_from(next(HOURS * 3_600_000)).unwrap_or(0);
        json!({
            "id": Uuid::new_v4(),
            "event": names[usize::try_from(next(6)).unwrap_or(0)],
            "time": now_ms - ago_ms,
            "user_id": format!("user-{person}"),
            "device_id": format!("device-{person}"),
            "session_id": format!("session-{}", next(200_000)),
            "platform": platforms[usize::try_from(next(4)).unwrap_or(0)],
            "app_version": "3.2.1",
            "properties": {
                "channel": channels[usize::try_from(next(4)).unwrap_or(0)],
                "category": format!("category-{}", next(40)),
                "sku": format!("sku-{}", next(5_000)),
                "amount": next(100_000) as f64 / 100.0,
                "quantity": next(9) + 1,
                "coupon": next(2) == 0,
                "page": format!("/shop/category-{}/item-{}", next(40), next(5_000)),
                "referrer": "https://example.com/landing"
            }
        })
    };
    let events: Vec<_> = (0..events).map(one).collect();
    json!({ "events": events }).to_string()
}
