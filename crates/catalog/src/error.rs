use std::path::PathBuf;

/// What a catalog call gives back.
pub type Result<T, E = CatalogError> = std::result::Result<T, E>;

/// Why the catalog did not do as told. After any error but [`CatalogError::Storage`] nothing was
/// changed; after that one the change may have been made, and the next snapshot tells.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// Give another name; `nearest` is the best guess.
    #[error("there is no {what} {name:?}{}", did_you_mean(nearest))]
    NotFound {
        /// `app`, `deleted app`, `key`, `attribute`, `rule`, `rule version`, `replay`,
        /// `deletion`.
        what: &'static str,
        /// What was asked for.
        name: String,
        /// The nearest name that exists, if one is near.
        nearest: Option<String>,
    },
    /// Choose another name, or restore what was deleted.
    #[error("{what} {name:?} {}", if *deleted { "was deleted, and its name stays taken: restore it" } else { "exists already" })]
    Exists {
        /// `app`.
        what: &'static str,
        /// The name that is taken.
        name: String,
        /// Taken by something deleted, which can be restored.
        deleted: bool,
    },
    /// Wait until it has ended, or end it.
    #[error("{what} {name} is running, and there is one at a time")]
    Busy {
        /// `replay`.
        what: &'static str,
        /// Which one.
        name: String,
    },
    /// Mend the value of one field.
    #[error("{field}: {message}")]
    Invalid {
        /// The field as it is called in the request.
        field: &'static str,
        /// What was expected and what was found.
        message: String,
    },
    /// Remove something first, or raise the limit.
    #[error("the limit {limit} of {max} is reached")]
    LimitReached {
        /// A field of [`crate::CatalogLimits`].
        limit: &'static str,
        /// Its value.
        max: usize,
    },
    /// Choose another path or mend its permissions.
    #[error("can't open the catalog {}: {source}", path.display())]
    Open {
        /// The catalog's file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Mend the address, or what the server refuses us for.
    #[error("can't open the catalog at {server}: {source}")]
    Connect {
        /// Where, without the password.
        server: String,
        /// What the server or the network said.
        source: sqlx::Error,
    },
    /// Stop doing what it is about: another process may do it by now.
    #[error("{what} is no longer this process's: it did not renew its lease in time")]
    LeaseLost {
        /// A lease's name, or `replay` or `deletion` with its number.
        what: String,
    },
    /// The tables don't fit this program: they were made by a newer one, or damaged.
    #[error("can't bring the catalog's tables up to date: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The database can't be read or written just now: away, disk full, locked for too long, damaged.
    #[error("the catalog's storage failed: {0}")]
    Storage(#[from] sqlx::Error),
}

impl CatalogError {
    /// Whether the same call may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Storage(_))
    }

    /// `what` has no `name`; suggests the nearest of the known names.
    pub(crate) fn not_found<S: AsRef<str>>(
        what: &'static str,
        name: &str,
        known: impl IntoIterator<Item = S>,
    ) -> Self {
        Self::NotFound { what, name: name.to_owned(), nearest: nearest(name, known) }
    }

    pub(crate) fn invalid(field: &'static str, message: impl Into<String>) -> Self {
        Self::Invalid { field, message: message.into() }
    }
}

/// The known name with the fewest edits, if at most a third of its characters (but at least two)
/// would have to change: farther ones are noise.
pub(crate) fn nearest<S: AsRef<str>>(name: &str, known: impl IntoIterator<Item = S>) -> Option<String> {
    let edits_max = (name.chars().count() / 3).max(2);
    known
        .into_iter()
        .map(|k| (strsim::damerau_levenshtein(name, k.as_ref()), k))
        .filter(|(edits, k)| *edits <= edits_max && *edits < k.as_ref().chars().count())
        .min_by(|(a, x), (b, y)| a.cmp(b).then_with(|| x.as_ref().cmp(y.as_ref())))
        .map(|(_, k)| k.as_ref().to_owned())
}

fn did_you_mean(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|n| format!("; did you mean {n:?}?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_near_names_are_suggested() {
        let known = ["shop", "shop-test", "game"];
        let check =
            |name, expected: Option<&str>| assert_eq!(nearest(name, known).as_deref(), expected, "{name}");
        check("shp", Some("shop"));
        check("shop-tset", Some("shop-test"));
        check("gmae", Some("game"));
        check("weather", None);
        check("", None);
    }
}
