use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use suanpan_bench::report::{Report, percentiles};
use suanpan_bench::server::Server;
use tokio::sync::watch;

use crate::engine::Engine;
use crate::load::{Connection, Stream, Target, now_ms, send};
use crate::{CONNECTIONS, Scale};

const EVENTS_PER_REQUEST: usize = 100;
const APP: &str = "probe";
/// How often a marked event is sent, and how often they are asked for. The latter is the error of
/// the figures, always upwards.
const PROBE_EVERY: Duration = Duration::from_millis(25);
const ASK_EVERY: Duration = Duration::from_millis(15);
const PATIENCE: Duration = Duration::from_secs(30);
const WANTED_MS: f64 = 1_000.0;

/// Marked events on their way.
#[derive(Default)]
struct Probes {
    /// Acknowledged at, by number, and not seen yet.
    waiting: HashMap<usize, Instant>,
    acknowledgements: Vec<Duration>,
    visible_after: Vec<Duration>,
}

/// How long after its acknowledgement an event can be asked about, at half of the load that can be
/// sustained.
pub async fn measure(
    server: &Server,
    engine: &Engine,
    (scale, sustained): (&Scale, f64),
    report: &mut Report,
) -> Result<()> {
    report.section("From acknowledgement to visible, at half load");
    let rate = sustained / 2.0;
    let key = server.app("half-load").await?;
    let probe_key = server.app(APP).await?;
    let (_open, gate) = watch::channel(true);
    let seconds = scale.visible_for.as_secs_f64();
    let load = Stream::new(3_000_000, (rate * seconds) as usize, EVENTS_PER_REQUEST, gate).paced(rate);
    let target = Target::events(server.address(), &key);
    let probe_target = Target::events(server.address(), &probe_key);
    let probes = Mutex::new(Probes::default());
    let count = scale.visible_for.div_duration_f64(PROBE_EVERY) as usize;
    let (took, _, _) = tokio::try_join!(
        send(&target, CONNECTIONS, load),
        probe(&probe_target, count, &probes),
        watch_for(engine, count, &probes),
    )?;
    server.stored().await?;
    let probes = probes.into_inner().expect("nobody panicked with it");
    let (visible, visible_99) = percentiles(probes.visible_after);
    let (acknowledged, acknowledged_99) = percentiles(probes.acknowledgements);
    report.row("load", format!("{rate:.0} events/s wanted, {:.0} sent", rate * seconds / took.as_secs_f64()));
    report.row(
        "POST of one event to its acknowledgement, median (p99)",
        format!("{acknowledged:.1} ms ({acknowledged_99:.1})"),
    );
    report.row(
        &format!("acknowledged to visible, {count} marked events, median (p99)"),
        format!("{visible:.0} ms ({visible_99:.0})"),
    );
    report.target(
        "acknowledged to visible at half load, p99",
        "≤ 1 s",
        &format!("{visible_99:.0} ms"),
        visible_99 <= WANTED_MS,
    );
    Ok(())
}

async fn probe(target: &Target, count: usize, probes: &Mutex<Probes>) -> Result<()> {
    let mut connection = Connection::open(target).await?;
    let mut due = tokio::time::interval(PROBE_EVERY);
    for number in 0..count {
        due.tick().await;
        let body = format!(
            "[{{\"event\":\"probe\",\"time\":{},\"user_id\":\"u-{number}\",\"session_id\":\"{number}\"}}]",
            now_ms()
        );
        let sent = Instant::now();
        connection.post(body.as_bytes()).await?;
        let mut probes = probes.lock().expect("nobody panicked with it");
        probes.acknowledgements.push(sent.elapsed());
        probes.waiting.insert(number, Instant::now());
    }
    Ok(())
}

async fn watch_for(engine: &Engine, count: usize, probes: &Mutex<Probes>) -> Result<()> {
    let mut last_seen = Instant::now();
    loop {
        let oldest = {
            let probes = probes.lock().expect("nobody panicked with it");
            if probes.visible_after.len() == count {
                return Ok(());
            }
            probes.waiting.keys().min().copied()
        };
        if let Some(oldest) = oldest {
            let sql = format!(
                "SELECT session_id FROM events WHERE event = 'probe' AND toUInt32OrZero(session_id) >= {oldest} FORMAT TSV"
            );
            let seen = engine.ask(APP, &sql).await?;
            let mut probes = probes.lock().expect("nobody panicked with it");
            for number in seen.lines() {
                if let Some(acknowledged) = probes.waiting.remove(&number.parse()?) {
                    probes.visible_after.push(acknowledged.elapsed());
                    last_seen = Instant::now();
                }
            }
        }
        ensure!(last_seen.elapsed() < PATIENCE, "no marked event was seen for {PATIENCE:?}");
        tokio::time::sleep(ASK_EVERY).await;
    }
}
