use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::json;
use suanpan_journey::{App, Calls, Reply, rule};

use crate::shared;

journeys! {
    a_browser_may_ask_before_it_reports,
    every_answer_lets_the_page_read_it,
    an_app_says_which_pages_may_report,
    beacons_and_pixels_carry_the_key_in_the_query,
}

const PAGE: &str = "https://shop.example";

fn header<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).map_or("", |value| value.to_str().expect("a header is text"))
}

async fn a_browser_may_ask_before_it_reports() {
    let calls = shared::server().await;
    for path in ["/v1/events", "/v1/batch", "/sa", "/e/"] {
        let wanted = "authorization, content-type, x-retry-count";
        let asked = calls
            .request(Method::OPTIONS, path)
            .header("origin", PAGE)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", wanted);
        let answer = asked.send().await.expect("the server answers");
        assert_eq!(answer.status(), 204, "{path}");
        let headers = answer.headers();
        assert_eq!(header(headers, "access-control-allow-origin"), PAGE);
        assert_eq!(header(headers, "access-control-allow-headers"), wanted);
        assert!(header(headers, "access-control-allow-methods").contains("POST"));
    }
}

async fn every_answer_lets_the_page_read_it() {
    let calls = shared::server().await;
    let app = App::create(&calls).await;
    let post = |key: &str, body: &str| {
        let request = calls.request(Method::POST, "/v1/events").header("origin", PAGE).bearer_auth(key);
        request.body(body.to_owned())
    };
    let good = r#"{"event":"open","user_id":"ann"}"#;
    let huge = " ".repeat(7 << 20);
    let cases = [
        (post(&app.write_key, good), 200),
        (post(&app.write_key, "{"), 400),
        (post("nobody's", good), 401),
        (post(&app.read_key, good), 403),
        (post(&app.write_key, &huge), 413),
        (calls.request(Method::PUT, "/v1/events").header("origin", PAGE), 405),
    ];
    for (request, status) in cases {
        let answer = request.send().await.expect("the server answers");
        assert_eq!(answer.status(), status);
        assert_eq!(header(answer.headers(), "access-control-allow-origin"), PAGE, "{status}");
        assert_eq!(header(answer.headers(), "access-control-expose-headers"), "retry-after", "{status}");
    }
}

async fn an_app_says_which_pages_may_report() {
    let calls = shared::server().await;
    let app = App::create(&calls).await;
    let change = json!({ "allowed_origins": [PAGE, "https://*.shop.example"] });
    calls.admin(Method::PATCH, &app.path("/settings"), Some(&change)).await.expect(200);
    let from = async |origin: Option<&str>| {
        let request = calls.request(Method::POST, "/v1/events").bearer_auth(&app.write_key);
        let request = match origin {
            Some(origin) => request.header("origin", origin),
            None => request,
        };
        Reply::of(request.json(&json!({ "event": "open", "user_id": "ann" }))).await
    };
    for origin in [Some(PAGE), Some("https://m.shop.example"), None] {
        from(origin).await.expect(200);
    }
    for origin in ["https://evil.example", "http://shop.example", "https://shop.example.evil.example", "null"]
    {
        from(Some(origin)).await.problem(403, "origin_not_allowed");
    }
    app.ask_until(&rule(json!({})), &json!([3])).await;
}

async fn beacons_and_pixels_carry_the_key_in_the_query() {
    let calls = shared::server().await;
    let app = App::create(&calls).await;
    let event = json!({ "event": "leave", "device_id": "d", "properties": { "店": "a&b=c d" } }).to_string();
    let beacon = calls.request(Method::POST, &format!("/v1/events?key={}", app.write_key));
    let report = Reply::of(beacon.header("content-type", "text/plain").body(event.clone())).await.expect(200);
    assert_eq!(report["accepted"], 1);
    let pixel = pixel(&calls, &app.write_key, &event).await;
    assert_eq!(pixel.status(), 200);
    assert_eq!(header(pixel.headers(), "content-type"), "image/gif");
    assert!(header(pixel.headers(), "cache-control").contains("no-store"));
    assert!(pixel.bytes().await.expect("a body").starts_with(b"GIF89a"));
    assert_eq!(self::pixel(&calls, "nobody's", &event).await.status(), 401);
    app.ask_until(&rule(json!({ "breakdown": [{ "attribute": "店", "type": "string" }] })), &json!([2]))
        .await;
}

async fn pixel(calls: &Calls, key: &str, event: &str) -> reqwest::Response {
    let request = calls.request(Method::GET, "/v1/events").query(&[("key", key), ("data", event)]);
    request.send().await.expect("the server answers")
}
