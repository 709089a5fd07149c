//! The tracking plan's commands.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::OfApp;

/// Types of attributes.
#[derive(Clone, Copy, ValueEnum)]
pub enum TypeName {
    /// Text
    String,
    /// A number
    Number,
    /// True or false
    Boolean,
    /// An instant
    Datetime,
    /// Several texts
    List,
}

/// What a plan does with events that don't fit it.
#[derive(Clone, Copy, ValueEnum)]
pub enum ModeName {
    /// Take them as they are
    Observe,
    /// Take them, convert what can be converted, and say what is wrong
    Warn,
    /// Refuse them
    Enforce,
}

/// Where an event or an attribute stands in its life.
#[derive(Clone, Copy, ValueEnum)]
pub enum StatusName {
    /// Planned, and not finished
    Draft,
    /// In use
    Live,
    /// No longer to be reported
    Retired,
}

/// What becomes of an attribute's values before they are stored.
#[derive(Clone, Copy, ValueEnum)]
pub enum PersonalName {
    /// Stored as they are
    Keep,
    /// A pseudonym stands for each; equal values have equal ones
    Mask,
    /// Not stored
    Drop,
}

/// Forms of a plan's file.
#[derive(Clone, Copy, ValueEnum)]
pub enum PlanForm {
    /// JSON
    Json,
    /// A table, for spreadsheets
    Csv,
}

/// Commands on a plan as a whole.
#[derive(Subcommand)]
pub enum PlanCommand {
    /// Show the plan: mode, events, attributes
    Show {
        /// The app
        #[command(flatten)]
        app: OfApp,
    },
    /// Say what the plan does with events that don't fit
    Mode {
        /// The mode
        mode: ModeName,
        /// The app
        #[command(flatten)]
        app: OfApp,
    },
    /// Put the plan in a file (- for standard input) in place of the app's; shows what changes
    Import {
        /// The file, JSON or CSV
        file: PathBuf,
        /// The app
        #[command(flatten)]
        app: OfApp,
        /// What the file is [default: by its name, else JSON]
        #[arg(long)]
        form: Option<PlanForm>,
        /// Only show what would change
        #[arg(long)]
        dry_run: bool,
        /// Import also if that removes events or attributes from the plan
        #[arg(long)]
        yes: bool,
    },
    /// Print the plan, as import takes it
    Export {
        /// The app
        #[command(flatten)]
        app: OfApp,
        /// JSON, or CSV for spreadsheets
        #[arg(long, default_value = "json")]
        form: PlanForm,
    },
    /// Try an event against the plan; nothing is stored. Ends with 1 if it would be rejected
    Check {
        /// The event's name
        event: String,
        /// Its properties, a JSON object; - for standard input
        #[arg(default_value = "{}")]
        properties: String,
        /// The app
        #[command(flatten)]
        app: OfApp,
    },
}

/// Commands on planned events.
#[derive(Subcommand)]
pub enum EventsCommand {
    /// List the planned events
    List {
        /// The app
        #[command(flatten)]
        app: OfApp,
    },
    /// Define a planned event, or change all that is said of it
    Define {
        /// Its name, as clients report it
        name: String,
        /// The app
        #[command(flatten)]
        app: OfApp,
        /// What people call it
        #[arg(long, default_value = "")]
        title: String,
        /// What it means and when it is sent
        #[arg(long, default_value = "")]
        description: String,
        /// Where it stands in its life
        #[arg(long, default_value = "live")]
        status: StatusName,
        /// Attributes without which it is incomplete, separated by commas
        #[arg(long, value_name = "ATTRIBUTES", value_delimiter = ',')]
        required: Vec<String>,
        /// Attributes it may have, separated by commas
        #[arg(long, value_name = "ATTRIBUTES", value_delimiter = ',')]
        optional: Vec<String>,
    },
    /// Remove an event from the plan; events that were reported stay
    Remove {
        /// The event
        name: String,
        /// The app
        #[command(flatten)]
        app: OfApp,
    },
}

/// Commands on attributes.
#[derive(Subcommand)]
pub enum AttributesCommand {
    /// List the attributes that rules can use
    List {
        /// The app
        #[command(flatten)]
        app: OfApp,
    },
    /// Define an attribute, or change what is given of it
    Define {
        /// The property's name as clients report it
        name: String,
        /// What its values are
        #[arg(value_name = "TYPE")]
        kind: TypeName,
        /// The app
        #[command(flatten)]
        app: OfApp,
        /// What else is said of it
        #[command(flatten)]
        terms: Box<Terms>,
    },
    /// Remove an attribute from the plan; events keep the property
    Remove {
        /// The attribute
        name: String,
        /// The app
        #[command(flatten)]
        app: OfApp,
    },
}

/// What a plan says of an attribute beside its type. What is not given stays.
#[derive(Args)]
pub struct Terms {
    /// What people call it
    #[arg(long)]
    pub title: Option<String>,
    /// What it means and when it is sent
    #[arg(long)]
    pub description: Option<String>,
    /// Where it stands in its life [default: live]
    #[arg(long)]
    pub status: Option<StatusName>,
    /// What becomes of its values before they are stored [default: keep]
    #[arg(long)]
    pub personal: Option<PersonalName>,
    /// It may stand in every event, not only in those that list it
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub common: Option<bool>,
    /// Its texts take many different values, such as order numbers
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub many_values: Option<bool>,
    /// A value it may have; may be given many times, and empty for any value
    #[arg(long, value_name = "VALUE")]
    pub allow: Vec<String>,
    /// The least number or the earliest instant; empty for none
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    pub min: Option<String>,
    /// The greatest number or the latest instant; empty for none
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    pub max: Option<String>,
    /// A regular expression found somewhere in the text (^ and $ bind it); empty for none
    #[arg(long, value_name = "REGEX")]
    pub pattern: Option<String>,
}
