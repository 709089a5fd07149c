use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::{Value, json};
use suanpan_journey::{App, Reply, Server, eventually};

use crate::shared::server;

journeys! {
    arriving_events_are_shown_with_what_is_wrong,
    a_filter_shows_only_what_it_names,
    watching_takes_a_key_and_a_place,
    a_stop_does_not_wait_for_those_who_watch,
}

/// Somebody who watches an app.
struct Watcher {
    response: Response,
    text: String,
}

impl Watcher {
    /// Watches from the moment that the server says so.
    async fn of(app: &App, query: &str) -> Self {
        let mut watcher = Self { response: watch(app, query).await, text: String::new() };
        assert_eq!(watcher.next().await, ("ready".to_owned(), json!({})));
        watcher
    }

    /// The next message: its kind and its data.
    async fn next(&mut self) -> (String, Value) {
        loop {
            if let Some((frame, rest)) = self.text.split_once("\n\n") {
                let line = |name: &str| {
                    frame.lines().find_map(|line| line.strip_prefix(name)).map(|text| text.trim().to_owned())
                };
                let told = line("event:").zip(line("data:"));
                self.text = rest.to_owned();
                // A frame without them is a sign of life.
                let Some((kind, data)) = told else { continue };
                return (kind, serde_json::from_str(&data).expect("data is JSON"));
            }
            let bytes = tokio::time::timeout(Duration::from_secs(20), self.response.chunk()).await;
            let bytes = bytes.expect("something is told").expect("the stream goes on");
            self.text.push_str(std::str::from_utf8(&bytes.expect("the stream has no end")).expect("UTF-8"));
        }
    }

    /// The next event.
    async fn event(&mut self) -> Value {
        let (kind, event) = self.next().await;
        assert_eq!(kind, "event", "{event:#}");
        event
    }
}

async fn watch(app: &App, query: &str) -> Response {
    let path = app.path(&format!("/live{query}"));
    let request = reqwest::Client::builder().no_proxy().build().expect("a client can be made");
    let request = request.get(format!("{}{path}", app.url())).bearer_auth(&app.read_key);
    let response = request.send().await.expect("the server answers");
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    response
}

async fn arriving_events_are_shown_with_what_is_wrong() {
    let app = App::create(&server().await).await;
    let mut watcher = Watcher::of(&app, "").await;
    let other = App::create(&server().await).await;
    other.accept(&[json!({ "event": "elsewhere", "user_id": "bob" })]).await;
    let batch = json!({ "events": [
        { "event": "买单", "user_id": "ann", "device_id": "d1", "library": "sdk/1", "properties": { "price": 12.5 } },
        { "event": "odd", "user_id": "ann", "colour": "red" },
        { "event": "", "user_id": "ann" },
    ]});
    app.report(&batch).await.expect(200);

    let fine = watcher.event().await;
    let about = |names: [&str; 5]| names.map(|name| fine[name].clone());
    let expected = ["ok", "买单", "ann", "d1", "sdk/1"].map(Value::from);
    assert_eq!(about(["status", "event", "user_id", "device_id", "library"]), expected, "{fine:#}");
    assert_eq!(fine["properties"], json!({ "price": 12.5 }));
    assert_eq!(fine["format"], "native");
    let odd = watcher.event().await;
    assert_eq!((&odd["status"], &odd["notes"][0]["code"]), (&json!("warning"), &json!("unknown_field")));
    let wrong = watcher.event().await;
    assert_eq!(
        (&wrong["status"], &wrong["code"], &wrong["field"]),
        (&json!("rejected"), &json!("missing"), &json!("event"))
    );
    assert!(wrong["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{wrong:#}");
}

async fn a_filter_shows_only_what_it_names() {
    let app = App::create(&server().await).await;
    let mut errors = Watcher::of(&app, "?status=rejected,warning").await;
    let mut ann = Watcher::of(&app, "?person=ann&event=open").await;
    app.report(&json!([
        { "event": "open", "user_id": "bob" },
        { "event": "close", "user_id": "ann" },
        { "event": "open", "device_id": "ann" },
        { "event": "open" },
    ]))
    .await
    .expect(200);
    assert_eq!(errors.event().await["code"], "identity_missing");
    assert_eq!(ann.event().await["device_id"], "ann");
}

async fn watching_takes_a_key_and_a_place() {
    let server = Server::start_with(&["live.listeners_per_app_max=1"]).await;
    let app = App::create(&server.calls()).await;
    let path = app.path("/live");
    let get = |key: &str| server.calls().request(Method::GET, &path).bearer_auth(key);
    Reply::of(get(&app.write_key)).await.problem(403, "key_cannot_read");
    let unknown =
        server.calls().request(Method::GET, &app.path("/live?status=good")).bearer_auth(&app.read_key);
    Reply::of(unknown).await.problem(422, "invalid");
    let first = Watcher::of(&app, "").await;
    let full = Reply::of(get(&app.read_key)).await;
    assert!(full.retry_after_s.is_some());
    assert_eq!(full.problem(429, "too_many_listeners")["limit"], "live.listeners_per_app_max");
    drop(first);
    eventually("the place is free again", 10, async || {
        let response = get(&app.read_key).send().await.expect("the server answers");
        (response.status() == 200).then_some(())
    })
    .await;
}

async fn a_stop_does_not_wait_for_those_who_watch() {
    // Longer than a stop may take.
    let mut server = Server::start_with(&["server.shutdown_timeout_ms=600000"]).await;
    let app = App::create(&server.calls()).await;
    let mut watcher = Watcher::of(&app, "").await;
    let (status, said) = server.stop();
    assert!(status.success(), "{said}");
    // The stream ended like any answer that is complete.
    while let Some(_rest) = watcher.response.chunk().await.expect("the stream has its end") {}
}
