use std::path::PathBuf;

use suanpan_catalog::CatalogError;
use suanpan_log::LogError;
use suanpan_warehouse::WarehouseError;

/// What went wrong while accounts were looked at or changed; each variant is something else to do.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// The tables can't be read or changed.
    #[error(transparent)]
    Warehouse(#[from] WarehouseError),
    /// The catalog can't be read or changed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The log can't be read or cut.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A backup of this name is there, or one is being made.
    #[error("{message}")]
    Busy {
        /// Which.
        message: String,
    },
    /// There is nothing of this name.
    #[error("{message}")]
    NotFound {
        /// What.
        message: String,
    },
    /// What was asked for can't be done as it was asked.
    #[error("{message}")]
    Invalid {
        /// What is wrong, and what would be right.
        message: String,
    },
    /// A backup is not what it was when it was made.
    #[error("the backup is damaged: {message}")]
    Damaged {
        /// What differs.
        message: String,
    },
    /// Nobody listens to the audit any more.
    #[error("nobody listens any more")]
    Unheard,
    /// A file can't be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, AccountsError>;

impl AccountsError {
    /// Whether the same call may succeed later without any change.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Warehouse(error) => error.is_retryable(),
            Self::Catalog(error) => error.is_retryable(),
            Self::Log(_) | Self::Busy { .. } => true,
            Self::NotFound { .. }
            | Self::Invalid { .. }
            | Self::Damaged { .. }
            | Self::Unheard
            | Self::File { .. } => false,
        }
    }

    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
