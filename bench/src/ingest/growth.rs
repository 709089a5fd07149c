use anyhow::Result;
use suanpan_bench::machine;
use suanpan_bench::report::Report;
use suanpan_bench::server::Server;

use crate::engine::Engine;
use crate::gate::gated;
use crate::load::{Stream, Target, send};
use crate::usage::Usage;
use crate::{CONNECTIONS, Scale};

const EVENTS_PER_REQUEST: usize = 100;
/// Memory may grow by this share after the first tenth, besides what the ids of recent events take.
const GROWTH_MAX: f64 = 0.10;
/// So may the processor time of an event.
const COST_GROWTH_MAX: f64 = 0.15;

/// What was seen while the events up to here were stored.
struct Stage {
    events: u64,
    seconds: f64,
    server_us: f64,
    engine_us: f64,
    server_bytes: u64,
    engine_bytes: u64,
}

/// Memory and cost over many events, on a new server.
pub async fn measure(scale: &Scale, report: &mut Report) -> Result<()> {
    report.section("Memory and cost over many events");
    let folder = tempfile::tempdir()?;
    let server = Server::start(folder.path()).await?;
    let engine = Engine::of(&server)?;
    let key = server.app("growth").await?;
    let ends = ends(scale.growth_events);
    let stages = stages(&server, &Target::events(server.address(), &key), &ends).await?;
    let metrics = server.metrics().await?;
    let parts = engine
        .text(
            "SELECT count(), sum(rows), sum(bytes_on_disk) FROM system.parts \
             WHERE active AND database = currentDatabase() AND table = 'events_local' FORMAT TSV",
        )
        .await?;
    let parts: Vec<f64> = parts.split('\t').map(str::parse).collect::<Result<_, _>>()?;

    let row = |stage: &Stage| {
        vec![
            millions(stage.events),
            format!("{:.0}", stage.seconds),
            format!("{:.2}", stage.server_us),
            format!("{:.2}", stage.engine_us),
            machine::megabytes(stage.server_bytes),
            machine::megabytes(stage.engine_bytes),
        ]
    };
    report.say(
        "Each row is of the events since the row before; memory is the most that was resident meanwhile.",
    );
    report.table(
        &["events", "events/s", "server µs an event", "engine µs an event", "server memory", "engine memory"],
        &stages.iter().map(row).collect::<Vec<_>>(),
    );
    let ids = metrics.get("suanpan_pipeline_dedupe_ids").copied().unwrap_or(f64::NAN);
    report.row("event ids in the server's memory at the end", format!("{ids:.0}"));
    report.row(
        "events table at the end",
        format!("{} rows, {} parts, {:.1} bytes a row", parts[1], parts[0], parts[2] / parts[1]),
    );
    judge(&stages, report);
    server.stop().await
}

/// A stage at a million, and at two and five and ten times that, and so on.
fn ends(events: u64) -> Vec<u64> {
    let mut ends: Vec<u64> = (0..=3)
        .flat_map(|power| [1, 2, 5].map(|times| times * 1_000_000 * 10_u64.pow(power)))
        .filter(|end| *end < events)
        .collect();
    ends.push(events);
    ends
}

async fn stages(server: &Server, target: &Target, ends: &[u64]) -> Result<Vec<Stage>> {
    let mut stages: Vec<Stage> = Vec::new();
    let (mut before, mut server_bytes, mut engine_bytes, mut since) = (Usage::now(server)?, 0, 0, 0);
    let looks = |stored: u64| -> Result<()> {
        server_bytes = server_bytes.max(server.memory_bytes()?);
        engine_bytes = engine_bytes.max(server.engine_memory_bytes()?);
        if ends.get(stages.len()).is_some_and(|end| stored >= *end) {
            let now = Usage::now(server)?;
            let (used, count) = (before.until(now), (stored - since) as f64);
            stages.push(Stage {
                events: stored,
                seconds: count / used.seconds,
                server_us: used.server_s * 1e6 / count,
                engine_us: used.engine_s * 1e6 / count,
                server_bytes: std::mem::take(&mut server_bytes),
                engine_bytes: std::mem::take(&mut engine_bytes),
            });
            (before, since) = (now, stored);
        }
        Ok(())
    };
    let events = usize::try_from(*ends.last().expect("there is an end"))?;
    gated(server, looks, async |gate| {
        let sent = send(target, CONNECTIONS, Stream::new(4_000_000, events, EVENTS_PER_REQUEST, gate)).await;
        server.stored().await?;
        // The last stage is seen at the next look.
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        sent
    })
    .await?;
    Ok(stages)
}

fn judge(stages: &[Stage], report: &mut Report) {
    let (Some(first), Some(last)) = (stages.first(), stages.last()) else { return };
    let total = |stage: &Stage| stage.server_us + stage.engine_us;
    let grown = total(last) / total(first) - 1.0;
    report.target(
        &format!("cost of an event, {} against the first {}", millions(last.events), millions(first.events)),
        &format!("≤ +{:.0} %", COST_GROWTH_MAX * 100.0),
        &format!("{:+.0} %", grown * 100.0),
        grown <= COST_GROWTH_MAX,
    );
    let tenth = stages.iter().find(|stage| stage.events >= last.events / 10).unwrap_or(first);
    for (whose, of) in [("server", (|s| s.server_bytes) as fn(&Stage) -> u64), ("engine", |s| s.engine_bytes)]
    {
        let grown = of(last) as f64 / of(tenth) as f64 - 1.0;
        report.target(
            &format!("memory of the {whose}, {} against {}", millions(last.events), millions(tenth.events)),
            &format!("≤ +{:.0} %", GROWTH_MAX * 100.0),
            &format!("{:+.0} %", grown * 100.0),
            grown <= GROWTH_MAX,
        );
    }
}

fn millions(events: u64) -> String {
    format!("{:.1} M", events as f64 / 1e6)
}
