//! The person beside a runbook, who does what it leaves to people and knows what nobody has written down; or nobody.

use super::follow::ManualOutcome;
use crate::runbook::{RunbookInput, Step};
use async_trait::async_trait;

/// A person beside the runbook, or nobody.
#[async_trait]
pub trait Operator: Send + Sync {
    /// Asks for a step to be done by hand.
    async fn manual_step(&mut self, step: &Step) -> ManualOutcome;
    /// Asks for the value of an input.
    async fn value_of(&mut self, input: &RunbookInput) -> Option<String>;
}

/// Nobody is there: what is for a person is skipped, and what nobody says has no value.
pub struct Nobody;

#[async_trait]
impl Operator for Nobody {
    async fn manual_step(&mut self, _step: &Step) -> ManualOutcome {
        ManualOutcome::Skipped
    }

    async fn value_of(&mut self, _input: &RunbookInput) -> Option<String> {
        None
    }
}
