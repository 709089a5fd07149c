//! What is known of a person, and how it is deleted from where it stands beside the events.

use serde::{Deserialize, Serialize};
use suanpan_event::AppId;
use uuid::Uuid;

use crate::error::{Result, WarehouseError};
use crate::lookup::Lookup;
use crate::removal::{LogEnd, REMOVAL_IDS_MAX, before, one_hashed_of, one_of};
use crate::warehouse::Warehouse;

/// Names of events that a person's summary lists.
const EVENTS_MAX: usize = 1_000;
/// Refused events that one statement deletes.
const DEAD_AT_ONCE: usize = 5_000;
/// How often the dead letter is looked through again for more.
const DEAD_ROUNDS_MAX: usize = 10_000;
/// How far links are followed from the id that was given.
const LINK_STEPS_MAX: usize = 10;

/// How many events of a name a person has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonEvents {
    /// The name.
    pub event: String,
    /// How many.
    pub events: u64,
    /// The first one's time, in milliseconds since 1970-01-01 UTC.
    pub first_ms: i64,
    /// The last one's.
    pub last_ms: i64,
}

/// Whose data: ids of one person of an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The app.
    pub app: AppId,
    /// 1 to [`REMOVAL_IDS_MAX`] ids.
    pub ids: Vec<String>,
}

impl Person {
    fn lookup(&self, sql: String) -> Lookup {
        Lookup::new(sql).text("app", self.app.as_str()).texts("ids", self.ids.iter().map(String::as_str))
    }

    /// The ids as they stand in texts of JSON, with their quotes.
    fn quoted_ids(&self) -> Vec<String> {
        self.ids.iter().map(|id| serde_json::to_string(id).expect("a text is JSON")).collect()
    }
}

impl Warehouse {
    /// The ids that links join to an id, the id itself first: those of the links from and to it, and with
    /// `all` also those that are joined to these, in at most ten steps and up to [`REMOVAL_IDS_MAX`] ids.
    ///
    /// # Errors
    /// ClickHouse does not answer, or there are more ids.
    pub async fn linked_ids(&self, app: &AppId, id: &str, all: bool) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Row {
            id: String,
        }
        let mut known = vec![id.to_owned()];
        for _ in 0..if all { LINK_STEPS_MAX } else { 1 } {
            let sql = format!(
                "SELECT DISTINCT arrayJoin([from_id, to_id]) AS id FROM {} WHERE app_id = {{app:String}} AND {} \
                 ORDER BY id LIMIT {}",
                self.table("identity_links"),
                one_of(&["from_id", "to_id"]),
                REMOVAL_IDS_MAX + 1,
            );
            let person = Person { app: app.clone(), ids: known.clone() };
            let found: Vec<Row> = self.look_up(person.lookup(sql)).await?;
            let before = known.len();
            for Row { id } in found {
                if !known.contains(&id) {
                    known.push(id);
                }
            }
            if known.len() > REMOVAL_IDS_MAX {
                let message = format!(
                    "more than {REMOVAL_IDS_MAX} ids are joined by links: is one of them no person's?"
                );
                return Err(WarehouseError::BatchInvalid { message });
            }
            if known.len() == before {
                break;
            }
        }
        Ok(known)
    }

    /// A person's events by name, the most frequent first; at most 1,000 names.
    ///
    /// # Errors
    /// ClickHouse does not answer.
    pub async fn person_events(&self, person: &Person) -> Result<Vec<PersonEvents>> {
        let sql = format!(
            "SELECT toString(t.event) AS event, count() AS events, toUnixTimestamp64Milli(min(event_time)) AS first_ms, \
             toUnixTimestamp64Milli(max(event_time)) AS last_ms FROM {} AS t \
             WHERE app_id = {{app:String}} AND {} GROUP BY event ORDER BY events DESC, event LIMIT {EVENTS_MAX}",
            self.table("events"),
            one_of(&["user_id", "device_id", "actor_id", "linked_id"]),
        );
        self.look_up(person.lookup(sql)).await
    }

    /// The devices that a person's events came from, the busiest first, but for those that are among the ids; at most
    /// [`REMOVAL_IDS_MAX`]. A device may be another person's too.
    ///
    /// # Errors
    /// ClickHouse does not answer.
    pub async fn person_devices(&self, person: &Person) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Row {
            device: String,
        }
        let sql = format!(
            "SELECT device_id AS device FROM {} WHERE app_id = {{app:String}} AND {} AND device_id != '' \
             AND NOT has({{ids:Array(String)}}, device_id) GROUP BY device ORDER BY count() DESC, device \
             LIMIT {REMOVAL_IDS_MAX}",
            self.table("events"),
            one_of(&["user_id", "actor_id", "linked_id"]),
        );
        let rows: Vec<Row> = self.look_up(person.lookup(sql)).await?;
        Ok(rows.into_iter().map(|row| row.device).collect())
    }

    /// How many refused events of a person are kept.
    ///
    /// # Errors
    /// ClickHouse does not answer.
    pub async fn person_dead(&self, person: &Person) -> Result<u64> {
        let sql = format!(
            "SELECT uniqExact(id) AS number FROM {} WHERE app_id = {{app:String}} AND {}",
            self.table("dead_letter"),
            dead_of_person(),
        );
        let quoted = person.quoted_ids();
        self.one_number(person.lookup(sql).texts("quoted", quoted.iter().map(String::as_str))).await
    }

    /// How many links join a person's ids to others.
    ///
    /// # Errors
    /// ClickHouse does not answer.
    pub async fn person_links(&self, person: &Person) -> Result<u64> {
        let sql = format!(
            "SELECT uniqExact(from_id, to_id) AS number FROM {} WHERE app_id = {{app:String}} AND {}",
            self.table("identity_links"),
            one_of(&["from_id", "to_id"]),
        );
        self.one_number(person.lookup(sql)).await
    }

    /// Empties the sample values of the attributes of all events that a person has: they may be the person's.
    /// Must be done before the events go.
    ///
    /// # Errors
    /// As of [`Self::remove`].
    pub async fn forget_samples(&self, person: &Person, job: u64) -> Result<()> {
        let events = self.person_events(person).await?;
        if events.is_empty() {
            return Ok(());
        }
        // Beyond the names that are listed, all of the app's.
        let of_events =
            if events.len() < EVENTS_MAX { " AND has({events:Array(String)}, event)" } else { "" };
        let change =
            format!("UPDATE samples = [] WHERE app_id = '{}' AND notEmpty(samples){of_events}", person.app);
        let values = Lookup::default().texts("events", events.iter().map(|row| row.event.as_str()));
        self.mutate("learnt", &change, values, &format!("samples {job}")).await
    }

    /// Deletes a person's refused events that the log had given by then; returns how many went now.
    ///
    /// Those are meant that name one of the ids as user or device, and those of which neither could be read but
    /// whose text holds one of the ids as a JSON text.
    ///
    /// # Errors
    /// As of [`Self::remove`].
    pub async fn delete_dead(&self, person: &Person, ends: &[LogEnd], job: u64) -> Result<u64> {
        #[derive(Deserialize)]
        struct Row {
            id: Uuid,
        }
        let quoted = person.quoted_ids();
        let mut gone = 0;
        for round in 0..DEAD_ROUNDS_MAX {
            self.settle("dead_letter").await?;
            let sql = format!(
                "SELECT DISTINCT id FROM {} WHERE app_id = {{app:String}} AND {}{} ORDER BY id LIMIT {DEAD_AT_ONCE}",
                self.table("dead_letter"),
                dead_of_person(),
                before(ends),
            );
            let lookup = person.lookup(sql).texts("quoted", quoted.iter().map(String::as_str));
            let found: Vec<Row> = self.look_up(lookup).await?;
            if found.is_empty() {
                break;
            }
            gone += found.len() as u64;
            let ids: Vec<String> = found.iter().map(|row| row.id.to_string()).collect();
            let values = Lookup::default().texts("ids", ids.iter().map(String::as_str));
            let change = format!("DELETE WHERE app_id = '{}' AND id IN {{ids:Array(UUID)}}", person.app);
            self.mutate("dead_letter", &change, values, &format!("dead {job} {round}")).await?;
        }
        Ok(gone)
    }

    /// Deletes the links from and to a person's ids; returns how many there were.
    ///
    /// # Errors
    /// As of [`Self::remove`].
    pub async fn delete_links(&self, person: &Person, job: u64) -> Result<u64> {
        let links = self.person_links(person).await?;
        if links > 0 {
            let hashes = self.hashes(&person.ids).await?;
            let values = Lookup::default().texts("ids", hashes.iter().map(String::as_str));
            let change = format!(
                "DELETE WHERE app_id = '{}' AND {}",
                person.app,
                one_hashed_of(&["from_id", "to_id"])
            );
            self.mutate("identity_links", &change, values, &format!("links {job}")).await?;
        }
        Ok(links)
    }
}

/// A refused event that is a person's, as far as that can be told.
fn dead_of_person() -> String {
    format!(
        "({} OR (user_id = '' AND device_id = '' AND \
         arrayExists(quoted -> position(raw, quoted) > 0, {{quoted:Array(String)}})))",
        one_of(&["user_id", "device_id"])
    )
}
