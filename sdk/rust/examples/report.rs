//! Reports each line of standard input as an event, and prints its id as soon as it is on disk.
//!
//! ```text
//! cargo run -p suanpan-sdk --example report -- http://127.0.0.1:8765 spw_KEY /tmp/report-queue
//! ```
//!
//! Stop it however you like, or the server: what it has printed arrives. The next run in the same folder
//! sends what is left.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

use std::error::Error;
use std::time::Duration;

use suanpan_sdk::{Client, ClientConfig, Event, Receipt};
use tokio::sync::mpsc;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [host, key, folder] = arguments.as_slice() else {
        return Err("say HOST KEY FOLDER".into());
    };
    report(host, key, folder).await
}

/// Reports all lines.
pub async fn report(host: &str, key: &str, folder: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
    let client = Client::open(ClientConfig::new(host, key, folder))?;
    let (receipts, mut tracked) = mpsc::channel::<(Receipt, String)>(1000);
    let reader = client.clone();
    let reading = tokio::task::spawn_blocking(move || {
        for line in std::io::stdin().lines() {
            let line = line?;
            let event = Event::new("line").device("report-example").property("text", line.as_str());
            receipts.blocking_send((reader.track(event)?, line))?;
        }
        Ok::<_, Box<dyn Error + Send + Sync>>(())
    });
    while let Some((receipt, line)) = tracked.recv().await {
        println!("{} {line}", receipt.on_disk().await?);
    }
    reading.await??;
    client.shutdown(Duration::from_secs(30)).await?;
    eprintln!("{:?}", client.counts());
    Ok(())
}
