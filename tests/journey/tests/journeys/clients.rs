//! The libraries that teams have already, unchanged, against the real binary: every event arrives
//! once, also when the way to the server fails.
//!
//! A short run has every client once, straight and through faults. `SUANPAN_CLIENTS=all` gives them
//! more events, and each fault by itself.

mod arrived;
mod client;
mod described;
mod plan;
mod proxy;
mod quick_start;
mod registry;
mod run;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Failed, Trial};
use suanpan_journey::{App, Calls, Server, runtime};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use self::client::{AfterFaults, Client};
use self::plan::{Planned, planned};
use self::proxy::{Fault, Proxy};
use self::registry::CLIENTS;
use self::run::Ran;

/// Drivers that run at once: most of the time they wait to try again.
const AT_ONCE_MAX: usize = 6;
/// How many times as many events a long run has.
const LONG_TIMES: usize = 3;

/// How a client is disturbed: by nothing, or by these in turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Straight,
    AllFaults,
    OneFault(usize),
}

/// What came of each client's run, by the trial's name.
type Results = BTreeMap<String, Result<(), String>>;

/// The journeys of this file.
pub fn trials() -> Vec<Trial> {
    let mut trials = vec![
        crate::journey(
            "clients::the_quick_starts_are_the_tested_ones",
            quick_start::the_documented_ones_are_tested,
        ),
        crate::journey(
            "clients::nothing_undocumented_is_answered",
            described::nothing_undocumented_is_answered,
        ),
    ];
    for (name, ..) in runs() {
        let own = name.clone();
        trials.push(Trial::test(name, move || {
            let result = results().as_ref().map_err(Clone::clone).and_then(|results| results[&own].clone());
            result.map_err(Failed::from)
        }));
    }
    trials
}

/// The runs, by name.
fn runs() -> Vec<(String, &'static Client, Way)> {
    let mut runs = Vec::new();
    for client in CLIENTS {
        runs.push((format!("clients::{}_straight", client.name), client, Way::Straight));
        runs.push((format!("clients::{}_through_faults", client.name), client, Way::AllFaults));
        for (at, fault) in client.after_faults.faults().iter().enumerate().filter(|_| is_long()) {
            runs.push((format!("clients::{}_through_{fault:?}", client.name), client, Way::OneFault(at)));
        }
    }
    runs
}

fn is_long() -> bool {
    std::env::var("SUANPAN_CLIENTS").is_ok_and(|which| which == "all")
}

/// All that were asked for run against one server, which then gives up its store to be looked into.
fn results() -> &'static Result<Results, String> {
    static RESULTS: OnceLock<Result<Results, String>> = OnceLock::new();
    // What fails for all is not tried again by each.
    RESULTS.get_or_init(|| {
        let running = std::thread::spawn(|| runtime().block_on(all_results()));
        running
            .join()
            .map_err(|_panicked| "the server that all clients report to failed, see above".to_owned())
    })
}

async fn all_results() -> Results {
    let mut server = Server::start().await;
    let running = start_runs(&server.calls());
    let mut ran = Vec::new();
    for run in running {
        ran.push(run.await.expect("what panics in it is its result"));
    }
    server.settle().await;
    server.stop();
    let store = server.store().await;
    let mut results = Results::new();
    for (name, client, run) in ran {
        let result = match run {
            Err(failed) => Err(failed),
            Ok((app, planned, ran)) => {
                let rows = arrived::rows(&store, &app.id).await;
                arrived::check(client, &planned, &ran, &rows)
            }
        };
        results.insert(name, result);
    }
    results
}

type Run = Result<(App, Vec<Planned>, Ran), String>;

fn start_runs(calls: &Calls) -> Vec<JoinHandle<(String, &'static Client, Run)>> {
    let places = Arc::new(Semaphore::new(AT_ONCE_MAX));
    let mut running = Vec::new();
    for (name, client, way) in runs().into_iter().filter(|(name, ..)| is_asked_for(name)) {
        let (calls, places) = (calls.clone(), Arc::clone(&places));
        running.push(tokio::spawn(async move {
            let _place = places.acquire().await.expect("it is never closed");
            let run = tokio::spawn(async move { one(client, way, &calls).await });
            (name, client, run.await.unwrap_or_else(|panicked| Err(panicked.to_string())))
        }));
    }
    running
}

/// The same choice as the harness makes.
fn is_asked_for(name: &str) -> bool {
    let arguments = Arguments::from_args();
    let is_match = |filter: &str| if arguments.exact { name == filter } else { name.contains(filter) };
    arguments.filter.as_deref().is_none_or(is_match) && !arguments.skip.iter().any(|skip| is_match(skip))
}

async fn one(client: &'static Client, way: Way, calls: &Calls) -> Run {
    let app = App::create(calls).await;
    let planned = planned(client, if is_long() { LONG_TIMES } else { 1 });
    let faults: &'static [Fault] = client.after_faults.faults();
    // What has neither id nor time is one event more each time it is sent.
    let keep_alive = !matches!(client.after_faults, AfterFaults::Forgets(_));
    let faults = match way {
        Way::Straight => None,
        Way::AllFaults => Some(faults),
        Way::OneFault(at) => Some(&faults[at..=at]),
    };
    let proxy = match faults {
        Some(faults) => Some(Proxy::before(&app.url(), faults, keep_alive).await),
        None => None,
    };
    let started = std::time::Instant::now();
    let ran = run::run(client, &app, &planned, proxy).await;
    eprintln!("{} {way:?}: {:.1} s", client.name, started.elapsed().as_secs_f64());
    Ok((app, planned, ran?))
}
