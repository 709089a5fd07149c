use crate::load::{Mix, Times};
use crate::scenario::Scenario;
use crate::scene::Plan;
use crate::strikes::{
    CutInsert, Damage, FillDisk, InFleet, Kill, LateInsert, LoseAnswers, OutlastWindow, StepClock, StopEngine,
};

/// All scenarios, the longest first.
pub fn all() -> Vec<Scenario> {
    vec![
        fleet("fleet_on_one_broker", || Plan::usual().with_fleet(1), (8, 64)),
        fleet("fleet_on_three_brokers", || Plan::usual().with_fleet(3), (0, 40)),
        one_process(),
        inserts_cut(),
        damaged_log(),
        clock_stepped(),
        full_disks(),
        window_outlasted(),
        many_dates(),
    ]
}

/// Gateways, pipelines and the rest apart from each other, on Kafka.
fn fleet(name: &'static str, plan: fn() -> Plan, strikes: (usize, usize)) -> Scenario {
    Scenario {
        name,
        plan,
        faults: vec![
            Box::new(InFleet::KillGateway),
            Box::new(InFleet::KillPipeline),
            Box::new(InFleet::KillBroker),
            Box::new(InFleet::StopPipeline),
            Box::new(InFleet::RestartAll),
            Box::new(LateInsert),
            Box::new(CutInsert::Events),
            Box::new(Kill::OutsideEngine),
        ],
        strikes,
        events_between_max: 2000,
    }
}

/// One process and its engine: killed together, apart, and while they start.
fn one_process() -> Scenario {
    Scenario {
        name: "one_process_and_its_engine_killed",
        plan: Plan::usual,
        faults: vec![
            Box::new(Kill::Tree),
            Box::new(Kill::Server),
            Box::new(Kill::Engine),
            Box::new(Kill::WhileStarting),
            Box::new(LoseAnswers),
            Box::new(StopEngine),
        ],
        strikes: (6, 120),
        events_between_max: 2000,
    }
}

/// The way to ClickHouse fails in the middle of inserts, and so does ClickHouse.
fn inserts_cut() -> Scenario {
    Scenario {
        name: "inserts_cut_on_their_way",
        plan: || Plan::usual().with_outside(),
        faults: vec![
            Box::new(CutInsert::Events),
            Box::new(CutInsert::Ledger),
            Box::new(CutInsert::Beside),
            Box::new(LateInsert),
            Box::new(LoseAnswers),
            Box::new(Kill::Server),
            Box::new(Kill::Outside),
            Box::new(Kill::OutsideEngine),
        ],
        strikes: (8, 72),
        events_between_max: 2000,
    }
}

/// ClickHouse forgets the tokens of inserts whose answer was lost, before the pipeline asks again.
fn window_outlasted() -> Scenario {
    Scenario {
        name: "clickhouse_away_past_its_window",
        plan: || Plan::usual().with_outside(),
        faults: vec![Box::new(OutlastWindow)],
        strikes: (3, 20),
        events_between_max: 1000,
    }
}

/// Batches over so many days that their inserts are many pieces, cut or killed between them.
fn many_dates() -> Scenario {
    let plan = || {
        let mut plan = Plan::usual().with_outside();
        plan.is_outside_in_memory = true;
        plan.mix = Mix { reporters: 2, pause_ms: 300, events_per_request_max: 900, ..Mix::USUAL };
        plan.mix.times = Times::Days(400);
        plan
    };
    Scenario {
        name: "batches_over_400_days",
        plan,
        faults: vec![Box::new(CutInsert::Events), Box::new(Kill::OutsideEngine), Box::new(Kill::Server)],
        strikes: (3, 12),
        events_between_max: 1500,
    }
}

/// The disks of the log and of the engine are full, and have space again.
fn full_disks() -> Scenario {
    let plan = || {
        // To the last byte: what is left free by default is tried elsewhere.
        let small = ["log.segment_bytes_max=1048576", "log.bytes_max=67108864", "log.disk_free_bytes_min=0"];
        let mut plan = Plan::usual().set(&small);
        plan.setup.small_disks = vec![("log", 16), ("engine", 384)];
        plan.mix.padding_bytes = 400;
        plan
    };
    Scenario {
        name: "full_disks",
        plan,
        faults: vec![Box::new(FillDisk::OfLog), Box::new(FillDisk::OfEngine)],
        strikes: (4, 16),
        events_between_max: 1000,
    }
}

/// Files of the log are damaged while nobody runs.
fn damaged_log() -> Scenario {
    let plan = || {
        let mut plan = Plan::usual().set(&["log.segment_bytes_max=1048576"]);
        plan.mix.padding_bytes = 3000;
        plan
    };
    Scenario {
        name: "damaged_log",
        plan,
        faults: vec![
            Box::new(Damage::TornTail),
            Box::new(Damage::FlippedBits),
            Box::new(Damage::FlippedBitsInStored),
            Box::new(Damage::MissingSegment),
        ],
        strikes: (4, 24),
        events_between_max: 400,
    }
}

/// The server's clock is stepped by a day and back.
fn clock_stepped() -> Scenario {
    let plan = || {
        let mut plan = Plan::usual().with_outside();
        plan.mix.times = Times::Said;
        plan.knows_minutes = false;
        plan.has_own_clock = true;
        plan
    };
    Scenario {
        name: "clock_stepped",
        plan,
        faults: vec![Box::new(StepClock)],
        strikes: (4, 20),
        events_between_max: 600,
    }
}
