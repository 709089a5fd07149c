use std::collections::BTreeMap;
use std::fmt::Write as _;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use suanpan_journey::{App, Outside, Relay, Reply, Server, Setup, eventually};

use crate::clock::Clock;
use crate::fleet::Fleet;
use crate::load::{Load, Mix};

/// What a run stands on.
#[derive(Debug, Clone)]
pub struct Plan {
    pub setup: Setup,
    /// Whether ClickHouse runs by itself, behind a relay, rather than as the server's child.
    pub has_outside: bool,
    /// Whether that one's tables are in memory, where syncing many small files costs little.
    pub is_outside_in_memory: bool,
    pub mix: Mix,
    /// Whether clients know the minute in which the server received their events.
    pub knows_minutes: bool,
    /// Whether the server runs by a clock that can be stepped.
    pub has_own_clock: bool,
    /// How many Kafka brokers there are, where the work is done by a fleet of processes.
    pub brokers: Option<u8>,
}

impl Plan {
    /// Everything in one process and its child, with the usual events.
    pub fn usual() -> Self {
        let setup = Setup { is_apart: true, ..Setup::default() };
        Self {
            setup,
            has_outside: false,
            is_outside_in_memory: false,
            mix: Mix::USUAL,
            knows_minutes: true,
            has_own_clock: false,
            brokers: None,
        }
    }

    pub fn with_outside(self) -> Self {
        Self { has_outside: true, ..self }
    }

    /// Several processes, each with a part of the work, on so many Kafka brokers.
    pub fn with_fleet(self, brokers: u8) -> Self {
        Self { brokers: Some(brokers), ..self.with_outside() }
    }

    pub fn set(mut self, settings: &[&str]) -> Self {
        self.setup.settings.extend(settings.iter().map(ToString::to_string));
        self
    }
}

/// A running installation, its clients, and what was done to it so far.
pub struct Scene {
    /// The one process; in a fleet the one that is asked and managed.
    pub server: Server,
    /// The other processes, if there are any.
    pub fleet: Option<Fleet>,
    /// The server's own clock, where it has one.
    pub clock: Option<Clock>,
    /// A ClickHouse of its own, where there is one.
    pub outside: Option<Outside>,
    /// What stands between the clients and the server.
    pub way: Relay,
    pub load: Load,
    pub rng: StdRng,
    pub plan: Plan,
    pub toll: Toll,
}

/// How often what was done.
#[derive(Debug, Default)]
pub struct Toll {
    kills: BTreeMap<&'static str, u64>,
    faults: BTreeMap<&'static str, u64>,
}

impl Scene {
    /// Starts everything, and lets clients report.
    pub async fn begin(mut plan: Plan, seed: u64) -> Self {
        let outside =
            if plan.has_outside { Some(Outside::start(plan.is_outside_in_memory).await) } else { None };
        let mut rng = StdRng::seed_from_u64(seed);
        let fleet = match (&outside, plan.brokers) {
            (Some(outside), Some(brokers)) => {
                let fleet = Fleet::start(brokers, outside, &plan.setup.settings, &mut rng).await;
                plan.setup = fleet.setup("answers,server,watch");
                Some(fleet)
            }
            (Some(outside), None) => {
                plan.setup.settings.extend(outside.settings());
                None
            }
            (None, _) => None,
        };
        let clock = if plan.has_own_clock { Some(Clock::make().await) } else { None };
        if let Some(clock) = &clock {
            plan.setup.environment.extend(clock.environment());
        }
        let server = Server::start_as(plan.setup.clone()).await;
        let calls = server.calls();
        let mut apps = Vec::new();
        for _ in 0..plan.mix.apps {
            let app = App::create(&calls).await;
            app.define("n", "string").await;
            apps.push(app.importing().await);
        }
        for gateway in fleet.iter().flat_map(|fleet| &fleet.gateways) {
            knows_keys(gateway, &apps).await;
        }
        let way = Relay::to(String::new()).await;
        let load = Load::start(format!("http://{}", way.address()), apps, plan.mix, seed);
        let toll = Toll::default();
        let scene = Self { server, fleet, clock, outside, way, load, rng, plan, toll };
        scene.clients_find_it();
        scene
    }

    /// Starts the server again after it was killed or stopped; clients find it.
    pub async fn start_again(&mut self) {
        self.server.start_again().await;
        self.clients_find_it();
    }

    /// Shows clients where those listen that take their reports.
    pub fn clients_find_it(&self) {
        let gateways =
            self.fleet.as_ref().map_or(std::slice::from_ref(&self.server), |fleet| &fleet.gateways);
        self.way.move_to(&gateways.iter().map(host_and_port).collect::<Vec<_>>());
    }

    /// Waits until all that is acknowledged is stored, while nobody reports.
    pub async fn all_is_stored(&self) {
        let _paused = self.load.pause().await;
        self.server.settle().await;
    }

    /// The ClickHouse that runs by itself.
    ///
    /// # Panics
    /// There is none.
    pub fn outside(&mut self) -> &mut Outside {
        self.outside.as_mut().expect("the plan has a ClickHouse that runs by itself")
    }
}

/// Waits until a process knows the apps' keys, which another one made.
async fn knows_keys(gateway: &Server, apps: &[App]) {
    for app in apps {
        eventually("a new key is known everywhere", 30, async || {
            let nothing =
                gateway.calls().request(reqwest::Method::POST, "/v1/events").json(&serde_json::json!([]));
            let reply = Reply::try_of(nothing.bearer_auth(&app.write_key)).await.ok()?;
            (reply.status == 200).then_some(())
        })
        .await;
    }
}

fn host_and_port(server: &Server) -> String {
    server.calls().url().trim_start_matches("http://").to_owned()
}

impl Toll {
    /// Counts a kill -9.
    pub fn killed(&mut self, what: &'static str) {
        *self.kills.entry(what).or_default() += 1;
    }

    /// Counts another fault.
    pub fn did(&mut self, what: &'static str, times: u64) {
        *self.faults.entry(what).or_default() += times;
    }

    pub fn kills(&self) -> u64 {
        self.kills.values().sum()
    }

    /// One line for each kind.
    pub fn lines(&self) -> String {
        let mut lines = String::new();
        for (kind, counts) in [("kill -9", &self.kills), ("fault", &self.faults)] {
            for (what, times) in counts {
                let _ = writeln!(lines, "  {kind:8} {times:6} × {what}");
            }
        }
        lines
    }
}
