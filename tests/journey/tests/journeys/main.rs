//! Journeys through the real binary. Those that only need a server share one; those that stop,
//! kill or configure theirs have it to themselves.

/// Lists the journeys of a file under the file's name.
macro_rules! journeys {
    ($($walk:ident,)*) => {
        /// The journeys of this file.
        pub fn trials() -> Vec<libtest_mimic::Trial> {
            let file = module_path!().rsplit("::").next().unwrap_or_default();
            vec![$(crate::journey(&format!("{file}::{}", stringify!($walk)), $walk),)*]
        }
    };
}

mod accounts;
mod browsers;
mod clients;
mod command_line;
mod dead_letter;
mod duplicates;
mod engine;
mod importing;
mod lifecycle;
mod limits;
mod limits_of_asking;
mod live_view;
mod origins;
mod overload;
mod quotas;
mod report_and_ask;
mod shared;
mod slow_clients;
mod tenancy;
mod time_zones;
mod tracking_plan;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use suanpan_journey::runtime;

/// Each of them runs processes of its own: more at once only wait for each other.
const AT_ONCE_MAX: usize = 2;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    let at_once = arguments.test_threads.unwrap_or(AT_ONCE_MAX);
    arguments.test_threads = Some(at_once.clamp(1, AT_ONCE_MAX));
    let conclusion = libtest_mimic::run(&arguments, journeys());
    shared::stop();
    conclusion.exit_code()
}

fn journeys() -> Vec<Trial> {
    // The longest first, so that none of them is left alone at the end.
    [
        clients::trials(),
        lifecycle::trials(),
        slow_clients::trials(),
        accounts::trials(),
        quotas::trials(),
        origins::trials(),
        live_view::trials(),
        overload::trials(),
        limits_of_asking::trials(),
        dead_letter::trials(),
        duplicates::trials(),
        engine::trials(),
        importing::trials(),
        command_line::trials(),
        report_and_ask::trials(),
        tenancy::trials(),
        limits::trials(),
        browsers::trials(),
        tracking_plan::trials(),
        time_zones::trials(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A journey as a test of the harness.
fn journey<F: Future<Output = ()>>(name: &str, walk: impl FnOnce() -> F + Send + 'static) -> Trial {
    Trial::test(name, move || {
        runtime().block_on(walk());
        Ok(())
    })
}
