//! The person beside a runbook, who does what it leaves to people and knows what nobody has written down; or nobody.

use super::follow::ByHand;
use crate::runbook::{Input, Step};
use async_trait::async_trait;

/// A person beside the runbook, or nobody.
#[async_trait]
pub trait Person: Send + Sync {
    /// Asks for a step to be done by hand.
    async fn by_hand(&mut self, step: &Step) -> ByHand;
    /// Asks for the value of an input.
    async fn value_of(&mut self, input: &Input) -> Option<String>;
}

/// Nobody is there: what is for a person is skipped, and what nobody says has no value.
pub struct Nobody;

#[async_trait]
impl Person for Nobody {
    async fn by_hand(&mut self, _step: &Step) -> ByHand {
        ByHand::Skipped
    }

    async fn value_of(&mut self, _input: &Input) -> Option<String> {
        None
    }
}
