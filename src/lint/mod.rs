//! `firedrill lint`: what experienced people see in a runbook at a glance, as rules. The table of rules stands in `rule.rs`; a
//! file beside it holds the rules of one idea.
//!
//! To write a rule, take `structure::unfinished` (RB107) for an example. A rule is
//! - a line of `RULES`: id, level, one-line title, and what looks: at one page, or at all of them at once;
//! - a function: it reads [`LintPage`] and says `report.at(span, "what is wrong").label(…).help(…)`;
//! - a section of `rules.md`, the text of `--explain`: its bad example is linted and must be found, its good one must not;
//! - `cases!`: bad Markdown with `line:column` of each finding of this rule, good Markdown without one.
//!
//! What a page offers: `page.source`, `page.look` (headings with phases, fences, texts, links, comments; see
//! `runbook::look`), `page.commands()` (shell commands; `command.calls()` are the programs that one calls, word by word;
//! `command.place(span)` is the place in the file of bytes of a command), `page.runbook` (steps), `page.mistakes` (the
//! parser's). A span is always one of bytes of the file.
//!
//! Levels, suppressions and output are not a rule's business: findings go through `Report`, the rest is done here.

#[cfg(test)]
#[macro_use]
#[path = "cases_tests.rs"]
mod cases;
#[macro_use]
mod words;

mod alerts;
mod blocks;
mod commands;
mod config;
mod destructive;
mod drilled;
mod files;
mod guard;
mod inputs;
mod links;
mod markdown;
mod output;
mod page;
mod rule;
mod run;
mod secret;
mod structure;
mod suppress;
mod syntax;
mod untrusted;

pub use alerts::alert_files;
pub use config::{Config, FILE};
pub use drilled::{Evidence, Follows};
pub use files::{FilesError, collect};
pub use output::{explain, github, json, summary, table};
pub use page::{LintPage, Project};
pub use rule::{FindingReport, LintRule, RULES, RuleCheck};
pub use run::run;
