use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use suanpan_journey::{App, Reply, Server, eventually, rule};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

journeys! {
    reports_over_the_memory_for_them_are_asked_to_come_again,
    many_small_packed_reports_and_beacons_at_once_are_taken,
    reports_over_the_append_queue_are_asked_to_come_again,
    events_are_accepted_while_the_warehouse_is_away,
    a_server_accepts_events_before_its_warehouse_answers,
}

async fn reports_over_the_memory_for_them_are_asked_to_come_again() {
    let sizes = ["gateway.body_bytes_max=262144", "gateway.unpacked_bytes_max=262144"];
    let server = Server::start_with(&[sizes[0], sizes[1], "gateway.inflight_bytes_max=1048576"]).await;
    let app = App::create(&server.calls()).await;
    let event = json!({ "event": "open", "user_id": "ann" });
    // Some that are as large as they may be take all the memory while they are being read.
    let (mut large, mut accepted) = (Vec::new(), 0);
    let refused = loop {
        assert!(large.len() < 4, "four large reports take 1 MiB, and one more had room");
        large.push(begin_large(&app).await);
        let reply = app.report(&event).await;
        if reply.status != 200 {
            break reply;
        }
        accepted += 1;
    };
    refused.over_limit((503, "overloaded"), "inflight_bytes_max");
    drop(large);
    eventually("the memory is given back", 10, async || {
        (app.report(&event).await.status == 200).then_some(())
    })
    .await;
    accepted += 1;
    app.ask_until(&rule(json!({})), &json!([accepted])).await;
    assert_eq!(app.outcomes().await, [("stored".to_owned(), accepted)].into());
}

async fn many_small_packed_reports_and_beacons_at_once_are_taken() {
    let calls = crate::shared::server().await;
    let app = App::create(&calls).await;
    let event = json!({ "event": "open", "user_id": "ann" }).to_string();
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut packer, event.as_bytes()).expect("memory can be written");
    let packed = packer.finish().expect("memory can be written");
    let requests = (0..600).map(|number| {
        let request = if number % 2 == 0 {
            let request = calls.request(Method::POST, "/v1/events").bearer_auth(&app.write_key);
            request.header("content-encoding", "gzip").body(packed.clone())
        } else {
            let query = [("key", app.write_key.as_str()), ("data", event.as_str())];
            calls.request(Method::GET, "/v1/events").query(&query)
        };
        tokio::spawn(async move { request.send().await.expect("the server answers").status() })
    });
    for answer in requests.collect::<Vec<_>>() {
        assert_eq!(answer.await.expect("no panic"), 200);
    }
    app.ask_until(&rule(json!({})), &json!([600])).await;
}

/// A report of 256 KiB of which only the head is sent, and which the server waits for.
async fn begin_large(app: &App) -> TcpStream {
    let mut stream = TcpStream::connect(app.url().replace("http://", "")).await.expect("the server accepts");
    let head = format!(
        "POST /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         content-length: 262144\r\nexpect: 100-continue\r\n\r\n",
        app.write_key
    );
    stream.write_all(head.as_bytes()).await.expect("the server reads");
    // It asks for the body once the memory is held.
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.expect("the server answers");
    assert_eq!(&answer, b"HTTP/1.1 100");
    stream
}

async fn reports_over_the_append_queue_are_asked_to_come_again() {
    let server = Server::start_with(&["log.append_queue_records_max=1000"]).await;
    let app = App::create(&server.calls()).await;
    let batch: Vec<Value> = vec![json!({ "event": "open", "user_id": "ann" }); 900];
    let started = Instant::now();
    let (mut accepted, mut refused) = (0_u64, 0);
    // Two of them wait at once only for as long as one is being written.
    while refused == 0 && started.elapsed() < Duration::from_secs(30) {
        let reports: Vec<_> = (0..16)
            .map(|_| {
                let (app, batch) = (app.clone(), json!(batch));
                tokio::spawn(async move { app.report(&batch).await })
            })
            .collect();
        for report in reports {
            let reply = report.await.expect("a reporter");
            if reply.status == 200 {
                accepted += reply.body["accepted"].as_u64().expect("a count");
            } else {
                assert_eq!(reply.retry_after_s, Some(1));
                reply.problem(503, "overloaded");
                refused += 1;
            }
        }
    }
    assert!(refused > 0, "{accepted} events never met a full queue");
    server.settle().await;
    assert_eq!(app.outcomes().await, [("stored".to_owned(), accepted)].into(), "nothing refused was kept");
}

async fn events_are_accepted_while_the_warehouse_is_away() {
    let server = Server::start().await;
    let app = App::create(&server.calls()).await;
    let event = json!({ "event": "open", "user_id": "ann" });
    let question = rule(json!({}));
    app.accept(std::slice::from_ref(&event)).await;
    server.settle().await;
    assert_eq!(app.totals(&question).await, json!([1]));

    server.set_warehouse_away(true);
    for _ in 0..20 {
        app.accept(std::slice::from_ref(&event)).await;
    }
    let ready = Reply::of(server.calls().request(Method::GET, "/health/ready")).await;
    assert_eq!(ready.retry_after_s, Some(1), "{:#}", ready.body);
    ready.problem(503, "not_ready");
    Reply::of(server.calls().request(Method::GET, "/health/live")).await.expect(200);
    assert!(server.calls().status().await["lag"].as_u64().is_some_and(|lag| lag > 0));

    // One that is gone, rather than hanging, is told from a question that takes too long.
    server.break_off_warehouse();
    let reply = app.try_ask(&rule(json!({ "interval": "day" }))).await;
    assert_eq!(reply.retry_after_s, Some(2), "{:#}", reply.body);
    let problem = reply.problem(503, "warehouse_unavailable");
    assert!(
        problem["detail"].as_str().is_some_and(|detail| detail.contains("still accepted")),
        "{problem:#}"
    );
    app.accept(&[event]).await;

    server.set_warehouse_away(false);
    server.settle().await;
    app.ask_until(&question, &json!([22])).await;
    assert_eq!(app.outcomes().await, [("stored".to_owned(), 22)].into());
}

async fn a_server_accepts_events_before_its_warehouse_answers() {
    let mut server = Server::start_without_warehouse().await;
    let app = App::create(&server.calls()).await;
    app.accept(&[json!({ "event": "open", "user_id": "ann" })]).await;
    Reply::of(server.calls().request(Method::GET, "/health/ready")).await.problem(503, "not_ready");
    let reply = app.try_ask(&rule(json!({}))).await;
    assert_eq!(reply.retry_after_s, Some(2), "{:#}", reply.body);
    reply.problem(503, "warehouse_unavailable");
    let (status, said) = server.stop();
    assert_eq!(status.code(), Some(0), "{said}");
    server.start_again().await;
    app.ask_until(&rule(json!({})), &json!([1])).await;
}
