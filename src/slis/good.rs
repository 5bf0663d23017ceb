//! The condition that makes a request a good event: `status < 500`, `latency < 300ms`, joined by `and`.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How one request ended, as far as an SLI can see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// The HTTP status, or `None` when there was no complete answer (time-out, refused, reset, no free connection).
    pub status: Option<u16>,
    /// From the instant at which the request was due to its end.
    pub latency: Duration,
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
}

/// One term of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Term {
    /// `status < 500`
    Status(Comparison, u16),
    /// `latency < 300ms`
    Latency(Comparison, Duration),
}

/// A conjunction of terms, with the text as it was written. An event without a complete answer is never good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Good {
    /// As it was written.
    pub text: String,
    /// All must hold.
    pub terms: Vec<Term>,
}

impl Comparison {
    /// Whether `left <op> right`.
    pub fn holds<T: PartialOrd>(self, left: T, right: T) -> bool {
        match self {
            Comparison::Less => left < right,
            Comparison::LessOrEqual => left <= right,
            Comparison::Greater => left > right,
            Comparison::GreaterOrEqual => left >= right,
            Comparison::Equal => left == right,
            Comparison::NotEqual => left != right,
        }
    }
}

impl Good {
    /// Whether an event is good.
    pub fn judge(&self, outcome: Outcome) -> bool {
        let Some(status) = outcome.status else { return false };
        self.terms.iter().all(|term| match *term {
            Term::Status(op, value) => op.holds(status, value),
            Term::Latency(op, value) => op.holds(outcome.latency, value),
        })
    }

    /// Reads a condition.
    pub fn parse(text: &str) -> Result<Good, String> {
        Err(format!("`{text}`: not written yet"))
    }
}
