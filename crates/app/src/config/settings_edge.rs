//! The settings of the edge: where things are kept, the HTTP server, reporting, watching.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use suanpan_gateway::{PlaceLanguage, ProxyHeader};

use suanpan_warehouse::Secret;

use super::setting::{Kind, Setting, choice, number, optional, whole_number};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;
const PROXY_HEADERS: &[&str] = &["any", "x-forwarded-for", "forwarded", "x-real-ip"];
const GEO_LANGUAGES: &[&str] = &["en", "zh"];

pub(super) const EDGE: &[Setting] = &[
    Setting {
        key: "serve.roles",
        doc: "What this process does, of gateway, pipeline, answers, server and watch, separated by commas. \
              Several processes need `log.kind` kafka, `catalog.url` and `warehouse.url` or `warehouse.shards`.",
        unit: "roles",
        kind: Kind::Text,
        get: |config| config.roles.to_string(),
        set: |config, text| {
            config.roles = text.parse()?;
            Ok(())
        },
    },
    Setting {
        key: "storage.data_dir",
        doc: "Folder of everything that must survive: log, catalog, engine, admin token.",
        unit: "path",
        kind: Kind::Text,
        get: |config| config.storage.data_dir.display().to_string(),
        set: |config, text| {
            ensure!(!text.is_empty(), "the data folder must not be empty");
            config.storage.data_dir = PathBuf::from(text);
            Ok(())
        },
    },
    Setting {
        key: "storage.admin_token",
        doc: "The admin token of all processes together; empty makes one and keeps it in the data folder.",
        unit: "",
        kind: Kind::Secret,
        get: |_| String::new(),
        set: |config, text| {
            ensure!(text.is_empty() || text.len() >= 32, "it must have 32 characters at least");
            config.storage.admin_token = optional(text).map(Secret::new);
            Ok(())
        },
    },
    Setting {
        key: "server.listen",
        doc: "Address and port of the HTTP server; port 0 takes a free one.",
        unit: "address",
        kind: Kind::Text,
        get: |config| config.server.listen.clone(),
        set: |config, text| {
            config.server.listen = text.to_owned();
            Ok(())
        },
    },
    number!(
        "server.header_timeout_ms",
        server.header_timeout_ms,
        "ms",
        100,
        600_000,
        "Time a client may take to send a request's head."
    ),
    number!(
        "server.connections_max",
        server.connections_max,
        "connections",
        1,
        1_000_000,
        "Connections at once; more wait to be accepted."
    ),
    number!(
        "server.shutdown_timeout_ms",
        server.shutdown_timeout_ms,
        "ms",
        0,
        600_000,
        "Time that running requests get to finish at a graceful stop."
    ),
    number!(
        "server.api_body_bytes_max",
        server.api_body_bytes_max,
        "bytes",
        KIB,
        64 * MIB,
        "A request body under `/api`."
    ),
    number!(
        "gateway.body_bytes_max",
        gateway.body_bytes_max,
        "bytes",
        KIB,
        64 * MIB,
        "A report's body as it comes over the wire."
    ),
    number!(
        "gateway.unpacked_bytes_max",
        gateway.unpacked_bytes_max,
        "bytes",
        KIB,
        256 * MIB,
        "A report's body after unpacking gzip."
    ),
    number!(
        "gateway.events_per_request_max",
        gateway.events_per_request_max,
        "events",
        1,
        100_000,
        "Events of one report."
    ),
    number!(
        "gateway.inflight_bytes_max",
        gateway.inflight_bytes_max,
        "bytes",
        MIB,
        64 * GIB,
        "Memory for reports being read at once, at least twice `body_bytes_max` and `unpacked_bytes_max` together; over it reports get 503."
    ),
    number!(
        "gateway.body_timeout_ms",
        gateway.body_timeout_ms,
        "ms",
        100,
        600_000,
        "Time a client may take to send its body."
    ),
    number!(
        "gateway.event_bytes_max",
        gateway.event.event_bytes_max,
        "bytes",
        256,
        192 * KIB,
        "One event's JSON text."
    ),
    number!(
        "gateway.properties_max",
        gateway.event.properties_max,
        "properties",
        0,
        10_000,
        "Properties of one event."
    ),
    number!(
        "gateway.depth_max",
        gateway.event.depth_max,
        "levels",
        1,
        64,
        "Nesting of an event's properties; the properties object is the first level."
    ),
    number!(
        "gateway.name_chars_max",
        gateway.event.name_chars_max,
        "characters",
        1,
        1024,
        "An event's or a property's name."
    ),
    number!(
        "gateway.id_chars_max",
        gateway.event.id_chars_max,
        "characters",
        36,
        1024,
        "An id, and the other short texts of an event."
    ),
    number!(
        "gateway.late_days_max",
        gateway.event.late_days_max,
        "days",
        1,
        3650,
        "How old an event may be, unless its key may report old ones."
    ),
    number!(
        "gateway.future_minutes_max",
        gateway.event.future_minutes_max,
        "minutes",
        0,
        1440,
        "How far ahead an event's time may lie."
    ),
    number!(
        "gateway.clock_skew_minutes_max",
        gateway.event.clock_skew_minutes_max,
        "minutes",
        1,
        10_000,
        "How far a client's clock (`sent_at`) may be off before times are corrected."
    ),
    Setting {
        key: "gateway.trusted_proxies",
        doc: "Proxies in front of the server whose word on a client's address is taken: networks such as `10.0.0.0/8`, or addresses, separated by commas.",
        unit: "networks",
        kind: Kind::Text,
        get: |config| config.origins.trusted_proxies.to_string(),
        set: |config, text| {
            config.origins.trusted_proxies = text.parse().map_err(anyhow::Error::msg)?;
            Ok(())
        },
    },
    Setting {
        key: "gateway.proxy_header",
        doc: "The header in which they tell it; `any` takes the first that is there of the others. Name the one that your proxy sets: a client can forge those that it passes on.",
        unit: "",
        kind: Kind::Choice(PROXY_HEADERS),
        get: |config| config.origins.proxy_header.name().to_owned(),
        set: |config, text| {
            let name = choice(text, PROXY_HEADERS)?;
            let found = ProxyHeader::ALL.iter().find(|(known, _)| *known == name);
            config.origins.proxy_header = found.map(|(_, header)| *header).unwrap_or_default();
            Ok(())
        },
    },
    Setting {
        key: "gateway.geo_file",
        doc: "A file in MaxMind's format (`.mmdb`) with the countries or cities of addresses, held in memory and read again when it was replaced; empty leaves events without a place.",
        unit: "path",
        kind: Kind::Text,
        get: |config| config.origins.geo_file.display().to_string(),
        set: |config, text| {
            config.origins.geo_file = PathBuf::from(text);
            Ok(())
        },
    },
    Setting {
        key: "gateway.geo_language",
        doc: "Language of the places' names, where the file has it; else English.",
        unit: "",
        kind: Kind::Choice(GEO_LANGUAGES),
        get: |config| config.origins.geo_language.name().to_owned(),
        set: |config, text| {
            let name = choice(text, GEO_LANGUAGES)?;
            let found = PlaceLanguage::ALL.iter().find(|(known, _)| *known == name);
            config.origins.geo_language = found.map(|(_, language)| *language).unwrap_or_default();
            Ok(())
        },
    },
    number!(
        "live.listeners_per_app_max",
        live.listeners_per_app_max,
        "listeners",
        1,
        1_000,
        "Who watches the arriving events of one app at once."
    ),
    number!(
        "live.listeners_max",
        live.listeners_max,
        "listeners",
        1,
        1_000,
        "Who watches arriving events at once, of all apps."
    ),
    number!(
        "live.events_waiting_max",
        live.events_waiting_max,
        "events",
        1,
        10_000,
        "Events kept for one who reads slower than they come; more are missed and counted."
    ),
];
