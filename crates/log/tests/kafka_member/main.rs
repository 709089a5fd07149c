//! A process that reads a partition is stopped (SIGSTOP), goes on when another has taken over, or is killed.
//! The process is this program itself, called with the word `member`.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a test's result")]

mod process;

use std::time::Duration;

use libtest_mimic::{Arguments, Trial};
use nix::sys::signal::Signal;
use suanpan_log::{EventLog, KafkaConfig, KafkaLog, PartitionReader, Subscription};
use suanpan_parts::Kafka;

use process::Process;

/// Long enough to be met by nothing but a stop.
const SESSION_MS: u64 = 3_000;
const LIMIT: Duration = Duration::from_secs(60);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, role, brokers, name] = arguments.as_slice()
        && role == process::MEMBER
    {
        process::member(config(brokers, name));
        return;
    }
    let trials = vec![
        Trial::test("a_stopped_process_loses_its_partition_and_learns_it", || {
            run(a_stopped_process_loses_its_partition_and_learns_it());
            Ok(())
        }),
        Trial::test("what_a_killed_process_decided_is_known_to_the_next", || {
            run(what_a_killed_process_decided_is_known_to_the_next());
            Ok(())
        }),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(test);
}

fn config(brokers: &str, name: &str) -> KafkaConfig {
    KafkaConfig {
        brokers: brokers.to_owned(),
        topic: format!("events-{name}"),
        group: format!("group-{name}"),
        partitions: 1,
        replication: 1,
        in_sync_min: 1,
        session_timeout_ms: SESSION_MS,
        ..KafkaConfig::default()
    }
}

/// A log of ten records, and the process that was given its partition and has decided the first six.
async fn decided() -> (KafkaLog, Process) {
    let name = format!("{:016x}", rand::random::<u64>());
    let brokers = Kafka::shared().bootstrap();
    let log = KafkaLog::open(config(&brokers, &name)).await.unwrap();
    let mut batch = log.batch();
    (0..10).for_each(|number: u64| batch.push(0, number.to_string().as_bytes()));
    log.append(batch).await.unwrap();
    let mut member = Process::start(&brokers, &name);
    assert_eq!(member.line(), "given None");
    assert_eq!(member.ask("decide 0 6"), "Ok(())");
    (log, member)
}

async fn given(log: &KafkaLog) -> (Box<dyn Subscription>, Box<dyn PartitionReader>) {
    let mut subscription = log.subscribe().await.unwrap();
    let reader =
        tokio::time::timeout(LIMIT, subscription.next()).await.expect("the partition is given").unwrap();
    (subscription, reader)
}

async fn a_stopped_process_loses_its_partition_and_learns_it() {
    let (log, mut member) = decided().await;
    member.signal(Signal::SIGSTOP);
    let (subscription, mut reader) = given(&log).await;
    assert_eq!(reader.decided(), Some(0..6), "the same batch is made again");
    reader.commit(6).await.unwrap();
    reader.decide(6..9).await.unwrap();

    member.signal(Signal::SIGCONT);
    for question in ["commit 6", "decide 0 6", "commit 6"] {
        let answer = member.ask(question);
        assert!(answer.contains("Revoked"), "{question}: {answer}");
    }
    let position = reader.position().await.unwrap();
    assert_eq!(position.committed, 6, "nothing of it was taken");
    reader.commit(9).await.unwrap();
    // It is a member like any other again: when this one leaves, it is given the partition, as it was left.
    drop((reader, subscription));
    log.close().await;
    assert_eq!(member.ask("drop"), "dropped");
    assert_eq!(member.line(), "given None");
    assert_eq!(member.ask("commit 10"), "Ok(())");
}

async fn what_a_killed_process_decided_is_known_to_the_next() {
    let (log, mut member) = decided().await;
    assert_eq!(member.ask("commit 2"), "Ok(())");
    assert_eq!(member.ask("decide 2 5"), "Ok(())");
    member.kill();
    let (subscription, reader) = given(&log).await;
    assert_eq!(reader.decided(), Some(2..5));
    assert_eq!(reader.position().await.unwrap().committed, 2);
    drop((reader, subscription));
    log.close().await;
}
