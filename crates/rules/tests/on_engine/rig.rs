//! What the tests do with the engine that they share.

use std::sync::atomic::{AtomicU64, Ordering};

use jiff::tz::TimeZone;
use serde_json::Value;
use suanpan_event::{AppId, Attribute, Origin, Scalar};
use suanpan_rules::{Answer, Compiled, Context, Rule, RuleLimits, compile};
use suanpan_warehouse::{AskLimits, AskRequest, BatchId, EventRow, SlotValue, testing};
use uuid::Uuid;

use crate::data::Row;

static APPS: AtomicU64 = AtomicU64::new(1);

/// An app with rows, to ask rules about.
pub struct App {
    pub id: AppId,
    pub zone: String,
    pub attributes: Vec<Attribute>,
    pub slot_floor: Option<u32>,
    pub now_ms: i64,
}

impl App {
    /// A new app that holds these rows.
    pub fn new(zone: &str, attributes: &[Attribute], rows: &[Row]) -> Self {
        let number = APPS.fetch_add(1, Ordering::Relaxed);
        let id: AppId = format!("app-{number}").parse().unwrap();
        if !rows.is_empty() {
            let batch =
                BatchId { epoch: number, partition: 0, first: 0, last: rows.len() as u64 - 1, writer: 0 };
            let stored = rows.iter().enumerate().map(|(at, row)| stored(&id, attributes, row, at));
            let stored = stored.collect::<Vec<_>>();
            testing::run(async |warehouse| warehouse.insert_events(batch, &stored).await).unwrap();
        }
        let slot_floor = rows.iter().map(|row| row.slot_map).min();
        Self { id, zone: zone.into(), attributes: attributes.to_vec(), slot_floor, now_ms: 0 }
    }

    pub fn compile(&self, rule: &Rule) -> Compiled {
        let zone = TimeZone::get(&self.zone).unwrap();
        let limits = RuleLimits::default();
        let context = Context {
            app: &self.id,
            zone: &zone,
            zone_name: &self.zone,
            now_ms: self.now_ms,
            attributes: &self.attributes,
            slot_floor: self.slot_floor,
            table: "events",
            limits: &limits,
        };
        compile(rule, &context).unwrap_or_else(|errors| panic!("{errors}\n{}", rule.canonical()))
    }

    /// The rows of a statement.
    pub fn ask(&self, sql: &str, params: &[(String, String)]) -> Vec<Vec<Value>> {
        let request = AskRequest {
            app: self.id.clone(),
            sql: sql.to_owned(),
            params: params.to_vec(),
            limits: AskLimits { time_ms: 60_000, ..AskLimits::default() },
        };
        let table = testing::run(async |warehouse| warehouse.ask(&request).await);
        table.unwrap_or_else(|error| panic!("{error}\n{sql}\n{params:#?}")).rows
    }

    /// Compiles, runs and assembles.
    pub fn answer(&self, rule: &Rule) -> Answer {
        let compiled = self.compile(rule);
        let tables = compiled.statements.iter().map(|s| self.ask(&s.sql, &s.params));
        compiled.assemble(&tables.collect::<Vec<_>>()).unwrap()
    }
}

fn stored<'a>(app: &AppId, attributes: &'a [Attribute], row: &'a Row, at: usize) -> EventRow<'a> {
    let value = |scalar| match scalar {
        Scalar::Text(text) => SlotValue::Text(text),
        Scalar::Number(number) => SlotValue::Number(number),
    };
    EventRow {
        app_id: app.clone(),
        event: row.event.as_str().into(),
        event_time_ms: row.time_ms,
        received_time_ms: row.time_ms,
        client_time_ms: None,
        event_id: Uuid::new_v4(),
        actor_id: row.person.as_str().into(),
        user_id: row.person.as_str().into(),
        device_id: "".into(),
        session_id: "".into(),
        platform: row.platform.as_str().into(),
        app_version: "".into(),
        library: "".into(),
        linked_id: "".into(),
        origin: Origin { country: row.country.as_str().into(), is_bot: row.bot, ..Origin::default() },
        content: row.content.as_str().into(),
        slot_map: row.slot_map,
        log_offset: at as u64,
        slots: row.slots(attributes).map(|(assigned, scalar)| (assigned.slot, value(scalar))).collect(),
    }
}
