use serde::Serialize;
use suanpan_event::AppId;
use suanpan_rules::{Compiled, Rule, SlotUse};

use crate::{Answers, AskError};

/// How a rule would be answered, without answering it.
#[derive(Debug, Serialize)]
pub struct Explained {
    /// The plan, as text for people.
    pub plan: String,
    /// Each statement with its parameters.
    pub statements: Vec<ExplainedStatement>,
    /// The attributes read, and whether from a typed column or from JSON.
    pub slots: Vec<SlotUse>,
    /// Rows the warehouse expects to read, at most.
    pub rows_to_read: u64,
}

/// One statement of a plan.
#[derive(Debug, Serialize)]
pub struct ExplainedStatement {
    /// SQL text.
    pub sql: String,
    /// Parameters by name.
    pub params: Vec<(String, String)>,
    /// Rows the warehouse expects to read for it, at most.
    pub rows_to_read: u64,
}

impl Answers {
    /// Plan, SQL, slots and rows to read of a rule.
    ///
    /// # Errors
    /// See [`AskError`].
    pub async fn explain(&self, app_id: &AppId, rule: &Rule) -> Result<Explained, AskError> {
        let compiled = self.compile(app_id, rule).await?;
        let mut statements = Vec::new();
        for statement in &compiled.statements {
            let rows_to_read =
                self.warehouse().estimate_rows(app_id, &statement.sql, &statement.params).await?;
            let (sql, params) = (statement.sql.clone(), statement.params.clone());
            statements.push(ExplainedStatement { sql, params, rows_to_read });
        }
        let Compiled { plan, slots_used, .. } = compiled;
        let rows_to_read = statements.iter().map(|s| s.rows_to_read).sum();
        Ok(Explained { plan: plan.to_string(), slots: slots_used, statements, rows_to_read })
    }
}
