use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Result, ensure};
use bytes::Bytes;
use suanpan_sdk::{Sender, SenderConfig, Status};

use crate::{Scale, events};
use suanpan_bench::bare::Bare;
use suanpan_bench::machine;
use suanpan_bench::report::Report;
use suanpan_bench::server::Server;

/// Connections at once.
const CONNECTIONS: usize = 128;

/// Durable ingest against an empty handler, and how soon it can be asked about.
pub async fn measure(server: &Server, scale: &Scale, report: &mut Report) -> Result<()> {
    let key = server.app("bench").await?;
    let bare = Bare::start().await?;
    let bare_url = format!("http://{}", bare.address);

    report.section("Ingest");
    let now = SystemTime::now();
    let engine = server.folder.join("engine");
    let (empty_bytes, mut total) = (machine::folder_bytes(&engine), 0);
    for (shape, requests) in scale.shapes {
        let requests = |first: usize| {
            (first..first + requests).map(move |n| events::shop((shape * 1_000_000 + n) as u64, shape, now))
        };
        let bodies: Arc<Vec<Bytes>> = Arc::new(requests(0).map(|events| events::body(&events)).collect());
        let count = shape * bodies.len();
        total += 2 * count;
        let bare_took = post(&bare_url, "", &bodies).await?;
        let took = post(&server.url, &key, &bodies).await?;
        server.stored().await?;
        let batches = Arc::new(requests(bodies.len()).collect());
        let started = Instant::now();
        send(&server.url, &key, batches).await?;
        server.stored().await?;
        let stored = started.elapsed();
        let rate = |took: Duration| count as f64 / took.as_secs_f64();
        report.row(
            &format!("{shape} events a request: acknowledged (on disk)"),
            format!("{:.0} events/s", rate(took)),
        );
        report.row(
            &format!("{shape} events a request: an empty axum handler"),
            format!(
                "{:.0} events/s; ratio {:.2}",
                rate(bare_took),
                bare_took.as_secs_f64() / took.as_secs_f64()
            ),
        );
        report.row(
            &format!("{shape} events a request: from the SDK's POST to ready to be asked about"),
            format!("{:.0} events/s", rate(stored)),
        );
    }
    drop(bare);
    let grown = machine::folder_bytes(&engine).saturating_sub(empty_bytes);
    report.row("events stored", total.to_string());
    report.row("bytes an event in ClickHouse (before merges)", format!("{:.0}", grown as f64 / total as f64));
    report.row("memory after it, server", machine::megabytes(server.memory_bytes()?));
    Ok(())
}

/// Posts all bodies over a fixed number of connections; returns how long it took. Not by the SDK: on
/// one machine its packing and reading of results would take from the server what is measured here,
/// and the empty handler's answers have no results.
async fn post(url: &str, key: &str, bodies: &Arc<Vec<Bytes>>) -> Result<Duration> {
    let http = reqwest::Client::builder().pool_max_idle_per_host(CONNECTIONS).build()?;
    let next = Arc::new(AtomicUsize::new(0));
    let started = Instant::now();
    let mut senders = Vec::new();
    for _ in 0..CONNECTIONS {
        let (http, next, bodies) = (http.clone(), Arc::clone(&next), Arc::clone(bodies));
        let (url, key) = (format!("{url}/v1/events"), key.to_owned());
        senders.push(tokio::spawn(async move {
            while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
                let request = http.post(&url).bearer_auth(&key).header("content-type", "application/json");
                let response = request.body(body.clone()).send().await?;
                ensure!(response.status().is_success(), "{}", response.text().await?);
                response.bytes().await?;
            }
            Ok(())
        }));
    }
    for sender in senders {
        sender.await??;
    }
    Ok(started.elapsed())
}

/// Sends all requests as the SDK does, over as many connections.
async fn send(url: &str, key: &str, batches: Arc<Vec<Vec<Vec<u8>>>>) -> Result<()> {
    let sender = Sender::new(SenderConfig::new(url, key))?;
    let next = Arc::new(AtomicUsize::new(0));
    let mut senders = Vec::new();
    for _ in 0..CONNECTIONS {
        let (sender, next, batches) = (sender.clone(), Arc::clone(&next), Arc::clone(&batches));
        senders.push(tokio::spawn(async move {
            while let Some(events) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
                let results = sender.send(events).await?;
                let refused = results.iter().find(|result| result.status != Status::Ok);
                ensure!(refused.is_none(), "{refused:?}");
            }
            Ok(())
        }));
    }
    for sender in senders {
        sender.await??;
    }
    Ok(())
}
