use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use crate::Scale;
use suanpan_bench::report::{Report, percentiles};
use suanpan_bench::server::Server;

/// A name, and the rule over this many days more than two.
type Question = (&'static str, fn(usize) -> Value);

/// Cold and cached answers over the events that were ingested.
pub async fn measure(server: &Server, scale: &Scale, report: &mut Report) -> Result<()> {
    report.section("Answers over these events");
    let questions: [Question; 3] = [
        ("people by day and platform", |n| {
            json!({ "version": 1, "kind": "trend", "measures": [{ "measure": "people" }],
                "breakdown": ["platform"], "interval": "day", "range": { "last": 2 + n, "unit": "day" } })
        }),
        ("sum and p90 of an attribute by another (typed slots)", |n| {
            json!({ "version": 1, "kind": "trend", "breakdown": ["channel"],
                "measures": [{ "measure": "sum", "attribute": "amount" }, { "measure": "p90", "attribute": "amount" }],
                "range": { "last": 2 + n, "unit": "day" } })
        }),
        ("the same of properties nobody defined (JSON)", |n| {
            json!({ "version": 1, "kind": "trend", "breakdown": [{ "attribute": "page", "type": "string" }],
                "measures": [{ "measure": "sum", "attribute": "quantity", "type": "number" }],
                "range": { "last": 2 + n, "unit": "day" } })
        }),
    ];
    for (name, rule) in questions {
        let (mut cold, mut cached) = (Vec::new(), Vec::new());
        for n in 0..scale.cold {
            cold.push(timed(server, &rule(n), "miss").await?);
        }
        // The last one again, within the time that an answer over an open range lives.
        for _ in 0..scale.cached {
            cached.push(timed(server, &rule(scale.cold - 1), "hit").await?);
        }
        let ((cold, cold_99), (hit, hit_99)) = (percentiles(cold), percentiles(cached));
        report.row(&format!("{name}: cold, median (p99)"), format!("{cold:.1} ms ({cold_99:.1})"));
        report.row(
            &format!("{name}: cached, median (p99)"),
            format!("{hit:.2} ms ({hit_99:.2}); {:.0}x faster", cold / hit),
        );
    }
    Ok(())
}

/// One question over HTTP; the answer must come from where it is expected to.
async fn timed(server: &Server, rule: &Value, cache: &str) -> Result<Duration> {
    let started = Instant::now();
    let answer = server.call(Method::POST, "/api/apps/bench/ask", rule.clone()).await?;
    let took = started.elapsed();
    ensure!(answer["cache"] == cache, "expected a {cache}, got {}", answer["cache"]);
    Ok(took)
}
