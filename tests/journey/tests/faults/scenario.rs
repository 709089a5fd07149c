use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rand::RngExt as _;
use rand::seq::SliceRandom as _;

use crate::fault::Fault;
use crate::run;
use crate::scene::{Plan, Scene};
use crate::verdict::{Verdict, verdict};

/// Kill -9 of all scenarios of this process.
static KILLS: AtomicU64 = AtomicU64::new(0);

/// Faults that strike one installation in a random order.
pub struct Scenario {
    pub name: &'static str,
    pub plan: fn() -> Plan,
    /// Each strikes as often as it stands here before the first strikes again.
    pub faults: Vec<Box<dyn Fault>>,
    /// How many strikes there are in a short run, and in a long one.
    pub strikes: (usize, usize),
    /// Events to be acknowledged between two strikes, at most.
    pub events_between_max: u64,
}

impl Scenario {
    /// How many strikes there are in this run.
    pub fn strikes(&self) -> usize {
        if run::is_long() { self.strikes.1 } else { self.strikes.0 }
    }

    /// Runs it.
    ///
    /// # Panics
    /// The verdict finds anything wrong.
    pub async fn run(self) {
        let seed = run::seed();
        let own_seed = run::seed_of(self.name);
        eprintln!("{}: SUANPAN_SEED={seed} repeats its choices", self.name);
        let started = Instant::now();
        let mut scene = Scene::begin((self.plan)(), own_seed).await;
        let mut deck: Vec<usize> = Vec::new();
        for _ in 0..self.strikes() {
            if deck.is_empty() {
                deck = (0..self.faults.len()).collect();
                deck.shuffle(&mut scene.rng);
            }
            let fault = &self.faults[deck.pop().expect("a scenario has faults")];
            let (events, pause_ms) =
                (scene.rng.random_range(20..self.events_between_max), scene.rng.random_range(0..300));
            scene.load.goes_on(events).await;
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
            fault.strike(&mut scene).await;
        }
        scene.load.end(&mut scene.rng).await;
        let verdict = verdict(&mut scene).await;
        KILLS.fetch_add(scene.toll.kills(), Ordering::AcqRel);
        eprintln!("{}", report(self.name, seed, &scene, &verdict, started));
        assert!(verdict.wrong.is_empty(), "{} (seed {seed}): {:#?}", self.name, verdict.wrong);
        assert!(scene.load.acknowledged() > 100, "too little happened");
    }
}

/// How many kills there were so far.
pub fn kills() -> u64 {
    KILLS.load(Ordering::Acquire)
}

fn report(name: &str, seed: u64, scene: &Scene, verdict: &Verdict, started: Instant) -> String {
    let mut text = format!("--- {name}, seed {seed}, {} s\n", started.elapsed().as_secs());
    text += &scene.toll.lines();
    for (answer, times) in &scene.load.known().turned_away {
        let _ = writeln!(text, "  answer   {times:6} × {answer}");
    }
    text += &verdict.summary;
    let _ = write!(text, "  verdict  {}", if verdict.wrong.is_empty() { "exactly once" } else { "WRONG" });
    for wrong in &verdict.wrong {
        let _ = write!(text, "\n           {wrong}");
    }
    text
}
