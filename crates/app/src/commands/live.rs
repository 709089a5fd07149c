use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::{Result, bail};
use jiff::tz::TimeZone;
use serde_json::Value;

use super::apps::cell;
use super::print;
use crate::cli::LiveArgs;
use crate::client::{Client, Refused, segment};
use crate::table::printable;

/// The pause before the server is looked for again.
const PAUSE: Duration = Duration::from_secs(2);
/// Bytes of one message; the server's are far shorter.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// `suanpan live`
pub async fn run(args: LiveArgs) -> Result<()> {
    let client = Client::new(&args.remote)?;
    let path = path(&args);
    let show = Show {
        is_json: args.json,
        has_colours: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        zone: TimeZone::system(),
    };
    // That the server is there, and lets us watch, is told at once; later it may come and go.
    let mut response = client.stream(&path).await?;
    loop {
        follow(&mut response, &show).await?;
        eprintln!("the server has stopped; waiting for it to come back (Ctrl-C ends)");
        response = loop {
            tokio::time::sleep(PAUSE).await;
            match client.stream(&path).await {
                Ok(response) => break response,
                Err(error) if is_for_good(&error) => return Err(error),
                Err(_away_or_starting) => {}
            }
        };
    }
}

/// Whether trying again can't help: the key or the app is gone.
fn is_for_good(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Refused>().is_some_and(|refused| matches!(refused.status, 401..=404))
}

fn path(args: &LiveArgs) -> String {
    let mut path = format!("/api/apps/{}/live", segment(&args.app));
    let statuses = args.errors.then(|| "rejected,warning".to_owned());
    let is_debug = args.debug.then(|| "true".to_owned());
    let wishes = [
        ("event", &args.event),
        ("person", &args.person),
        ("device", &args.device),
        ("status", &statuses),
        ("debug", &is_debug),
    ];
    let mut mark = '?';
    for (name, wish) in wishes {
        if let Some(wish) = wish {
            path.push_str(&format!("{mark}{name}={}", segment(wish)));
            mark = '&';
        }
    }
    path
}

/// Prints what is told until the stream ends.
async fn follow(response: &mut reqwest::Response, show: &Show) -> Result<()> {
    let mut waiting = Vec::new();
    while let Ok(Some(bytes)) = response.chunk().await {
        waiting.extend_from_slice(&bytes);
        while let Some(end) = waiting.windows(2).position(|window| window == b"\n\n") {
            let message: Vec<u8> = waiting.drain(..end + 2).collect();
            show.message(&String::from_utf8_lossy(&message));
        }
        if waiting.len() > MESSAGE_BYTES_MAX {
            bail!("what answers there is no live view: it sends one message without an end");
        }
    }
    Ok(())
}

struct Show {
    is_json: bool,
    has_colours: bool,
    zone: TimeZone,
}

impl Show {
    fn message(&self, message: &str) {
        let line = |name: &str| message.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let (Some(kind), Some(data)) = (line("event:"), line("data:")) else { return };
        let data: Value = serde_json::from_str(data).unwrap_or_default();
        match kind {
            "ready" => eprintln!("watching; events are shown as they arrive (Ctrl-C ends)"),
            "missed" => eprintln!("… {} events came too fast to be shown", data["missed"]),
            "event" if self.is_json => print(&format!("{data}\n")),
            "event" => print(&self.event(&data)),
            _ => {}
        }
    }

    /// One line, and one more for each thing that is wrong.
    fn event(&self, event: &Value) -> String {
        let received = jiff::Timestamp::from_millisecond(event["received_ms"].as_i64().unwrap_or(0));
        let received = received.unwrap_or_default().to_zoned(self.zone.clone());
        let status = event["status"].as_str().unwrap_or_default();
        let colour = match status {
            "ok" => "32",
            "warning" => "33",
            "duplicate" => "34",
            _ => "31",
        };
        let status = self.coloured(&format!("{:<9}", printable(status.to_owned())), colour);
        let mut parts = vec![received.strftime("%H:%M:%S%.3f").to_string(), status];
        for (field, mark) in [("event", ""), ("user_id", "user "), ("device_id", "device "), ("library", "")]
        {
            let text = printable(cell(&event[field]));
            if !text.is_empty() {
                parts.push(if field == "event" {
                    self.coloured(&text, "1")
                } else {
                    format!("{mark}{text}")
                });
            }
        }
        for (flag, word) in [("is_debug", "(debug)"), ("is_dry_run", "(dry run: not stored)")] {
            if event[flag] == true {
                parts.push(word.to_owned());
            }
        }
        let shown = if event["properties"].is_null() { &event["excerpt"] } else { &event["properties"] };
        parts.push(printable(cell(shown)));
        let mut text = format!("{}\n", parts.join("  ").trim_end());
        let own = event["code"].is_string().then_some(event);
        for what in own.into_iter().chain(event["notes"].as_array().into_iter().flatten()) {
            text.push_str(&fault(what));
        }
        text
    }

    fn coloured(&self, text: &str, colour: &str) -> String {
        if self.has_colours { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// What is wrong or odd, and what can be done about it.
fn fault(what: &Value) -> String {
    let [code, field, message, expected, got, hint] =
        ["code", "field", "message", "expected", "got", "hint"].map(|name| printable(cell(&what[name])));
    let mut text = format!("              {code}");
    if !field.is_empty() {
        text.push_str(&format!(" in {field}"));
    }
    text.push_str(&format!(": {message}"));
    if !expected.is_empty() {
        text.push_str(&format!("; expected {expected}, got {got}"));
    }
    if !hint.is_empty() {
        text.push_str(&format!("\n              → {hint}"));
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_a_line_and_its_faults_are_more() {
        let show = Show { is_json: false, has_colours: false, zone: TimeZone::UTC };
        let fine = json!({ "received_ms": 1_772_366_400_123_i64, "status": "ok", "event": "买单",
                           "user_id": "a\u{1b}[31mnn", "properties": { "price": 12.5 } });
        assert_eq!(
            show.event(&fine),
            "12:00:00.123  ok         买单  user a\\u{1b}[31mnn  {\"price\":12.5}\n"
        );
        let wrong = json!({ "received_ms": 0, "status": "rejected", "code": "missing", "field": "event",
                            "message": "every event needs a name", "hint": "name it", "excerpt": "{…" });
        assert_eq!(
            show.event(&wrong),
            "00:00:00.000  rejected   {…\n              missing in event: every event needs a name\n              → name it\n"
        );
    }
}
