//! The commands on what was refused, and on what was learnt.

use clap::{Args, Subcommand};

use super::OfApp;

/// Which refused events are meant.
#[derive(Args, Clone, Default)]
pub struct Refused {
    /// Refused for this reason, such as unplanned_event
    #[arg(long)]
    pub code: Option<String>,
    /// Of this event
    #[arg(long)]
    pub event: Option<String>,
    /// Of this user
    #[arg(long)]
    pub user: Option<String>,
    /// Of this device
    #[arg(long)]
    pub device: Option<String>,
    /// Whose text as it was sent holds this
    #[arg(long)]
    pub text: Option<String>,
    /// Received since: RFC 3339 with an offset, or a date, which begins in UTC
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Received before
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
}

/// Commands on refused events.
#[derive(Subcommand)]
pub enum DeadLetterCommand {
    /// List refused events, the newest first
    List {
        /// The app
        #[command(flatten)]
        app: OfApp,
        /// Which
        #[command(flatten)]
        which: Refused,
        /// Only those that a replay tried
        #[arg(long, conflicts_with = "not_replayed")]
        replayed: bool,
        /// Only those that no replay tried
        #[arg(long)]
        not_replayed: bool,
        /// How many, at most 1000
        #[arg(long, default_value_t = 50)]
        limit: usize,
        /// Print JSON, as the API answered
        #[arg(long)]
        json: bool,
    },
    /// Count refused events by reason and by event
    Counts {
        /// The app
        #[command(flatten)]
        app: OfApp,
        /// Which
        #[command(flatten)]
        which: Refused,
        /// Print JSON, as the API answered
        #[arg(long)]
        json: bool,
    },
    /// Show one refused event with its reason and its text
    Show {
        /// Its id, as the list shows it
        id: String,
        /// The app
        #[command(flatten)]
        app: OfApp,
    },
    /// Try refused events again, with what plan and limits say now
    Replay {
        /// The app
        #[command(flatten)]
        app: OfApp,
        /// Which
        #[command(flatten)]
        which: Refused,
        /// This one; may be given many times
        #[arg(long, value_name = "ID")]
        id: Vec<String>,
        /// All of them
        #[arg(long)]
        all: bool,
        /// Stay until it has ended, and show how far it is
        #[arg(long)]
        follow: bool,
    },
    /// List the replays
    Replays {
        /// The app
        #[command(flatten)]
        app: OfApp,
    },
    /// Let a replay that ended early go on
    Resume {
        /// Its number
        job: i64,
        /// The app
        #[command(flatten)]
        app: OfApp,
        /// Stay until it has ended, and show how far it is
        #[arg(long)]
        follow: bool,
    },
    /// End a replay; what it has brought through stays
    Cancel {
        /// Its number
        job: i64,
        /// The app
        #[command(flatten)]
        app: OfApp,
    },
}

/// Commands on learnt names.
#[derive(Subcommand)]
pub enum LearntCommand {
    /// List the events and attributes that were seen
    List {
        /// The app
        #[command(flatten)]
        app: OfApp,
        /// Only what the tracking plan does not have
        #[arg(long)]
        unplanned: bool,
        /// Only this event
        #[arg(long)]
        event: Option<String>,
        /// Print JSON, as the API answered
        #[arg(long)]
        json: bool,
    },
    /// Add what was seen to the tracking plan, with the types that fit
    Adopt {
        /// The app
        #[command(flatten)]
        app: OfApp,
        /// This event with its attributes; may be given many times
        #[arg(long)]
        event: Vec<String>,
        /// This attribute; may be given many times
        #[arg(long)]
        attribute: Vec<String>,
        /// All that the plan does not have
        #[arg(long)]
        all: bool,
        /// As drafts
        #[arg(long)]
        draft: bool,
    },
}
