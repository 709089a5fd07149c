//! The example `report` is killed in the middle of a request, again and again. It runs in this test's
//! own program, so that no other build can take its place.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a test's result")]

use std::collections::{HashMap, HashSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use libtest_mimic::{Arguments, Trial};
use tokio::sync::Notify;

use crate::edge::{Edge, LONG};
use crate::relay::{Fate, Relay};

#[allow(dead_code, reason = "other tests need the rest")]
#[path = "../delivery/edge.rs"]
mod edge;
#[allow(dead_code, reason = "other tests need the rest")]
#[path = "../delivery/relay.rs"]
mod relay;
#[allow(dead_code, reason = "its own main is not needed here")]
#[path = "../../examples/report.rs"]
mod report;

/// Says that this program is the one to be killed.
const REPORTER: &str = "reporter";

fn main() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [role, host, key, folder] = arguments.as_slice()
        && role == REPORTER
    {
        return match runtime.block_on(report::report(host, key, folder)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_said_by_the_code) => ExitCode::FAILURE,
        };
    }
    let test = move || {
        runtime.block_on(a_killed_process_loses_nothing_that_was_on_disk());
        Ok(())
    };
    let tests = vec![Trial::test("a_killed_process_loses_nothing_that_was_on_disk", test)];
    libtest_mimic::run(&Arguments::from_args(), tests).exit_code()
}

struct Reporter {
    child: Child,
    lines: ChildStdin,
    /// Gathers what it says is on disk: the ids of lines.
    said: JoinHandle<Vec<(String, String)>>,
}

impl Reporter {
    fn start(host: &str, key: &str, folder: &std::path::Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([REPORTER, host, key])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = child.stdin.take().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let pair = |line: std::io::Result<String>| {
            line.ok()?.split_once(' ').map(|(id, text)| (id.to_owned(), text.to_owned()))
        };
        let said = std::thread::spawn(move || out.lines().map_while(pair).collect());
        Self { child, lines, said }
    }
}

async fn a_killed_process_loses_nothing_that_was_on_disk() {
    let edge = Edge::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (arrived, calm) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let (under_way, is_calm) = (Arc::clone(&arrived), Arc::clone(&calm));
    let relay = Relay::to(&edge.address, move |seen| {
        if is_calm.load(Ordering::Relaxed) {
            return Fate::Pass;
        }
        under_way.notify_one();
        // The process dies while its request is lost, or arrives without an answer, or is answered.
        match seen.number % 3 {
            0 => Fate::CutBefore,
            1 => Fate::CutAfter,
            _ => Fate::Delay(Duration::from_millis(3)),
        }
    })
    .await;
    let host = format!("http://{}", relay.address);
    let mut on_disk: Vec<(String, String)> = Vec::new();
    for round in 0..6 {
        let mut reporter = Reporter::start(&host, &edge.key, folder.path());
        for n in 0..400 {
            writeln!(reporter.lines, "{round}/{n}").unwrap();
        }
        tokio::time::timeout(LONG, arrived.notified()).await.unwrap();
        reporter.child.kill().unwrap();
        reporter.child.wait().unwrap();
        on_disk.extend(reporter.said.join().unwrap());
    }
    assert!(on_disk.len() > 100, "the kills left too little to look at: {}", on_disk.len());

    calm.store(true, Ordering::Relaxed);
    let mut last = Reporter::start(&host, &edge.key, folder.path());
    writeln!(last.lines, "last/0").unwrap();
    drop(last.lines);
    assert!(last.child.wait().unwrap().success(), "all was sent in the end");
    on_disk.extend(last.said.join().unwrap());

    let ids = edge.ids().await;
    let lost: Vec<_> = on_disk.iter().filter(|(id, _)| !ids.contains(id)).collect();
    assert!(lost.is_empty(), "{} of {} are lost, as {:?}", lost.len(), on_disk.len(), lost[0]);
    // And each line arrived under one id, however often it was sent.
    let mut lines: HashMap<String, HashSet<String>> = HashMap::new();
    for event in edge.events().await {
        let line = event["props"]["text"].as_str().unwrap().to_owned();
        lines.entry(line).or_default().insert(event["id"].as_str().unwrap().to_owned());
    }
    assert!(lines.values().all(|ids| ids.len() == 1));
    assert!(lines.contains_key("last/0") && lines.len() >= on_disk.len());
}
