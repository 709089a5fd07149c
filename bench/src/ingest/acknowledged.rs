use anyhow::Result;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use suanpan_bench::bare::Bare;
use suanpan_bench::report::{Report, median};
use suanpan_bench::server::Server;

use crate::load::{Prepared, Target, send};
use crate::{CONNECTIONS, Scale};

const WANTED: f64 = 0.5;

/// Durable ingest against an empty handler that reads the same bodies.
pub async fn measure(server: &Server, scale: &Scale, report: &mut Report) -> Result<()> {
    report.section("Acknowledged on disk, against an empty handler");
    report.say(&format!(
        "{CONNECTIONS} keep-alive connections, medians of {} rounds that take turns, the same bodies and the same \
         generator for all. The empty handler (axum) reads the body and answers; \"walked\" also goes over \
         its JSON once. \"Gateway alone\" is a moment in which the engine's process is stopped, so that the \
         cores are the gateway's, as where it is a process of its own; else the same two cores store events \
         at the same time.",
        scale.rounds
    ));
    let bare = Bare::start().await?;
    let key = server.app("acknowledged").await?;
    let ours = Target::events(server.address(), &key);
    let empty = Target::events(&bare.address, &key);
    let walked = Target { path: "/walked".to_owned(), ..empty.clone() };
    let mut rows = Vec::new();
    for (shape, requests) in scale.shapes {
        let mut took: [Vec<f64>; 4] = Default::default();
        for round in 0..scale.rounds {
            let seed = (shape * 1_000 + round * 2) as u64;
            let bodies = Prepared::new(seed, shape, requests);
            let alone = Prepared::new(seed + 1, shape, requests);
            took[0].push(send(&empty, CONNECTIONS, bodies.again()).await?.as_secs_f64());
            took[1].push(send(&walked, CONNECTIONS, bodies.again()).await?.as_secs_f64());
            took[2].push(send(&ours, CONNECTIONS, bodies).await?.as_secs_f64());
            server.stored().await?;
            let stopped = Stopped::engine_of(server)?;
            took[3].push(send(&ours, CONNECTIONS, alone).await?.as_secs_f64());
            drop(stopped);
            server.stored().await?;
        }
        let [empty, walked, ours, alone] = took.map(|took| (shape * requests) as f64 / median(&took));
        let compared = |rate: f64| format!("{rate:.0} ({:.2})", rate / empty);
        rows.push(vec![
            shape.to_string(),
            format!("{empty:.0}"),
            compared(walked),
            compared(ours),
            compared(alone),
        ]);
        for (what, rate) in [("storing meanwhile", ours), ("gateway alone", alone)] {
            report.target(
                &format!("acknowledged on disk, {shape} events a request, {what}"),
                &format!("≥ {WANTED} of an empty handler"),
                &format!("{:.2}", rate / empty),
                rate / empty >= WANTED,
            );
        }
    }
    report.table(
        &[
            "events a request",
            "empty handler, events/s",
            "walked (ratio)",
            "ours, storing meanwhile (ratio)",
            "ours, gateway alone (ratio)",
        ],
        &rows,
    );
    Ok(())
}

/// Holds the engine's process still.
struct Stopped(Pid);

impl Stopped {
    fn engine_of(server: &Server) -> Result<Self> {
        let pid = Pid::from_raw(i32::try_from(server.engine_process_id()?)?);
        kill(pid, Signal::SIGSTOP)?;
        Ok(Self(pid))
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        // It can only fail if the process has ended.
        let _ended = kill(self.0, Signal::SIGCONT);
    }
}
