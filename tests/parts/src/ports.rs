use std::net::{Ipv4Addr, TcpListener};

use rand::RngExt as _;

/// Below the ports that systems give to outgoing connections, so that none of those takes one while a
/// component is down.
const FROM: u16 = 18_000;
const TO: u16 = 32_000;
const TRIES: usize = 200;

/// So many ports of 127.0.0.1 on which nothing listens now. Another process may be quicker to take one:
/// who starts something there tries again with others.
///
/// # Panics
/// They can't be found.
pub fn free_ports<const N: usize>() -> [u16; N] {
    let mut held: Vec<TcpListener> = Vec::new();
    let mut random = rand::rng();
    for _ in 0..TRIES {
        if held.len() == N {
            break;
        }
        held.extend(TcpListener::bind((Ipv4Addr::LOCALHOST, random.random_range(FROM..TO))));
    }
    assert_eq!(held.len(), N, "no free ports on 127.0.0.1 between {FROM} and {TO}");
    std::array::from_fn(|at| held[at].local_addr().expect("a listener has an address").port())
}
