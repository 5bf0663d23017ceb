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

    /// Whether it evidently changes something, and not only so that somebody can look (`docker run`).
    pub fn evidently_acts(&self) -> bool {
        self.effect().kind == EffectKind::Changes && !(self.is_shell() && programs::changes_to_look(&self.masked()))
    }
}

#[cfg(test)]
#[path = "effects_tests.rs"]
mod tests;
