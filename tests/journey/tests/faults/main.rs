//! Clients report while what can go wrong does, in an order that a seed repeats. After each scenario the
//! store is compared with what the clients know, see `verdict.rs`; docs/faults.md tells what is proven.
//!
//! `SUANPAN_SEED` repeats a run's choices. `SUANPAN_FAULTS=all` strikes until there were 200 kills.

mod clock;
mod fault;
mod fleet;
mod found;
mod known;
mod load;
mod run;
mod scenario;
mod scenarios;
mod scene;
mod segments;
mod strikes;
mod verdict;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use suanpan_journey::runtime;

/// Each of them runs processes of its own: more at once only wait for each other.
const AT_ONCE_MAX: usize = 2;
/// Kills of a long run.
const KILLS_MIN: u64 = 200;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    let at_once = arguments.test_threads.unwrap_or(AT_ONCE_MAX);
    arguments.test_threads = Some(at_once.clamp(1, AT_ONCE_MAX));
    let is_whole = arguments.filter.is_none() && !arguments.list;
    let trials = scenarios::all().into_iter().filter(|scenario| scenario.strikes() > 0).map(|scenario| {
        Trial::test(scenario.name, move || {
            runtime().block_on(scenario.run());
            Ok(())
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    eprintln!("seed {}: {} kill -9 in all", run::seed(), scenario::kills());
    if run::is_long() && is_whole && scenario::kills() < KILLS_MIN {
        eprintln!("a long run kills {KILLS_MIN} times");
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}
