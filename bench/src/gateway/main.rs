//! What each wire format costs the gateway: the same events in every format, from the bytes of a
//! request to admitted log records and the reply, without socket and disk. Nanoseconds an event, and
//! allocations. The verdict is a ratio to Suanpan's own format, taken in the same run.

mod bodies;
mod shop;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use axum::http::{HeaderMap, Method};
use bytes::Bytes;
use suanpan_event::{AppId, EventLimits, Origin, TrackingPlan};
use suanpan_wire::{Admission, Format, Head, Report, Route, WireLimits, admit, clock_correction_ms, route};
use uuid::Uuid;

use crate::bodies::Sent;

/// Where the results go, from the project's root.
const FILE: &str = "bench/GATEWAY.md";
/// A format may cost this many times Suanpan's own on the same events.
const RATIO_MAX: f64 = 2.0;
/// 2026-03-01T12:00:00Z.
const NOW_MS: i64 = 1_772_366_400_000;

/// How long each format is measured, and how often: the best of several rounds is what the code
/// costs when nothing else runs.
struct Scale {
    round: Duration,
    rounds: usize,
}

fn main() -> Result<()> {
    let (scale, is_quick) = match std::env::args().nth(1).as_deref() {
        Some("--quick") => (Scale { round: Duration::from_millis(5), rounds: 1 }, true),
        None => (Scale { round: Duration::from_millis(300), rounds: 7 }, false),
        Some(other) => bail!("unknown argument {other:?}; this takes none, or --quick"),
    };
    let mut text = String::new();
    let mut over = Vec::new();
    for events in [100, 1] {
        let sent = bodies::all(&shop::events(events), NOW_MS);
        let costs = sent.iter().map(|sent| measure(sent, events, &scale)).collect::<Result<Vec<_>>>()?;
        let native = costs[0].ns_per_event;
        println!("\n{events} events a request");
        let _ = write!(
            text,
            "\n## {events} events a request\n\n| format | bytes an event | ns an event | ratio | allocations an event | bytes allocated an event |\n|---|---|---|---|---|---|\n"
        );
        for (sent, cost) in sent.iter().zip(&costs) {
            let ratio = cost.ns_per_event / native;
            let bytes = sent.body.len().max(sent.query.len()) / events;
            println!(
                "  {:<34} {bytes:>6} B {:>8.0} ns {ratio:>6.2} x {:>7.1} allocations {:>9.0} B",
                sent.name, cost.ns_per_event, cost.allocations, cost.allocated_bytes
            );
            let _ = writeln!(
                text,
                "| {} | {bytes} | {:.0} | {ratio:.2} | {:.1} | {:.0} |",
                sent.name, cost.ns_per_event, cost.allocations, cost.allocated_bytes
            );
            if ratio > RATIO_MAX {
                over.push(format!("{} with {events} events a request: {ratio:.2}", sent.name));
            }
        }
    }
    if is_quick {
        return Ok(());
    }
    let verdict = match over.is_empty() {
        true => format!("No format costs more than {RATIO_MAX} times Suanpan's own."),
        false => format!("Over {RATIO_MAX} times Suanpan's own: {}.", over.join("; ")),
    };
    println!("\n{verdict}");
    let head = format!(
        "# What each wire format costs\n\n<!-- Written by `make bench-gateway`. -->\n\n\
         The same shop events in every format, from a request's bytes to admitted log records and the\n\
         reply, on one core, without socket and disk. Unpacking gzip is not part of it. Ratios are to\n\
         Suanpan's own format in the same run.\n\n{verdict}\n"
    );
    std::fs::write(FILE, head + &text).with_context(|| format!("can't write {FILE}"))?;
    println!("written to {FILE}");
    Ok(())
}

struct Cost {
    ns_per_event: f64,
    allocations: f64,
    allocated_bytes: f64,
}

fn measure(sent: &Sent, events: usize, scale: &Scale) -> Result<Cost> {
    let app: AppId = "bench".parse()?;
    let accepted = take(sent, &app)?;
    ensure!(accepted == events, "{}: {accepted} of {events} events were accepted", sent.name);
    let mut best = f64::INFINITY;
    for _ in 0..scale.rounds {
        let (started, mut requests) = (Instant::now(), 0_u32);
        while started.elapsed() < scale.round {
            take(sent, &app)?;
            requests += 1;
        }
        best = best.min(started.elapsed().as_nanos() as f64 / f64::from(requests) / events as f64);
    }
    let counted = allocation_counter::measure(|| {
        std::hint::black_box(take(sent, &app).is_ok());
    });
    Ok(Cost {
        ns_per_event: best,
        allocations: counted.count_total as f64 / events as f64,
        allocated_bytes: counted.bytes_total as f64 / events as f64,
    })
}

/// What the gateway does with a request, but for its key, its app's quotas and the disk.
fn take(sent: &Sent, app: &AppId) -> Result<usize> {
    let headers: &HeaderMap = &sent.headers;
    let method = if sent.body.is_empty() { Method::GET } else { Method::POST };
    let head = Head { method: &method, path: sent.path, query: &sent.query, headers };
    let limits = WireLimits::default();
    let body = Bytes::copy_from_slice(&sent.body);
    let format: &dyn Format = match route(sent.route) {
        Some(Route::Events(format)) => format,
        Some(Route::Told(told)) => told(&head, &body),
        Some(Route::Document(_)) | None => bail!("{} is no path for events", sent.route),
    };
    let payload = format.payload(&head, body, &limits)?;
    let batch = format.decode(&head, &payload, &limits)?;
    let (event_limits, plan) = (EventLimits::default(), TrackingPlan::default());
    let about = Admission {
        app_id: app,
        may_report_old: true,
        received_time_ms: NOW_MS,
        clock_correction_ms: clock_correction_ms(batch.sent_at, NOW_MS, &event_limits),
        limits: &event_limits,
        plan: &plan,
    };
    let mut report = Report::with_capacity(batch.events.len());
    let mut records = Vec::with_capacity(payload.len() + 160 * batch.events.len());
    for event in &batch.events {
        let draft = match event {
            Ok(draft) => draft,
            Err(refused) => {
                report.reject((*refused.rejection).clone());
                continue;
            }
        };
        // A visitor that the gateway would name; whose name costs a hash, which is not decoding.
        let named;
        let draft = if draft.user_id.is_empty() && draft.device_id.is_empty() {
            let mut copy = draft.clone();
            copy.device_id = "visitor".into();
            named = copy;
            &named
        } else {
            draft
        };
        match admit(draft, &about, Origin::default(), Uuid::now_v7) {
            Ok((event, warnings)) => {
                event.encode_into(&mut records);
                report.accept(event.event_id, warnings);
            }
            Err(rejection) => report.reject(rejection),
        }
    }
    std::hint::black_box(format.reply(&head, &batch, &report));
    if let Some(result) = report.results.iter().find(|r| r.code.is_some()) {
        bail!("{}: {} {}", sent.name, result.field, result.message);
    }
    Ok(report.accepted)
}
