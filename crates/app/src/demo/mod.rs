//! The whole path on real events: start a server, report a clickstream through its gateway, wait
//! until every acknowledged event can be asked about, ask three questions cold and cached.

mod questions;
mod setup;
mod show;

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use suanpan_server::ServeError;

use crate::cli::DemoArgs;
use crate::client::Client;
use crate::commands::print;
use crate::config::Config;
use crate::import::{self, ImportOptions, ImportReport, Target};
use crate::secrets;
use crate::serve::{Server, asked_to_stop};

/// The demo's app.
const APP: &str = "demo";
/// How `make` is told.
const OTHER_ADDRESS: &str =
    "the demo can't start; 'make demo DEMO_LISTEN=127.0.0.1:8766' takes another address";
/// How the bar of the wait looks.
const STORING: &str = "  storing  {bar:32} {human_pos} of {human_len} events";
/// Longest wait for the pipeline, far above what it needs.
const STORED_WITHIN: Duration = Duration::from_secs(120);

/// Runs the demo.
///
/// # Errors
/// The server can't start, the data can't be read, or an answer is missing.
pub async fn run(args: &DemoArgs, mut config: Config) -> Result<()> {
    ensure!(
        args.data.is_file(),
        "there is no {}: 'make demo' fetches the clickstream and starts the demo with it",
        args.data.display()
    );
    // Only what goes wrong: the demo itself says what happens.
    "warn".clone_into(&mut config.messages.level);
    crate::commands::speak(&config);
    let metrics = suanpan_server::install_recorder()?;
    let data_dir = config.storage.data_dir.clone();
    let started = Instant::now();
    let server = Server::start(config, metrics).await.map_err(|error| match error.downcast_ref() {
        Some(ServeError::Taken { .. }) => error.context(OTHER_ADDRESS),
        _ => error,
    })?;
    let url = format!("http://{}", server.address()?);
    print(&show::started(&url, started.elapsed()));

    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(server.run(async {
        // A demo that failed drops the sender, which is a reason to stop as well.
        let _sent_or_dropped = stopped.await;
    }));
    let told = tell(args, &url, &data_dir).await;
    if told.is_ok() && !args.once {
        print(show::STAYS_UP);
        asked_to_stop().await;
        print("\nstopping …\n");
    }
    drop(stop);
    serving.await??;
    told
}

async fn tell(args: &DemoArgs, url: &str, data_dir: &std::path::Path) -> Result<()> {
    let client = Client::with_token(url, &secrets::admin_token(data_dir)?)?;
    let keys = setup::prepare(&client, data_dir).await?;
    let before = outcomes(&client).await?;
    let report_started = Instant::now();
    let target = Target { url: url.to_owned(), key: keys.write.clone() };
    let report: ImportReport = import::run(&options(args), &target).await?;
    let reported_in = report_started.elapsed();
    wait_until_stored(&client).await?;
    let stored_in = report_started.elapsed();
    let after = outcomes(&client).await?;
    print(&show::counts(&report, &before, &after, (reported_in, stored_in)));
    let reader = Client::with_token(url, &keys.read)?;
    for question in questions::ALL {
        setup::save(&client, question).await?;
        let (answer, cold) = ask(&reader, question).await?;
        let (_, cached) = ask(&reader, question).await?;
        print(&show::answer(question, &answer, cold, cached));
    }
    print(&show::invitation(url, &keys));
    Ok(())
}

async fn ask(client: &Client, question: &questions::Question) -> Result<(Value, Duration)> {
    let started = Instant::now();
    let answer = client.post_text(&format!("/api/apps/{APP}/ask"), question.rule.to_owned()).await?;
    Ok((answer, started.elapsed()))
}

fn options(args: &DemoArgs) -> ImportOptions {
    ImportOptions::new(args.data.clone(), &[("timestamp", "time")])
}

async fn outcomes(client: &Client) -> Result<Value> {
    client.get(&format!("/api/apps/{APP}/outcomes")).await
}

/// Waits until the pipeline has stored all that was acknowledged, with a bar in a terminal.
async fn wait_until_stored(client: &Client) -> Result<()> {
    let started = Instant::now();
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template(STORING).expect("the template is right: it is ours"));
    let mut committed_before = None;
    loop {
        let status: Value = client.get("/api/status").await?;
        let (end, committed) = (&status["log_end_offset"], &status["committed_offset"]);
        let (Some(end), Some(committed)) = (end.as_u64(), committed.as_u64()) else {
            bail!("the server's status names no offsets: {status}");
        };
        let before = *committed_before.get_or_insert(committed);
        bar.set_length(end.saturating_sub(before));
        bar.set_position(committed.saturating_sub(before));
        if committed >= end {
            bar.finish_and_clear();
            return Ok(());
        }
        ensure!(
            started.elapsed() < STORED_WITHIN,
            "{} acknowledged events still wait after {} s; they are safe in the log",
            end - committed,
            STORED_WITHIN.as_secs()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
