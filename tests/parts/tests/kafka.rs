//! Brokers start, die and come back.

use std::net::TcpStream;

use suanpan_parts::Kafka;

#[test]
fn a_broker_is_killed_and_comes_back_on_its_port() {
    let kafka = Kafka::start(1);
    let at = kafka.bootstrap();
    assert!(TcpStream::connect(&at).is_ok());
    kafka.kill(1);
    assert!(TcpStream::connect(&at).is_err());
    kafka.restart(1);
    assert!(TcpStream::connect(&at).is_ok());
    let data = kafka.data_dir(1);
    assert!(data.is_dir());
    drop(kafka);
    assert!(!data.exists());
    assert!(TcpStream::connect(&at).is_err());
}
