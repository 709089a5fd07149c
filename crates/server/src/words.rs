//! The closed sets of words in bodies, described for OpenAPI.

use serde::{Deserialize, Serialize};
use suanpan_catalog::IpPolicy;
use suanpan_event::{AttributeType, Personal, PlanMode, PlanStatus};
use utoipa::ToSchema;

/// An enumeration like one of a station's, with the same variants.
macro_rules! mirror {
    ($(#[$doc:meta])* $name:ident of $original:ident { $($(#[$variant_doc:meta])* $variant:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "lowercase")]
        pub(crate) enum $name { $($(#[$variant_doc])* $variant,)* }

        impl From<$original> for $name {
            fn from(original: $original) -> Self {
                match original { $($original::$variant => Self::$variant,)* }
            }
        }

        impl From<$name> for $original {
            fn from(word: $name) -> Self {
                match word { $($name::$variant => Self::$variant,)* }
            }
        }

        impl Default for $name {
            fn default() -> Self {
                <$original>::default().into()
            }
        }
    };
}

mirror! {
    /// What a tracking plan does with events that don't fit it.
    Mode of PlanMode {
        /// Takes them as they are.
        Observe,
        /// Takes them, converts what can be converted, and says what is wrong.
        Warn,
        /// As `warn`, but refuses an event at the first wrong thing.
        Enforce,
    }
}

mirror! {
    /// Where an event or an attribute stands in its life.
    LifeStatus of PlanStatus {
        /// Planned, and not finished: it may be reported already.
        Draft,
        /// In use.
        Live,
        /// No longer to be reported.
        Retired,
    }
}

mirror! {
    /// What becomes of an attribute's values before they are stored.
    PersonalData of Personal {
        /// They are stored as they are.
        Keep,
        /// A pseudonym stands for each: equal values have equal ones, so that they can be counted.
        Mask,
        /// They are not stored.
        Drop,
    }
}

mirror! {
    /// What becomes of the addresses that events come from.
    Addresses of IpPolicy {
        /// Stored whole.
        Store,
        /// Stored without the part that names one machine.
        Truncate,
        /// Not stored.
        Drop,
    }
}

/// What an attribute's values are.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ValueType {
    /// Text.
    String,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// An instant.
    Datetime,
    /// Several texts.
    List,
}

impl From<AttributeType> for ValueType {
    fn from(kind: AttributeType) -> Self {
        match kind {
            AttributeType::String => Self::String,
            AttributeType::Number => Self::Number,
            AttributeType::Boolean => Self::Boolean,
            AttributeType::Datetime => Self::Datetime,
            AttributeType::StringList => Self::List,
        }
    }
}

impl From<ValueType> for AttributeType {
    fn from(kind: ValueType) -> Self {
        match kind {
            ValueType::String => Self::String,
            ValueType::Number => Self::Number,
            ValueType::Boolean => Self::Boolean,
            ValueType::Datetime => Self::Datetime,
            ValueType::List => Self::StringList,
        }
    }
}
