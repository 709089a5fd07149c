use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::print;
use crate::cli::AuditArgs;
use crate::client::{Client, segment};
use crate::table::{number, printable};

/// Bytes of a line that an audit may have.
const LINE_BYTES_MAX: usize = 1 << 20;
const SUMS: [&str; 9] =
    ["received", "refused", "accepted", "stored", "duplicate", "rejected", "lost", "removed", "in_log"];

/// `suanpan audit`: says what differs, and ends with 1 if something does.
pub async fn run(args: AuditArgs) -> Result<ExitCode> {
    let client = Client::new(&args.remote)?;
    let mut response = client.stream(&path(&args)).await?;
    let bar = ProgressBar::new(0);
    bar.set_style(
        ProgressStyle::with_template("{bar:32} {pos} of {len}  {msg}").expect("the template is right"),
    );
    let mut waiting: Vec<u8> = Vec::new();
    let mut summary = None;
    while let Some(bytes) = response.chunk().await.context("the audit broke off")? {
        waiting.extend_from_slice(&bytes);
        while let Some(end) = waiting.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = waiting.drain(..=end).collect();
            let told: Value =
                serde_json::from_slice(&line).context("the audit said something else than expected")?;
            if args.json {
                print(&format!("{told}\n"));
            }
            match told["kind"].as_str() {
                Some("summary") => summary = Some(told),
                Some("failed") => bail!("the audit was not carried to its end: {}", text(&told["message"])),
                Some("progress") => show_progress(&bar, &told),
                Some(kind) if !args.json => {
                    bar.suspend(|| print(&format!("{kind}: {}\n", text(&told["message"]))))
                }
                _ => {}
            }
        }
        if waiting.len() > LINE_BYTES_MAX {
            bail!("what answers there is no audit: it sends one line without an end");
        }
    }
    bar.finish_and_clear();
    let summary = summary.context("the audit broke off before its end")?;
    if !args.json {
        print(&shown(&summary));
    }
    Ok(if summary["differences"] == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn show_progress(bar: &ProgressBar, told: &Value) {
    bar.set_length(told["of"].as_u64().unwrap_or_default());
    bar.set_position(told["done"].as_u64().unwrap_or_default());
    bar.set_message(text(&told["step"]));
}

fn shown(summary: &Value) -> String {
    let amount = |name: &str| number(summary[name].as_f64().unwrap_or_default());
    let [received, refused, accepted, stored, duplicate, rejected, lost, removed, in_log] = SUMS.map(amount);
    let mut shown = format!(
        "received {received} = refused {refused} + accepted {accepted}\n\
         accepted {accepted} = stored {stored} + duplicate {duplicate} + rejected {rejected} + lost {lost}\n\
         of those stored, {removed} were removed since; {in_log} more are in the log and not counted yet\n"
    );
    if let Some(records) = summary["records"].as_u64().filter(|records| *records > 0) {
        shown.push_str(&format!("{} records of the log were compared one by one\n", number(records as f64)));
    }
    match summary["differences"].as_u64() {
        Some(0) => shown.push_str("no differences\n"),
        _ => shown.push_str(&format!("{} differences\n", amount("differences"))),
    }
    shown
}

fn text(value: &Value) -> String {
    printable(value.as_str().unwrap_or_default().to_owned())
}

fn path(args: &AuditArgs) -> String {
    let wishes = [("from", &args.from), ("to", &args.to), ("app", &args.app)];
    let wishes = wishes.into_iter().filter_map(|(name, wish)| Some((name, wish.clone()?)));
    let pairs = wishes.chain([("log", (!args.no_log).to_string())]);
    let pairs: Vec<String> = pairs.map(|(name, value)| format!("{name}={}", segment(&value))).collect();
    format!("/api/audit?{}", pairs.join("&"))
}
