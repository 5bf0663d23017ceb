//! The person beside a runbook, who does what it leaves to people and knows what nobody has written down; or nobody.

use super::follow::ByHand;
use crate::runbook::{Input, Step};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};

/// A person beside the runbook, or nobody.
pub trait Person: Send + Sync {
    /// Asks for a step to be done by hand.
    fn by_hand<'p>(&'p mut self, step: &'p Step) -> BoxFuture<'p, ByHand>;
    /// Asks for the value of an input.
    fn value_of<'p>(&'p mut self, input: &'p Input) -> BoxFuture<'p, Option<String>>;
}

/// Nobody is there: what is for a person is skipped, and what nobody says has no value.
pub struct Nobody;

impl Person for Nobody {
    fn by_hand<'p>(&'p mut self, _step: &'p Step) -> BoxFuture<'p, ByHand> {
        ready(ByHand::Skipped).boxed()
    }

    fn value_of<'p>(&'p mut self, _input: &'p Input) -> BoxFuture<'p, Option<String>> {
        ready(None).boxed()
    }
}
