//! What a command of a runbook does to the world, by the language that it is written in.

use super::Command;
use crate::bash::FILLED;
use crate::programs::{self, Effect, EffectKind};
use crate::source::Span;

impl Command {
    /// What it does to the world. A placeholder counts as a word of which nothing is known.
    pub fn effect(&self) -> Effect {
        let Some(masked) = self.replace_inputs(Span::new(0, self.text.len()), |_| FILLED.to_string()) else {
            return Effect::unknown("where its placeholders stand is not known");
        };
        match self.language.as_str() {
            _ if self.is_shell() => programs::of_shell(&masked),
            "redis" | "redis-cli" => programs::of_lines("redis-cli", &masked),
            tag if super::client::is_sql(tag) => programs::of_sql(tag, &masked, false),
            tag => Effect::unknown(format!("what `{tag}` does is not known")),
        }
    }

    /// Whether its failure may be that of a change, and not of what is done to look (`docker run`).
    pub fn fails_with_change(&self) -> bool {
        match self.is_shell() {
            true => programs::fails_with_change(&self.masked()),
            false => self.effect().kind == EffectKind::Changes,
        }
    }
}

#[cfg(test)]
#[path = "effects_tests.rs"]
mod tests;
