//! A server starts, stops and comes back.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a test's result")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use suanpan_parts::Postgres;

/// The port, out of `postgres://user:password@127.0.0.1:port/database`.
fn address(postgres: &Postgres) -> String {
    let url = postgres.url();
    url.split(['@', '/']).nth(3).unwrap().to_owned()
}

/// Whether it answers the question for encryption, the first of its protocol, within a second.
fn answers(at: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(at) else { return false };
    stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    stream.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).unwrap();
    stream.read(&mut [0]).is_ok_and(|bytes| bytes == 1)
}

#[test]
fn a_server_is_paused_and_killed_and_comes_back_on_its_port() {
    let postgres = Postgres::start();
    let at = address(&postgres);
    assert!(answers(&at));
    postgres.pause();
    assert!(!answers(&at));
    postgres.resume();
    assert!(answers(&at));
    postgres.kill();
    assert!(!answers(&at));
    postgres.restart();
    assert!(answers(&at));
    drop(postgres);
    assert!(!answers(&at));
}
