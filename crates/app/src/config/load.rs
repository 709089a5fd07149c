use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use super::setting::Setting;
use super::settings::settings;
use super::{Config, LogKind};
use crate::roles::{Role, Roles};

/// Where values come from, besides the defaults.
#[derive(Debug, Default)]
pub struct Sources {
    /// The TOML file, if one was named.
    pub file: Option<PathBuf>,
    /// `--set key=value`, in order.
    pub overrides: Vec<String>,
}

/// Reads the configuration: defaults, then file, then environment, then overrides.
///
/// # Errors
/// An unknown key (with the nearest known one), a value of the wrong type or outside its limits,
/// or an unreadable file, always with the place it stands in; or values that do not fit together.
pub fn load(sources: &Sources, environment: impl Iterator<Item = (String, String)>) -> Result<Config> {
    let mut config = Config::default();
    if let Some(path) = &sources.file {
        apply_file(&mut config, path)?;
    }
    for (name, value) in environment {
        apply_variable(&mut config, &name, &value)?;
    }
    for given in &sources.overrides {
        let Some((key, value)) = given.split_once('=') else {
            bail!("--set {given:?}: write it as --set key=value");
        };
        apply(&mut config, key.trim(), value.trim()).with_context(|| format!("--set {key}"))?;
    }
    fit_together(&config)?;
    Ok(config)
}

/// Settings that bound each other, whichever sources they came from.
fn fit_together(config: &Config) -> Result<()> {
    let gateway = &config.gateway;
    // The most that the gateway reserves for one report: its body and its records, packed and unpacked.
    let one_report = 2 * gateway.body_bytes_max + 2 * gateway.unpacked_bytes_max;
    ensure!(
        gateway.inflight_bytes_max >= one_report,
        "gateway.inflight_bytes_max is {}, too little for one report: it must be at least {one_report}, twice \
         the sum of gateway.body_bytes_max and gateway.unpacked_bytes_max",
        gateway.inflight_bytes_max
    );
    roles_fit(config)
}

/// A process that does a part of the work shares log and warehouse with others.
fn roles_fit(config: &Config) -> Result<()> {
    let roles = config.roles;
    let has_both = roles.has(Role::Gateway) && roles.has(Role::Pipeline);
    ensure!(
        config.log_kind == LogKind::Kafka || !roles.need_log() || has_both,
        "serve.roles is {roles}, but the embedded log belongs to one process: take both gateway and pipeline, or \
         set log.kind to kafka"
    );
    let has_own_engine = config.warehouse.clickhouse_url.is_none() && config.warehouse.cluster.is_none();
    ensure!(
        !has_own_engine || roles == Roles::ALL || !roles.need_warehouse(),
        "serve.roles is {roles}, and an engine of its own serves one process alone: set warehouse.url or \
         warehouse.shards to the ClickHouse that all processes share"
    );
    Ok(())
}

fn apply_file(config: &mut Config, path: &Path) -> Result<()> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("can't read the configuration file {shown}"))?;
    let table: toml::Table = text.parse().with_context(|| format!("{shown} is no TOML"))?;
    let mut values = Vec::new();
    flatten("", &table, &mut values);
    for (key, value) in values {
        apply(config, &key, &value).with_context(|| format!("in {shown}"))?;
    }
    Ok(())
}

fn flatten(prefix: &str, table: &toml::Table, values: &mut Vec<(String, String)>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            toml::Value::Table(inner) => flatten(&key, inner, values),
            toml::Value::String(text) => values.push((key, text.clone())),
            other => values.push((key, other.to_string())),
        }
    }
}

/// A variable `SUANPAN_GATEWAY_BODY_BYTES_MAX` sets `gateway.body_bytes_max`. Variables that
/// start with a section's name must name a setting; others (such as `SUANPAN_CACHE`) are not ours,
/// nor are those that Kubernetes sets for a Service with a name such as `suanpan-gateway`.
fn apply_variable(config: &mut Config, name: &str, value: &str) -> Result<()> {
    let Some(rest) = name.strip_prefix("SUANPAN_") else { return Ok(()) };
    let wanted = rest.to_ascii_lowercase();
    if let Some(setting) = settings().find(|s| s.variable() == name) {
        return (setting.set)(config, value).with_context(|| format!("in the environment: {name}"));
    }
    let is_of = |section: &str| {
        wanted.strip_prefix(section).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
    };
    if settings().any(|s| is_of(s.section())) && !tells_of_a_service(name, value) {
        let known = settings().map(Setting::variable);
        bail!("unknown variable {name} in the environment{}", nearest(name, known));
    }
    Ok(())
}

/// Whether Kubernetes set this variable, to tell every container of a Service's address. Source:
/// Kubernetes documentation, "Service", "Environment variables"; the older ones are of Docker's links.
fn tells_of_a_service(name: &str, value: &str) -> bool {
    const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];
    let is_url = PROTOCOLS.iter().any(|p| value.starts_with(&format!("{}://", p.to_ascii_lowercase())));
    // …_PORT_8765_TCP, and the same with _ADDR, _PORT or _PROTO.
    let names_a_port = name.match_indices("_PORT_").any(|(at, found)| {
        let mut rest = name[at + found.len()..].split('_');
        rest.next().is_some_and(|number| number.parse::<u16>().is_ok())
            && rest.next().is_some_and(|protocol| PROTOCOLS.contains(&protocol))
    });
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || (name.ends_with("_PORT") && is_url)
        || names_a_port
}

fn apply(config: &mut Config, key: &str, value: &str) -> Result<()> {
    match settings().find(|s| s.key == key) {
        Some(setting) => (setting.set)(config, value).with_context(|| key.to_owned()),
        None => bail!("unknown key {key:?}{}", nearest(key, settings().map(|s| s.key.to_owned()))),
    }
}

fn nearest(given: &str, known: impl Iterator<Item = String>) -> String {
    known
        .map(|name| (strsim::jaro_winkler(given, &name), name))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(likeness, _)| *likeness > 0.7)
        .map(|(_, name)| format!("; did you mean {name:?}?"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_file(text: &str) -> Result<Config> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("suanpan.toml");
        std::fs::write(&path, text).unwrap();
        load(&Sources { file: Some(path), overrides: Vec::new() }, std::iter::empty())
    }

    fn message(result: Result<Config>) -> String {
        format!("{:#}", result.unwrap_err())
    }

    #[test]
    fn later_sources_win() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("suanpan.toml");
        std::fs::write(&path, "[gateway]\nbody_bytes_max = 2048\nevents_per_request_max = 7\n").unwrap();
        let sources = Sources { file: Some(path), overrides: vec!["gateway.depth_max=3".into()] };
        let environment =
            [("SUANPAN_GATEWAY_BODY_BYTES_MAX", "4096"), ("SUANPAN_CACHE", "/x"), ("HOME", "/y")];
        let environment = environment.map(|(k, v)| (k.to_owned(), v.to_owned()));
        let config = load(&sources, environment.into_iter()).unwrap();
        assert_eq!(config.gateway.body_bytes_max, 4096);
        assert_eq!(config.gateway.events_per_request_max, 7);
        assert_eq!(config.gateway.event.depth_max, 3);
    }

    #[test]
    fn mistakes_name_the_key_and_the_nearest_known_one() {
        let unknown = message(with_file("[gateway]\nbody_byte_max = 1"));
        assert!(unknown.contains("did you mean \"gateway.body_bytes_max\""), "{unknown}");
        let wrong = message(with_file("[gateway]\nbody_bytes_max = \"big\""));
        assert!(wrong.contains("gateway.body_bytes_max") && wrong.contains("whole number"), "{wrong}");
        let outside = message(with_file("[gateway]\ndepth_max = 9999"));
        assert!(outside.contains("between 1 and"), "{outside}");
        let variable = [("SUANPAN_GATEWAY_DEPTH".to_owned(), "1".to_owned())];
        let unknown = message(load(&Sources::default(), variable.into_iter()));
        assert!(unknown.contains("SUANPAN_GATEWAY_DEPTH_MAX"), "{unknown}");
    }

    fn with_variable(name: &str, value: &str) -> Result<Config> {
        load(&Sources::default(), std::iter::once((name.to_owned(), value.to_owned())))
    }

    #[test]
    fn variables_that_tell_of_a_kubernetes_service_are_passed_over() {
        for service in ["GATEWAY", "SERVER", "LOG"] {
            for (rest, value) in [
                ("SERVICE_HOST", "10.0.0.1"),
                ("SERVICE_PORT", "8765"),
                ("SERVICE_PORT_HTTP", "8765"),
                ("PORT", "tcp://10.0.0.1:8765"),
                ("PORT", "udp://10.0.0.1:8765"),
                ("PORT_8765_TCP", "tcp://10.0.0.1:8765"),
                ("PORT_8765_TCP_ADDR", "10.0.0.1"),
                ("PORT_8765_TCP_PORT", "8765"),
                ("PORT_53_UDP_PROTO", "udp"),
            ] {
                let name = format!("SUANPAN_{service}_{rest}");
                with_variable(&name, value).unwrap_or_else(|e| panic!("{name}={value}: {e:#}"));
            }
        }
        for (name, value) in [
            ("SUANPAN_GATEWAY_PORT", "8765"),
            ("SUANPAN_GATEWAY_PORT_HTTP_TCP", "8765"),
            ("SUANPAN_GATEWAY_PORT_8765_MAX", "8765"),
            ("SUANPAN_GATEWAY_SERVICE", "tcp://10.0.0.1:8765"),
        ] {
            let unknown = message(with_variable(name, value));
            assert!(unknown.contains("unknown variable") && unknown.contains(name), "{unknown}");
        }
    }

    #[test]
    fn the_memory_for_reports_holds_one_of_them() {
        let sizes = "[gateway]\nbody_bytes_max = 262144\nunpacked_bytes_max = 524288\ninflight_bytes_max = ";
        with_file(&format!("{sizes}1572864")).unwrap();
        let small = message(with_file(&format!("{sizes}1572863")));
        for part in ["gateway.inflight_bytes_max is 1572863", "1572864", "gateway.unpacked_bytes_max"] {
            assert!(small.contains(part), "{small}");
        }
        // Larger reports need more memory than the default, whichever source names them.
        let large = message(with_variable("SUANPAN_GATEWAY_UNPACKED_BYTES_MAX", "268435456"));
        assert!(large.contains("gateway.inflight_bytes_max is 536870912"), "{large}");
    }

    #[test]
    fn every_default_is_within_its_own_limits() {
        for setting in settings() {
            let mut config = Config::default();
            let default = (setting.get)(&config);
            (setting.set)(&mut config, &default).unwrap_or_else(|e| panic!("{}: {e}", setting.key));
        }
    }
}
