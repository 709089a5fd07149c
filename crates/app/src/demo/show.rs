use std::time::Duration;

use serde_json::Value;

use super::APP;
use super::questions::Question;
use super::setup::Keys;
use crate::commands::group;
use crate::import::ImportReport;
use crate::table::{Table, bar, number, sparkline};

/// What is said when the demo does not end by itself.
pub const STAYS_UP: &str =
    "\nSuanpan stays up. Ctrl-C ends it; the next 'make demo' goes on where this one ended.\n";

/// The server is up.
pub fn started(url: &str, took: Duration) -> String {
    format!("\nSuanpan 算盘 listens on {url}, {:.1} s after its start.\n\n", took.as_secs_f64())
}

/// What became of the events that were reported.
pub fn counts(report: &ImportReport, before: &Value, after: &Value, took: (Duration, Duration)) -> String {
    let (reported_in, stored_in) = took;
    let outcome = |name: &str| (sum(after, name) - sum(before, name)).to_string();
    let mut table = Table::new(["", "#events"]);
    table.row(["accepted".to_owned(), grouped(report.accepted)]);
    for name in ["stored", "duplicate"] {
        table.row([format!("  {name}"), grouped(outcome(name))]);
    }
    table.row(["rejected".to_owned(), grouped(report.rejected)]);
    // Counts of the demo are far below 2^53.
    let rate = report.accepted as f64 / stored_in.as_secs_f64();
    format!(
        "Reported through the gateway, each acknowledged only when on disk:\n\n{}\n  \
         acknowledged in {:.2} s, all of it ready to be asked about after {:.2} s: {} events/s\n",
        table.render(2),
        reported_in.as_secs_f64(),
        stored_in.as_secs_f64(),
        number(rate.round()),
    )
}

/// One answer, cold and cached.
pub fn answer(question: &Question, answer: &Value, cold: Duration, cached: Duration) -> String {
    let body = match question.name {
        "daily-active-people" => daily(answer),
        "revenue-path-by-channel" => by_group(answer, 3),
        _ => by_group(answer, 0),
    };
    format!(
        "\n{}\n\n{}\n  cold {:.1} ms, cached {:.2} ms (over HTTP); {} rows read\n",
        question.title,
        body,
        cold.as_secs_f64() * 1e3,
        cached.as_secs_f64() * 1e3,
        number(answer["rows_read"].as_f64().unwrap_or_default()),
    )
}

/// How to go on.
pub fn invitation(url: &str, keys: &Keys) -> String {
    let rule = r#"{"version":1,"kind":"trend","measures":[{"measure":"events","event":"hello"}],"range":{"last":1,"unit":"day"}}"#;
    format!(
        "\nNow you. Report an event of your own:\n\n  \
         curl {url}/v1/events -H 'Authorization: Bearer {}' -H 'Content-Type: application/json' \
         -d '{{\"event\":\"hello\",\"user_id\":\"me\",\"properties\":{{\"mood\":\"curious\"}}}}'\n\n\
         Ask about it, a moment later:\n\n  \
         curl {url}/api/apps/{APP}/ask -H 'Authorization: Bearer {}' -H 'Content-Type: application/json' -d '{rule}'\n\n\
         URL {url}   write key {}\n",
        keys.write, keys.read, keys.write,
    )
}

/// Days as a line of bars: one cell for every three days.
fn daily(answer: &Value) -> String {
    const DAYS_A_CELL: usize = 3;
    let mut table = Table::new(["platform", "#people", "#a day", "#most", "on", "every third day"]);
    let label = |day: usize| answer["buckets"][day]["label"].as_str().unwrap_or_default().to_owned();
    for series in answer["series"].as_array().into_iter().flatten() {
        let days: Vec<f64> =
            series["points"][0].as_array().into_iter().flatten().map(|p| p.as_f64().unwrap_or(0.0)).collect();
        let most = days.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or_default();
        // A few hundred days convert exactly.
        let mean = days.iter().sum::<f64>() / days.len().max(1) as f64;
        let cells: Vec<f64> = days.chunks(DAYS_A_CELL).map(|c| c.iter().sum::<f64>()).collect();
        let total = series["total"][0].as_f64().unwrap_or_default();
        let name = group(series, 1).join(" ");
        table.row([
            name,
            number(total),
            format!("{mean:.1}"),
            number(most.1),
            label(most.0),
            sparkline(&cells),
        ]);
    }
    table.render(2)
}

/// Groups with their measures, and a bar for one of them.
fn by_group(answer: &Value, barred: usize) -> String {
    let names = |field: &str| -> Vec<String> {
        answer[field].as_array().into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect()
    };
    let (breakdown, measures) = (names("breakdown"), names("measures"));
    let heads = measures.iter().map(|m| format!("#{m}"));
    let mut table = Table::new(breakdown.iter().cloned().chain(heads).chain([String::new()]));
    let series: Vec<&Value> = answer["series"].as_array().into_iter().flatten().collect();
    let value = |series: &Value, measure: usize| series["total"][measure].as_f64();
    let max = series.iter().filter_map(|s| value(s, barred)).fold(0.0, f64::max);
    for one in series {
        let values = (0..measures.len()).map(|m| value(one, m).map_or_else(|| "–".to_owned(), number));
        let drawn = bar(value(one, barred).unwrap_or(0.0), max, 24);
        table.row(group(one, breakdown.len()).into_iter().chain(values).chain([drawn]));
    }
    table.render(2)
}

fn sum(outcomes: &Value, name: &str) -> u64 {
    let rows = outcomes["outcomes"].as_array().into_iter().flatten();
    rows.filter(|row| row["outcome"] == name).filter_map(|row| row["events"].as_u64()).sum()
}

fn grouped(count: impl ToString) -> String {
    let text = count.to_string();
    text.parse::<f64>().map_or(text, number)
}
