/// A question of the demo.
pub struct Question {
    /// The rule's name.
    pub name: &'static str,
    /// What it asks, for people.
    pub title: &'static str,
    /// The rule.
    pub rule: &'static str,
}

/// The three questions, over the months of the clickstream.
pub const ALL: &[Question] = &[
    Question {
        name: "daily-active-people",
        title: "Daily active people by platform",
        rule: r#"{
  "version": 1, "kind": "trend",
  "measures": [{ "name": "people", "measure": "people" }],
  "breakdown": ["platform"],
  "interval": "day",
  "range": { "from": "2024-01-01", "to": "2024-06-30" }
}"#,
    },
    Question {
        name: "revenue-path-by-channel",
        title: "Revenue-path events by acquisition channel",
        rule: r#"{
  "version": 1, "kind": "trend",
  "measures": [
    { "name": "add to cart", "measure": "events", "event": "add_to_cart" },
    { "name": "shipping", "measure": "events", "event": "shipping_details" },
    { "name": "payment", "measure": "events", "event": "payment_details" },
    { "name": "purchase", "measure": "events", "event": "purchase" },
    { "name": "buyers", "measure": "people", "event": "purchase" }
  ],
  "breakdown": ["acquisition_channel"],
  "range": { "from": "2024-01-01", "to": "2024-06-30" }
}"#,
    },
    Question {
        name: "top-events",
        title: "Top events",
        rule: r#"{
  "version": 1, "kind": "trend",
  "measures": [
    { "name": "events", "measure": "events" },
    { "name": "people", "measure": "people" },
    { "name": "per person", "measure": "events_per_person" }
  ],
  "breakdown": ["event"], "top": 10,
  "range": { "from": "2024-01-01", "to": "2024-06-30" }
}"#,
    },
];
