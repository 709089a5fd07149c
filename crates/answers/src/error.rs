use std::sync::Arc;

use suanpan_event::AppId;
use suanpan_rules::{AnswerMismatch, RuleErrors};
use suanpan_warehouse::WarehouseError;

/// Why a question has no answer. Cloneable, because one failed query fails all its askers.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AskError {
    /// No such app; ask about another.
    #[error("there is no app {0:?}")]
    UnknownApp(AppId),
    /// The rule is wrong; mend it where the errors say.
    #[error("{0}")]
    Rule(Arc<RuleErrors>),
    /// More questions wait than the limit allows; ask again in a moment.
    #[error("more than {limit} questions wait for an answer (answers.queries_waiting_max)")]
    Overloaded {
        /// `queries_waiting_max`.
        limit: usize,
    },
    /// The warehouse refused, ran into a limit, or is away.
    #[error("{0}")]
    Warehouse(Arc<WarehouseError>),
    /// The warehouse's rows don't have the shape the plan asked for: our mistake.
    #[error("{0}")]
    Mismatch(Arc<AnswerMismatch>),
}

impl From<RuleErrors> for AskError {
    fn from(errors: RuleErrors) -> Self {
        Self::Rule(Arc::new(errors))
    }
}

impl From<WarehouseError> for AskError {
    fn from(error: WarehouseError) -> Self {
        Self::Warehouse(Arc::new(error))
    }
}

impl From<AnswerMismatch> for AskError {
    fn from(error: AnswerMismatch) -> Self {
        Self::Mismatch(Arc::new(error))
    }
}
