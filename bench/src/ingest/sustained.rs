use anyhow::Result;
use suanpan_bench::report::{Report, median};
use suanpan_bench::server::Server;

use crate::engine::Engine;
use crate::gate::gated;
use crate::load::{Stream, Target, send};
use crate::rows::{Rows, make_bare};
use crate::usage::Usage;
use crate::{CONNECTIONS, Scale};

const WANTED: f64 = 0.5;
const TABLE: &str = "bench_bare";
/// The app whose rows later measurements take, too.
pub const APP: &str = "sustained";
/// Events of a request; the last one is what targets and later measurements speak of.
const SHAPES: [usize; 2] = [10, 100];

/// From the first POST until all can be asked about, against a bare insert of the same rows.
/// Returns events a second.
pub async fn measure(server: &Server, engine: &Engine, scale: &Scale, report: &mut Report) -> Result<f64> {
    report.section("From POST to queryable, against a bare insert");
    report.say(&format!(
        "{} events a round, {CONNECTIONS} connections, at most 200,000 acknowledged events waiting. The bare insert \
         is of the same rows: taken from the engine as ArrowStream, 20,000 rows and the same columns an INSERT, \
         posted by one stream into an empty copy of `events_local` with the same settings for fsync, without a \
         ledger, tokens or checks. Medians of {} rounds that take turns.",
        scale.sustained_events, scale.rounds
    ));
    let key = server.app(APP).await?;
    let target = Target::events(server.address(), &key);
    let (mut rate, mut seed) = (0.0, 2_000_000);
    for shape in SHAPES {
        let (mut ours, mut bare) = (Rates::default(), Rates::default());
        let mut used_by_event = String::new();
        for _ in 0..scale.rounds {
            seed += 1;
            let before = Usage::now(server)?;
            gated(
                server,
                |_| Ok(()),
                async |gate| {
                    send(&target, CONNECTIONS, Stream::new(seed, scale.sustained_events, shape, gate)).await
                },
            )
            .await?;
            let used = before.until(Usage::now(server)?);
            used_by_event = used.per_event(scale.sustained_events);
            // Also so that neither side pays for what the other left.
            let merging = engine.merged("events_local").await?.as_secs_f64();
            ours.add(scale.sustained_events as f64, used.seconds, merging);
            insert_bare(engine, scale.sustained_events as u64, &mut bare).await?;
        }
        let ratio = ours.stored() / bare.stored();
        report.row(
            &format!("{shape} events a request: from POST to queryable"),
            format!("{:.0} events/s", ours.stored()),
        );
        report.row("processor time an event", used_by_event);
        report
            .row("a bare insert of the same rows", format!("{:.0} rows/s; ratio {ratio:.2}", bare.stored()));
        report.row(
            "both until the merges that this caused have ended, too",
            format!(
                "{:.0} and {:.0} rows/s; ratio {:.2}",
                ours.merged(),
                bare.merged(),
                ours.merged() / bare.merged()
            ),
        );
        report.target(
            &format!("from POST to queryable, {shape} events a request"),
            &format!("≥ {WANTED} of a bare insert"),
            &format!("{ratio:.2}"),
            ratio >= WANTED,
        );
        rate = ours.stored();
    }
    Ok(rate)
}

/// Rows a second of several rounds.
#[derive(Default)]
struct Rates {
    stored: Vec<f64>,
    merged: Vec<f64>,
}

impl Rates {
    fn add(&mut self, rows: f64, seconds: f64, merging: f64) {
        self.stored.push(rows / seconds);
        self.merged.push(rows / (seconds + merging));
    }

    fn stored(&self) -> f64 {
        median(&self.stored)
    }

    fn merged(&self) -> f64 {
        median(&self.merged)
    }
}

async fn insert_bare(engine: &Engine, rows: u64, rates: &mut Rates) -> Result<()> {
    let taken = Rows::of(engine, APP, rows).await?;
    let bodies = taken.bodies(engine, "ArrowStream").await?;
    make_bare(engine, TABLE).await?;
    let took = engine.insert(TABLE, &taken.columns, "ArrowStream", &bodies).await?;
    let merging = engine.merged(TABLE).await?;
    let inserted: f64 = engine.text(&format!("SELECT count() FROM {TABLE}")).await?.parse()?;
    engine.run(&format!("DROP TABLE {TABLE} SYNC")).await?;
    rates.add(inserted, took.as_secs_f64(), merging.as_secs_f64());
    Ok(())
}
