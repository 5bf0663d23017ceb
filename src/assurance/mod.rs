//! What a quarter of drills proves: the critical services and what they promise (`services.yaml`), which of their failures were
//! drilled, what people note about DR drills (`drill-notes/*.yaml`), and how much is left of the error budgets (`budget.yaml`).

pub mod actions;
pub mod alert_rules;
pub mod budget;
pub mod coverage;
pub mod dr;
mod forms;
pub mod notes;
pub mod services;
