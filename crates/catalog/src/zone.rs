use jiff::tz::{TimeZone, db};

use crate::error::nearest;
use crate::{CatalogError, Result};

/// Files that lie among a system's zones but name none, or none that means the same elsewhere.
const NO_ZONES: [&str; 4] = ["localtime", "posixrules", "Factory", "Etc/Unknown"];

/// The time zone of this IANA name, whatever its case.
pub(crate) fn find(name: &str) -> Result<TimeZone> {
    let found = TimeZone::get(name).ok();
    found.filter(|zone| zone.iana_name().is_some_and(is_zone)).ok_or_else(|| unknown(name))
}

/// `right/…` counts leap seconds and `posix/…` is a copy: no IANA names either.
fn is_zone(name: &str) -> bool {
    !NO_ZONES.contains(&name) && !name.starts_with("right/") && !name.starts_with("posix/")
}

/// The zone of an app that was stored with this name. A name that this machine doesn't know any
/// more (its zone data is older than the machine's that stored it) must not keep other changes, a
/// key's revocation among them, from being published.
pub(crate) fn stored(name: &str, app: &str) -> TimeZone {
    find(name).unwrap_or_else(|error| {
        tracing::error!(app, %error, "the app's days are counted in UTC until its time zone is known");
        TimeZone::UTC
    })
}

/// The canonical name.
pub(crate) fn name(zone: &TimeZone) -> &str {
    zone.iana_name().expect("zones found by name have one")
}

fn unknown(name: &str) -> CatalogError {
    let known = db().available().map(|n| n.as_str().to_owned()).filter(|n| is_zone(n));
    let guess = nearest(name, known).map(|n| format!(", nearest is {n:?}")).unwrap_or_default();
    let message = format!(
        "{name:?} is no IANA time zone{guess}; valid are names such as \"Asia/Shanghai\", \"Europe/Berlin\" or \"UTC\""
    );
    CatalogError::invalid("time_zone", message)
}
