//! What is in the store afterwards, against what was reported.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use suanpan_journey::Store;

use super::client::{AfterFaults, Call, Client, Dates, Family, People, Program};
use super::plan::{DEVICE, PERSON, Planned};
use super::run::Ran;

/// Faults that are named; the others are counted.
const FAULTS_SHOWN: usize = 8;
/// How far a time that the client takes may lie outside of its run: clocks are read in another order.
const SLACK_MS: i64 = 2000;

/// An event in the store.
#[derive(Debug)]
pub struct Row {
    event: String,
    time_ms: i64,
    user_id: String,
    device_id: String,
    content: Map<String, Value>,
}

/// The rows of an app.
pub async fn rows(store: &Store, app: &str) -> Vec<Row> {
    let sql = format!(
        "SELECT event, toUnixTimestamp64Milli(event_time), user_id, device_id, content \
         FROM events_local WHERE app_id = '{app}' ORDER BY event_time, log_offset FORMAT JSONCompactEachRow \
         SETTINGS output_format_json_quote_64bit_integers = 0"
    );
    store.query(&sql).await.lines().map(row).collect()
}

fn row(line: &str) -> Row {
    let (event, time_ms, user_id, device_id, content): (String, i64, String, String, String) =
        serde_json::from_str(line).expect("five columns");
    let content =
        serde_json::from_str(&content).unwrap_or_else(|_| panic!("content is an object: {content}"));
    Row { event, time_ms, user_id, device_id, content }
}

/// What is wrong with what has arrived.
///
/// # Errors
/// A sentence for each of the first faults.
pub fn check(client: &Client, planned: &[Planned], ran: &Ran, rows: &[Row]) -> Result<(), String> {
    let mut faults = Vec::new();
    let mut found: BTreeMap<usize, Vec<&Row>> = BTreeMap::new();
    let mut quick_starts = 0;
    for row in rows {
        match number(row) {
            Some(n) if n < planned.len() => found.entry(n).or_default().push(row),
            _ if is_quick_start(client, row) => quick_starts += 1,
            _ if client.extras.contains(&&*row.event) => {}
            _ => faults.push(format!("nobody reported {row:?}")),
        }
    }
    let keeps = !ran.is_faulty || matches!(client.after_faults, AfterFaults::Keeps(_));
    if quick_starts > 1 || (keeps && quick_starts == 0) {
        faults.push(format!("the quick start's event arrived {quick_starts} times"));
    }
    for event in planned {
        let arrived = found.get(&event.n).map_or(&[][..], Vec::as_slice);
        let is_due = keeps || ran.accepted.contains(&event.n);
        match arrived {
            [] if is_due => faults.push(format!("{:?} {} never arrived", event.call, event.n)),
            [] => {}
            [row] => faults.extend(difference(client, event, row, ran)),
            [row, ..] => {
                faults.push(format!("{:?} {} arrived {} times: {row:?}", event.call, event.n, arrived.len()))
            }
        }
    }
    if ran.is_faulty && matches!(client.after_faults, AfterFaults::Forgets(_)) {
        let arrived = u64::try_from(rows.len()).expect("few");
        if arrived != ran.passed_on {
            faults.push(format!("{} requests were passed on, and {arrived} events arrived", ran.passed_on));
        }
    }
    if ran.is_faulty && ran.faults < 2 {
        faults.push(format!("only {} faults were met in {} requests", ran.faults, ran.requests));
    }
    if faults.is_empty() {
        return Ok(());
    }
    let more = faults.len().saturating_sub(FAULTS_SHOWN);
    faults.truncate(FAULTS_SHOWN);
    Err(format!("{}\n… and {more} more\n{}", faults.join("\n"), ran.said))
}

/// The number of the call that a row comes from: it is among the values, in a name, or in an id.
fn number(row: &Row) -> Option<usize> {
    let direct = |fields: &Map<String, Value>| usize::try_from(fields.get("n")?.as_u64()?).ok();
    let named = |text: &str| text.strip_prefix("n_")?.parse().ok();
    let of_page = |name: &str| {
        let (_, number) = row.content.get(name)?.as_str()?.split_once("?n=")?;
        number.split('&').next()?.parse().ok()
    };
    let nested =
        row.content.iter().filter(|(name, _)| name.starts_with('$')).find_map(|(_, value)| match value {
            Value::Object(fields) => direct(fields).or_else(|| fields.keys().find_map(|name| named(name))),
            Value::Array(names) => names.iter().filter_map(Value::as_str).find_map(named),
            _ => None,
        });
    let texts = || row.content.values().filter_map(Value::as_str).find_map(named);
    direct(&row.content)
        .or(nested)
        .or_else(|| of_page("$page_url"))
        .or_else(|| named(&row.user_id))
        .or_else(|| named(&row.device_id))
        .or_else(texts)
}

fn is_quick_start(client: &Client, row: &Row) -> bool {
    let person = match client.people {
        People::Own => row.user_id.is_empty() && !row.device_id.is_empty(),
        People::Visitor => row.user_id.is_empty() && !row.device_id.is_empty(),
        People::OneIdOfDevice => row.device_id == "u-17",
        _ => row.user_id == "u-17",
    };
    row.event == "order_paid" && row.content.get("amount") == Some(&json!(19.9)) && person
}

fn difference(client: &Client, event: &Planned, row: &Row, ran: &Ran) -> Option<String> {
    let mut differences = Vec::new();
    let mut differ = |what: &str, found: &dyn std::fmt::Debug, wanted: &dyn std::fmt::Debug| {
        differences.push(format!("{what} is {found:?} instead of {wanted:?}"));
    };
    let (name, properties) = expected(client, event);
    if row.event != name {
        differ("the name", &row.event, &name);
    }
    if client.times_itself.contains(&event.call) {
        let run = ran.started_ms - SLACK_MS..=ran.ended_ms + SLACK_MS;
        if !run.contains(&row.time_ms) {
            differ("the time", &row.time_ms, &run);
        }
    } else if row.time_ms != event.time_ms {
        differ("the time", &row.time_ms, &event.time_ms);
    }
    let (mut user_id, device_id) = person(client, event);
    if ran.is_faulty && client.people == People::Own && client.family == Family::Segment {
        // What waits to be sent again when somebody logs in becomes that person's.
        user_id = user_id.filter(|id| !id.is_empty());
    }
    if user_id.as_ref().is_some_and(|id| *id != row.user_id) {
        differ("the person", &row.user_id, &user_id);
    }
    if device_id.as_ref().is_some_and(|id| *id != row.device_id) {
        differ("the device", &row.device_id, &device_id);
    }
    for (name, wanted) in &properties {
        let found = row.content.get(name);
        if !found.is_some_and(|found| is_same(client, name, found, wanted)) {
            differ(&format!("property {name}"), &found, wanted);
        }
    }
    (!differences.is_empty())
        .then(|| format!("{:?} {} ({}): {}", event.call, event.n, row.event, differences.join("; ")))
}

/// The event's name and the properties that it has at least.
pub fn expected(client: &Client, event: &Planned) -> (&'static str, Map<String, Value>) {
    let own = || event.properties.clone();
    let within = |operator: &str| Map::from_iter([(operator.to_owned(), Value::Object(own()))]);
    let names = || Value::Array(event.properties.keys().map(|name| json!(name)).collect());
    let unset = || Map::from_iter([("$unset".to_owned(), names())]);
    let with = |more: Value| {
        let mut properties = own();
        properties.extend(more.as_object().expect("an object").clone());
        properties
    };
    // Where attributes of people are events of their own, they are called so.
    let profiles = matches!(client.family, Family::Sensors | Family::Mixpanel);
    let called = |name: &'static str| if profiles { name } else { "$identify" };
    match (client.family, event.call) {
        (_, Call::Track) => (leak(&event.name), own()),
        (Family::Segment, Call::Page) => ("$pageview", with(json!({ "$page_name": event.name }))),
        (Family::Segment, Call::Screen) => ("$screen", with(json!({ "$screen_name": event.name }))),
        (Family::Segment, Call::Group) => (
            "$group",
            Map::from_iter([
                ("$group_key".to_owned(), json!(event.name)),
                ("$group_set".to_owned(), Value::Object(own())),
            ]),
        ),
        (Family::PostHog | Family::Mixpanel, Call::Group) => (
            "$group",
            Map::from_iter([
                ("$group_type".to_owned(), json!("company")),
                ("$group_key".to_owned(), json!(event.name)),
                ("$group_set".to_owned(), Value::Object(own())),
            ]),
        ),
        (Family::PostHog, Call::Page) => {
            let mut properties = with(json!({ "name": event.name }));
            if client.program == Program::Page {
                // In its place stands the page's own.
                properties.remove("title");
            }
            ("$pageview", properties)
        }
        (Family::PostHog, Call::Screen) => ("$screen", with(json!({ "name": event.name }))),
        (Family::Snowplow | Family::Umami | Family::Plausible, Call::Page) => {
            ("$pageview", page(client, event))
        }
        (Family::Snowplow, Call::Screen) => ("$screen", own()),
        (_, Call::Page) => ("$pageview", own()),
        (_, Call::Screen) => ("$screen", own()),
        (_, Call::Group) => ("$group", own()),
        (_, Call::Struct) => ("play", Map::new()),
        (Family::Sensors, Call::Alias) => ("$identify", Map::new()),
        (_, Call::Alias) => ("$alias", Map::new()),
        (_, Call::Identify) => (called("$profile_set"), within("$set")),
        (_, Call::SetOnce) => (called("$profile_set_once"), within("$set_once")),
        (_, Call::Increment) => (called("$profile_increment"), within("$add")),
        (_, Call::Append) => (called("$profile_append"), within("$append")),
        (_, Call::Unset) => (called("$profile_unset"), unset()),
        (_, Call::Delete) => ("$profile_delete", Map::from_iter([("$delete".to_owned(), json!(true))])),
        (_, Call::ItemSet) => ("$item_set", within("$item")),
    }
}

fn page(client: &Client, event: &Planned) -> Map<String, Value> {
    let (url, referrer) = (&event.properties["url"], &event.properties["referrer"]);
    let mut properties = Map::from_iter([
        ("$page_url".to_owned(), url.clone()),
        ("$page_referrer".to_owned(), referrer.clone()),
        ("$utm_source".to_owned(), json!("mail")),
    ]);
    if client.family != Family::Plausible {
        properties.insert("$page_title".to_owned(), json!(event.name));
    }
    properties
}

/// Names of events are few, and tests are short.
fn leak(name: &str) -> &'static str {
    Box::leak(name.to_owned().into_boxed_str())
}

/// The person and the device; none where any will do.
fn person(client: &Client, event: &Planned) -> (Option<String>, Option<String>) {
    let (user, device) = (event.user.clone(), event.device.clone());
    let none = || Some(String::new());
    match client.people {
        People::Both if event.call == Call::Alias => (user, None),
        People::Both => (user.or_else(none), device.or_else(none)),
        // A group is of nobody for some of them.
        People::OneId if event.call == Call::Group => (None, None),
        People::OneId => (user.or(device), None),
        People::OneIdOfEither if event.call == Call::ItemSet => (none(), none()),
        People::OneIdOfEither if user.is_some() => (user, None),
        People::OneIdOfEither => (none(), device),
        People::OneIdOfDevice if event.call == Call::Alias => (user, None),
        People::OneIdOfDevice => (None, user),
        People::Own => {
            let knows_device = client.family != Family::PostHog;
            (user.map(|_| PERSON.to_owned()).or_else(none), knows_device.then(|| DEVICE.to_owned()))
        }
        People::Visitor => (none(), None),
    }
}

/// Whether a value is what it was: numbers to the last digit, dates as their client writes them.
fn is_same(client: &Client, name: &str, found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::String(found), Value::String(wanted)) if name == "when" => {
            found == wanted || instant(client.dates, found) == wanted.parse::<Timestamp>().ok()
        }
        (Value::Number(found), Value::Number(wanted)) => {
            found == wanted || (is_float(found) || is_float(wanted)) && found.as_f64() == wanted.as_f64()
        }
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len() && found.iter().zip(wanted).all(|(f, w)| is_same(client, "", f, w))
        }
        // Clients add fields of their own to what they set.
        (Value::Object(found), Value::Object(wanted)) => wanted
            .iter()
            .all(|(name, wanted)| found.get(name).is_some_and(|found| is_same(client, name, found, wanted))),
        _ => found == wanted,
    }
}

fn is_float(number: &serde_json::Number) -> bool {
    number.is_f64()
}

fn instant(dates: Dates, text: &str) -> Option<Timestamp> {
    let clock = || text.parse::<DateTime>().ok();
    let at = |zone: TimeZone| Some(clock()?.to_zoned(zone).ok()?.timestamp());
    match dates {
        Dates::Instant => text.parse().ok(),
        Dates::ShanghaiClock => at(TimeZone::get("Asia/Shanghai").ok()?),
        Dates::UtcClock => at(TimeZone::UTC),
        // What it drops is the fraction of the planned date.
        Dates::UtcClockSeconds => Some(at(TimeZone::UTC)? + jiff::SignedDuration::from_millis(123)),
    }
}
