use std::collections::HashMap;

use anyhow::{Context as _, Result};
use reqwest::Method;
use serde_json::json;
use suanpan_bench::report::Report;
use suanpan_bench::server::Server;

use crate::gate::gated;
use crate::load::{Stream, Target, send_to_all};
use crate::usage::Usage;
use crate::{CONNECTIONS, Scale};

const EVENTS_PER_REQUEST: usize = 10;

/// What it costs that the same events are of many apps: their ledgers and learnt names are many, too.
pub async fn measure(server: &Server, scale: &Scale, report: &mut Report) -> Result<()> {
    report.section("The same events, of many apps");
    report.say(&format!(
        "{} events from POST to queryable, {EVENTS_PER_REQUEST} a request, in turns of each app. Rows beside the \
         events are those inserted, before they melt together.",
        scale.sustained_events
    ));
    let mut targets = Vec::new();
    for number in 0..scale.apps {
        let app = format!("app-{number}");
        server.call(Method::POST, "/api/apps", json!({ "id": app })).await?;
        let key =
            server.call(Method::POST, &format!("/api/apps/{app}/keys"), json!({ "kind": "write" })).await?;
        targets.push(Target::events(server.address(), key["secret"].as_str().context("a key has a secret")?));
    }
    let mut rows = Vec::new();
    for (seed, apps) in [(6_000_000, 1), (6_000_001, scale.apps)] {
        let (metrics, before) = (server.metrics().await?, Usage::now(server)?);
        gated(
            server,
            |_| Ok(()),
            async |gate| {
                let stream = Stream::new(seed, scale.sustained_events, EVENTS_PER_REQUEST, gate);
                send_to_all(&targets[..apps], CONNECTIONS, stream).await
            },
        )
        .await?;
        let used = before.until(Usage::now(server)?);
        let after = server.metrics().await?;
        let inserted = |table: &str| {
            let name = format!("suanpan_warehouse_insert_rows_total{{table=\"{table}\"}}");
            let of = |metrics: &HashMap<String, f64>| metrics.get(&name).copied().unwrap_or(0.0);
            format!("{:.3}", (of(&after) - of(&metrics)) / scale.sustained_events as f64)
        };
        rows.push(vec![
            apps.to_string(),
            format!("{:.0}", scale.sustained_events as f64 / used.seconds),
            used.per_event(scale.sustained_events),
            inserted("ledger"),
            inserted("learnt"),
        ]);
    }
    report.table(
        &["apps", "events/s", "processor time an event", "ledger rows an event", "learnt rows an event"],
        &rows,
    );
    Ok(())
}
