use std::collections::{HashMap, HashSet};

use anyhow::{Result, bail};

use super::ImportOptions;
use super::field::{Field, nearest};

/// Decides which field each column of a file becomes.
#[derive(Debug)]
pub struct Columns {
    mapped: HashMap<String, Option<Field>>,
    /// Mapped columns whose name may mean a key of an object.
    dotted: Vec<Dotted>,
    /// Fields that a mapping or a constant fills, so that no column takes them for its name alone.
    taken: HashSet<Field>,
    text: HashSet<String>,
}

/// A mapped column `outer.inner`.
#[derive(Debug, Clone)]
pub struct Dotted {
    /// The whole name.
    pub column: String,
    /// The object's key.
    pub outer: String,
    /// The key within it.
    pub inner: String,
    /// Where its value goes.
    pub to: Option<Field>,
}

impl Columns {
    /// What the options say of columns.
    ///
    /// # Errors
    /// A column is mapped twice, or a field is filled twice.
    pub fn new(options: &ImportOptions) -> Result<Self> {
        let mut columns = Self {
            mapped: HashMap::new(),
            dotted: Vec::new(),
            taken: HashSet::new(),
            text: options.text_columns.iter().cloned().collect(),
        };
        for (field, _) in &options.constants {
            if !columns.taken.insert(field.clone()) {
                bail!("--set gives {field} twice");
            }
        }
        for mapping in &options.map {
            if columns.mapped.insert(mapping.column.clone(), mapping.to.clone()).is_some() {
                bail!("--map names the column '{}' twice", mapping.column);
            }
            if let Some(field) = &mapping.to
                && *field != Field::Properties
                && !columns.taken.insert(field.clone())
            {
                bail!("two columns or constants are to become {field}; give it once");
            }
            if let Some((outer, inner)) = mapping.column.split_once('.') {
                columns.dotted.push(Dotted {
                    column: mapping.column.clone(),
                    outer: outer.to_owned(),
                    inner: inner.to_owned(),
                    to: mapping.to.clone(),
                });
            }
        }
        Ok(columns)
    }

    /// The field of each of these columns, which stand in one line; none for those left out.
    pub fn assign(&self, names: &[impl AsRef<str>]) -> Vec<Option<Field>> {
        let mut best: HashMap<Field, (usize, usize)> = HashMap::new();
        for (at, name) in names.iter().map(AsRef::as_ref).enumerate() {
            if self.mapped.contains_key(name) {
                continue;
            }
            if let Some((field, rank)) = Field::likely(name).filter(|(field, _)| !self.taken.contains(field))
            {
                let holder = best.entry(field).or_insert((rank, at));
                *holder = (*holder).min((rank, at));
            }
        }
        let place = |(at, name): (usize, &str)| match self.mapped.get(name) {
            Some(place) => place.clone(),
            // A column without a name is a row number that some tool added.
            None if name.is_empty() => None,
            None => match Field::likely(name) {
                Some((field, _)) if best.get(&field).is_some_and(|(_, winner)| *winner == at) => Some(field),
                _ => Some(Field::Property(name.to_owned())),
            },
        };
        names.iter().map(AsRef::as_ref).enumerate().map(place).collect()
    }

    /// The mapped columns that may be keys of objects.
    pub fn dotted(&self) -> &[Dotted] {
        &self.dotted
    }

    /// Whether this column's values stay text.
    pub fn keeps_text(&self, column: &str) -> bool {
        self.text.contains(column)
    }

    /// Checks the options against the columns that the file has.
    ///
    /// # Errors
    /// A mapped column is not there, two columns become one property, or nothing says what
    /// happened, when, or to whom.
    pub fn check(&self, names: &[String]) -> Result<()> {
        let there = || format!("the columns are {}", listed(names));
        let mapped = self.mapped.keys().chain(&self.text);
        if let Some(missing) = mapped.filter(|column| !names.contains(column)).min() {
            let hint = nearest(missing, names.iter().map(String::as_str))
                .map_or_else(String::new, |near| format!("; did you mean '{near}'?"));
            bail!("the file has no column '{missing}'{hint} ({})", there());
        }
        let places = self.assign(names);
        let mut becomes: HashMap<&str, &str> = HashMap::new();
        for (name, place) in names.iter().zip(&places) {
            if let Some(Field::Property(property)) = place
                && let Some(other) = becomes.insert(property, name)
            {
                bail!(
                    "the columns '{other}' and '{name}' both become the property '{property}'; \
                       leave one out with --map '{name}=-' or name it otherwise"
                );
            }
        }
        if let Some(name) = becomes
            .keys()
            .find(|name| self.taken.contains(&Field::Property((**name).to_owned())) && !self.maps_to(name))
        {
            bail!(
                "the property '{name}' comes from a column and from --set or --map as well; leave the column out with --map '{name}=-'"
            );
        }
        let has =
            |field: &Field| self.taken.contains(field) || places.iter().flatten().any(|place| place == field);
        if !has(&Field::Event) {
            bail!(
                "no column is the event's name: map one with --map COLUMN=event, or give all the same name with \
                 --set event=NAME ({})",
                there()
            );
        }
        if !has(&Field::UserId) && !has(&Field::DeviceId) {
            bail!(
                "no column says whose event it is: map one with --map COLUMN=user_id or =device_id ({})",
                there()
            );
        }
        if !has(&Field::Time) {
            bail!(
                "no column is the event's time: map one with --map COLUMN=time, or give all the same with \
                   --set time=2026-03-01 ({})",
                there()
            );
        }
        Ok(())
    }

    fn maps_to(&self, property: &str) -> bool {
        self.mapped.values().flatten().any(|field| *field == Field::Property(property.to_owned()))
    }
}

fn listed(names: &[String]) -> String {
    const SHOWN: usize = 40;
    let mut text = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}
