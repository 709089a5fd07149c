use reqwest::Method;
use serde_json::{Value, json};
use suanpan_journey::{App, Reply, Server, measure, rule};

journeys! {
    events_know_where_they_came_from,
}

const PLACES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates/gateway/tests/data/places.mmdb");

async fn events_know_where_they_came_from() {
    let geo_file = format!("gateway.geo_file={PLACES}");
    let server = Server::start_with(&["gateway.trusted_proxies=127.0.0.1,::1", &geo_file]).await;
    let app = App::create(&server.calls()).await;
    let iphone = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                  Mobile/15E148 MicroMessenger/8.0.49(0x18003137) NetType/WIFI Language/zh_CN";
    let crawler = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
    let report = async |address: &str, agent: &str, user: &str| {
        let request = server.calls().request(Method::POST, "/v1/events").bearer_auth(&app.write_key);
        let request = request.header("x-forwarded-for", address).header("user-agent", agent);
        let event = json!({ "event": "open", "user_id": user });
        assert_eq!(Reply::of(request.json(&event)).await.expect(200)["accepted"], 1);
    };
    report("8.8.8.8, 203.0.113.77", iphone, "ann").await;
    report("2001:db8:1:2::3", crawler, "bob").await;
    report("198.51.100.4", "python-requests/2.32.0", "carl").await;
    app.ask_until(&rule(json!({})), &json!([3])).await;

    let by = async |attributes: &[&str]| {
        let asked = rule(json!({
            "breakdown": attributes.iter().map(|name| json!(name)).collect::<Vec<_>>(),
            "measures": [measure("people")],
        }));
        let answer = app.ask(&asked).await;
        let series = answer["series"].as_array().expect("a list").iter();
        let mut groups: Vec<Value> = series.map(|series| series["group"].clone()).collect();
        groups.sort_by_key(ToString::to_string);
        groups
    };
    let expected = [json!(["CN", "Shanghai"]), json!(["US", "San Francisco"]), json!([null, null])];
    assert_eq!(by(&["country", "city"]).await, expected);
    let expected = [
        json!(["WeChat", "iOS", "mobile"]),
        json!(["Googlebot", null, "bot"]),
        json!([null, null, "server"]),
    ];
    let mut found = by(&["browser", "os", "device_type"]).await;
    found.sort_by_key(|group| group[2] != "mobile");
    assert_eq!(found, expected);
    // Truncated, unless the app chooses otherwise.
    let expected = [json!(["198.51.100.0"]), json!(["2001:db8:1::"]), json!(["203.0.113.0"])];
    assert_eq!(by(&["ip"]).await, expected);
}
