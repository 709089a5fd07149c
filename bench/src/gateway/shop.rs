use uuid::Uuid;

/// One event of a shop, to be written in every format.
pub struct ShopEvent {
    pub id: Uuid,
    pub name: &'static str,
    /// Milliseconds before the request.
    pub ago_ms: i64,
    pub user: String,
    pub device: String,
    pub session: u64,
    pub properties: serde_json::Value,
}

/// Events with eight properties each, about 420 bytes in Suanpan's own format; always the same.
pub fn events(count: usize) -> Vec<ShopEvent> {
    let names = ["product_view", "catalog", "search", "home", "add_to_cart", "purchase"];
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let one = |_| {
        let person = next(50_000);
        ShopEvent {
            id: Uuid::from_u64_pair(next(u64::MAX), next(u64::MAX)),
            name: names[usize::try_from(next(6)).unwrap_or(0)],
            ago_ms: i64::try_from(next(3_600_000)).unwrap_or(0),
            user: format!("user-{person}"),
            device: format!("device-{person}"),
            session: next(200_000),
            properties: serde_json::json!({
                "channel": "paid_search",
                "category": format!("类别-{}", next(40)),
                "sku": format!("sku-{}", next(5_000)),
                "amount": next(100_000) as f64 / 100.0,
                "quantity": next(9) + 1,
                "coupon": next(2) == 0,
                "page": format!("/shop/category-{}/item-{}", next(40), next(5_000)),
                "referrer": "https://example.com/landing"
            }),
        }
    };
    (0..count).map(one).collect()
}
