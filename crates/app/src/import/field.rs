use std::fmt;
use std::str::FromStr;

/// A field of an event as the gateway takes it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Field {
    /// The event's own id, by which a second report of it is recognised.
    Id,
    /// The event's name.
    Event,
    /// When it happened.
    Time,
    /// Who did it, as the app knows them.
    UserId,
    /// Who did it, as their device is known.
    DeviceId,
    /// The visit it belongs to.
    SessionId,
    /// Such as `ios`.
    Platform,
    /// The app's version.
    AppVersion,
    /// What reported it first.
    Library,
    /// An object, each entry of which becomes a property.
    Properties,
    /// One property of this name.
    Property(String),
}

/// The other names under which files often carry a field, in lower case, words joined by `_`.
/// Of several columns that could be a field, the one named like it wins, then the earlier alias.
const ALIASES: [(Field, &[&str]); 8] = [
    (Field::Id, &["event_id", "message_id", "messageid", "insert_id", "$insert_id", "uuid"]),
    (Field::Event, &["event_name", "name"]),
    (Field::Time, &["timestamp", "ts", "event_time", "datetime", "created_at"]),
    (Field::UserId, &["uid", "userid"]),
    (Field::DeviceId, &["anonymous_id", "anonymousid", "distinct_id", "deviceid"]),
    (Field::SessionId, &["session", "sessionid"]),
    (Field::AppVersion, &["appversion"]),
    (Field::Library, &["lib"]),
];

impl Field {
    /// All but the single properties.
    pub const NAMED: [Self; 10] = [
        Self::Id,
        Self::Event,
        Self::Time,
        Self::UserId,
        Self::DeviceId,
        Self::SessionId,
        Self::Platform,
        Self::AppVersion,
        Self::Library,
        Self::Properties,
    ];

    /// The field's name in an event; a single property's is that of the property.
    pub fn name(&self) -> &str {
        match self {
            Self::Id => "id",
            Self::Event => "event",
            Self::Time => "time",
            Self::UserId => "user_id",
            Self::DeviceId => "device_id",
            Self::SessionId => "session_id",
            Self::Platform => "platform",
            Self::AppVersion => "app_version",
            Self::Library => "library",
            Self::Properties => "properties",
            Self::Property(name) => name,
        }
    }

    /// The field that a column of this name could be, and how good the name is: lower is better.
    pub fn likely(column: &str) -> Option<(Self, usize)> {
        let name = column.trim().to_lowercase().replace([' ', '-'], "_");
        if let Some(field) = Self::NAMED.iter().find(|field| field.name() == name) {
            return Some((field.clone(), 0));
        }
        ALIASES.iter().find_map(|(field, aliases)| {
            let at = aliases.iter().position(|alias| *alias == name)?;
            Some((field.clone(), at + 1))
        })
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Property(name) => write!(f, "properties.{name}"),
            named => f.write_str(named.name()),
        }
    }
}

impl FromStr for Field {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(name) = text.strip_prefix("properties.").filter(|name| !name.is_empty()) {
            return Ok(Self::Property(name.to_owned()));
        }
        Self::NAMED.iter().find(|field| field.name() == text).cloned().ok_or_else(|| {
            let names = Self::NAMED.map(|field| field.name().to_owned());
            let hint = nearest(text, names.iter().map(String::as_str))
                .map_or_else(|| ".".to_owned(), |near| format!("; did you mean '{near}'?"));
            format!(
                "an event has no field '{text}'{hint} Fields are {}; for one of your own say 'properties.{text}'",
                names.join(", ")
            )
        })
    }
}

/// Which field a column becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// The column, or for NDJSON the key; `outer.inner` names a key of an object.
    pub column: String,
    /// The field; none leaves the column out.
    pub to: Option<Field>,
}

impl FromStr for Mapping {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // The last =, since a column's name may hold one and a field's hardly does.
        let (column, field) =
            text.rsplit_once('=').filter(|(column, _)| !column.trim().is_empty()).ok_or_else(|| {
                format!("'{text}' maps nothing: say COLUMN=FIELD, such as uid=user_id, or COLUMN=- to leave it out")
            })?;
        let to = if field == "-" { None } else { Some(field.parse()?) };
        Ok(Self { column: column.trim().to_owned(), to })
    }
}

/// A value that every event gets, written `FIELD=VALUE`.
pub fn constant(text: &str) -> Result<(Field, String), String> {
    let (field, value) = text
        .split_once('=')
        .filter(|(_, value)| !value.trim().is_empty())
        .ok_or_else(|| format!("'{text}' sets nothing: say FIELD=VALUE, such as event=purchase"))?;
    match field.parse()? {
        Field::Properties => Err("set single properties: properties.NAME=VALUE".to_owned()),
        Field::Id => Err("events with one id for all would count as one event".to_owned()),
        field => Ok((field, value.to_owned())),
    }
}

/// The name most like the one asked for, if any is alike at all.
pub fn nearest<'n>(asked: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    const ALIKE: f64 = 0.7;
    let similarity = |name: &str| strsim::jaro_winkler(&asked.to_lowercase(), &name.to_lowercase());
    names
        .map(|name| (similarity(name), name))
        .filter(|(s, _)| *s >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, n)| n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_names_a_column_and_a_field() {
        let check = |text: &str, column: &str, to: Option<Field>| {
            assert_eq!(text.parse(), Ok(Mapping { column: column.to_owned(), to }), "{text}");
        };
        check("user=user_id", "user", Some(Field::UserId));
        check("order_id=properties.order", "order_id", Some(Field::Property("order".to_owned())));
        check("user.id=user_id", "user.id", Some(Field::UserId));
        check("a=b=time", "a=b", Some(Field::Time));
        check("secret=-", "secret", None);
        check("attrs=properties", "attrs", Some(Field::Properties));
    }

    #[test]
    fn a_wrong_mapping_says_what_is_right() {
        let check = |text: &str, part: &str| {
            let error = text.parse::<Mapping>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        };
        check("user", "COLUMN=FIELD");
        check("=time", "COLUMN=FIELD");
        check("user=userid", "did you mean 'user_id'?");
        check("amount=amount", "'properties.amount'");
        check("x=properties.", "no field 'properties.'");
    }

    #[test]
    fn a_constant_needs_a_field_and_a_value() {
        assert_eq!(constant("event=purchase"), Ok((Field::Event, "purchase".to_owned())));
        assert_eq!(constant("properties.a=b=c"), Ok((Field::Property("a".to_owned()), "b=c".to_owned())));
        assert!(constant("event=").is_err());
        assert!(constant("id=1").unwrap_err().contains("one event"));
        assert!(constant("properties={}").unwrap_err().contains("properties.NAME"));
    }

    #[test]
    fn usual_names_are_recognised() {
        let check = |column: &str, expected: Option<(Field, usize)>| {
            assert_eq!(Field::likely(column), expected, "{column}");
        };
        check("event", Some((Field::Event, 0)));
        check(" User-ID", Some((Field::UserId, 0)));
        check("Timestamp", Some((Field::Time, 1)));
        check("anonymousId", Some((Field::DeviceId, 2)));
        check("amount", None);
    }
}
