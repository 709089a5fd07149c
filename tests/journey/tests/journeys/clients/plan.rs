//! What each driver is told to report.

use serde_json::{Map, Value, json};
use suanpan_journey::{HOUR_MS, MINUTE_MS, now_ms};

use super::client::{Call, Client, Family, People, Values};

/// Texts that encodings go wrong with.
const TEXTS: [&str; 12] = [
    "加入购物车",
    "👩‍👩‍👧‍👦 家庭 🛒🇨🇳",
    "עברית \u{202e}العربية\u{202c}",
    "\"quoted\" \\ back\tslash\nnew line",
    "&amp;+%20=?#;<script>'--",
    "𠮷野家で𩸽",
    "e\u{301} é ß ǅ",
    "\u{200b}\u{feff}zero width",
    "",
    " both ends ",
    "null",
    "\u{ffff}\u{10ffff}",
];
/// Names of events; the first three are also names in programming languages.
const NAMES: [&str; 6] =
    ["order_paid", "view_item", "$custom", "加入购物车", "Order Paid 🛒", "a.b/c:d?e=f&g"];
const PLAIN_NAMES: usize = 3;
const PEOPLE: usize = 17;

/// One call on a client.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Its number, by which what arrives is told apart.
    pub n: usize,
    /// What is called.
    pub call: Call,
    /// The event's, page's, group's or item's name; the second id of an alias of one person.
    pub name: String,
    /// The known person.
    pub user: Option<String>,
    /// The device.
    pub device: Option<String>,
    /// When it happens, for clients that can be told.
    pub time_ms: i64,
    /// What is said of it.
    pub properties: Map<String, Value>,
}

/// The device of clients that have one person.
pub const DEVICE: &str = "d-设备-9";
/// That person.
pub const PERSON: &str = "u-登录-9";

/// The calls for a client.
pub fn planned(client: &Client, times: usize) -> Vec<Planned> {
    let start = now_ms() - 72 * HOUR_MS;
    (0..(client.events * times).min(client.events_max))
        .map(|n| {
            let call = call_of(client, n);
            let (user, device) = people(client, n, call);
            // About two days, at odd milliseconds.
            let time_ms = start + i64::try_from(n).expect("few") * (2 * MINUTE_MS + 777) % (48 * HOUR_MS);
            let properties = properties(client, n, call);
            Planned { n, call, name: name(client, n, call), user, device, time_ms, properties }
        })
        .collect()
}

/// Half of the calls are the first, the others come in turn.
fn call_of(client: &Client, n: usize) -> Call {
    let others = client.calls.len() - 1;
    if n.is_multiple_of(2) || others == 0 { client.calls[0] } else { client.calls[1 + (n / 2) % others] }
}

fn people(client: &Client, n: usize, call: Call) -> (Option<String>, Option<String>) {
    let own = |letter: &str| Some(format!("{letter}-人-{}", n % PEOPLE));
    // Their number is in the id, since they can say no other.
    let numbered = matches!(call, Call::Alias | Call::Delete);
    match client.people {
        People::Own => ((n >= client.events / 2).then(|| PERSON.to_owned()), Some(DEVICE.to_owned())),
        People::Visitor => (None, None),
        _ if numbered => (Some(format!("n_{n}")), Some(format!("d-{n}"))),
        People::OneIdOfDevice => (own("u"), None),
        _ if matches!(call, Call::Identify | Call::Group) => (own("u"), own("d")),
        _ => match n % 3 {
            0 => (own("u"), own("d")),
            1 => (own("u"), None),
            _ => (None, own("d")),
        },
    }
}

fn name(client: &Client, n: usize, call: Call) -> String {
    let plain = matches!(client.family, Family::Sensors | Family::Snowplow);
    match call {
        Call::Group | Call::ItemSet => format!("group-{}", n % 5),
        Call::Alias => format!("d-{n}"),
        // Vendors' own names begin with a dollar sign; `$custom` is none of theirs.
        _ if plain => ["pay_order", "view_item", "加入"][..PLAIN_NAMES - 1][n % 2].to_owned(),
        _ => NAMES[n % NAMES.len()].to_owned(),
    }
}

fn properties(client: &Client, n: usize, call: Call) -> Map<String, Value> {
    let number = format!("n_{n}");
    let only = |value: Value| Map::from_iter([(number.clone(), value)]);
    match (client.family, call) {
        (_, Call::Alias | Call::Delete) => Map::new(),
        (_, Call::Increment) => only(json!(n + 1)),
        (Family::Mixpanel | Family::Amplitude, Call::Append) => only(json!("标签")),
        (_, Call::Append) => only(json!(["标签"])),
        (_, Call::Unset) => only(json!("")),
        (Family::Snowplow | Family::Umami | Family::Plausible, Call::Page) => object(json!({
            "url": format!("https://shop.example/路/{n}?n={n}&utm_source=mail"),
            "referrer": "https://search.example/",
        })),
        (Family::Snowplow, Call::Screen) => object(json!({ "id": number })),
        (Family::Snowplow, Call::Struct) => {
            object(json!({ "action": "play", "label": number, "property": "影片", "value": 19.5 }))
        }
        // Its client leaves nested attributes of people out.
        (Family::Amplitude, Call::Identify | Call::SetOnce) => values(Values::FlatJavaScript, n),
        _ => values(client.values, n),
    }
}

fn values(values: Values, n: usize) -> Map<String, Value> {
    let text = TEXTS[n % TEXTS.len()];
    let mut fields = object(json!({
        "n": n,
        "title": text,
        "price": 19.9,
        "share": 1.0e-7,
        "whole": -17,
        "safe": 9_007_199_254_740_991_i64,
        "when": "2026-11-22T10:00:00.123Z",
        "tags": ["a", "标签", text],
    }));
    let mut add = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    if matches!(values, Values::FlatExact | Values::FlatJavaScript) {
        // Their clients want names as in programming languages, and no empty text in a list.
        add("tags", json!(["a", "标签"]));
    } else {
        add("标题", json!(TEXTS[(n + 1) % TEXTS.len()]));
        add("huge", json!(1.5e300));
        add("items", json!([{ "sku": text, "n": n, "deep": { "er": [[1, 2.5], []] } }, {}]));
    }
    add("ok", json!(n.is_multiple_of(2)));
    if matches!(values, Values::Exact | Values::JavaScript) {
        add("nothing", json!({ "at_all": null }));
    }
    if matches!(values, Values::Exact | Values::ExactButNull | Values::FlatExact) {
        add("big", json!(9_007_199_254_740_993_u64 + n as u64 * 2));
        add("biggest", json!(u64::MAX));
    }
    fields
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => unreachable!("it is written as an object"),
    }
}

impl Planned {
    /// As the driver reads it.
    pub fn told(&self) -> Value {
        json!({
            "n": self.n,
            "call": self.call.word(),
            "name": self.name,
            "user": self.user,
            "device": self.device,
            "time_ms": self.time_ms,
            "properties": self.properties,
        })
    }
}

impl Call {
    /// The word that drivers know.
    pub fn word(self) -> &'static str {
        match self {
            Self::Track => "track",
            Self::Page => "page",
            Self::Screen => "screen",
            Self::Identify => "identify",
            Self::Group => "group",
            Self::Alias => "alias",
            Self::SetOnce => "set_once",
            Self::Increment => "increment",
            Self::Append => "append",
            Self::Unset => "unset",
            Self::Delete => "delete",
            Self::ItemSet => "item_set",
            Self::Struct => "struct",
        }
    }
}
