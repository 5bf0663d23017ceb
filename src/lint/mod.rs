//! `firedrill lint`: what experienced people see in a runbook at a glance, as rules. One line here and one file per rule.
//!
//! To write a rule, copy `rb107_unfinished.rs`. A rule file holds:
//! - `RULE`: id, level, one-line title, the texts of `--explain` (its bad example is linted and must be found, its good
//!   one must not), and `Check::Page` (looks at one page) or `Check::Project` (looks at all of them at once);
//! - `check(page, report)`: reads [`Page`] and says `report.at(span, "what is wrong").label(…).help(…)`;
//! - `cases!`: bad Markdown with `line:column` of each finding of this rule, good Markdown without one.
//!
//! What a page offers: `page.source`, `page.look` (headings with phases, fences, texts, links, comments; see
//! `runbook::look`), `page.commands()` (shell commands with their tree-sitter trees; `command.calls()` are the programs
//! that one calls, word by word; `command.place(span)` is the place in the file of bytes of a command), `page.runbook` (steps), `page.mistakes` (the parser's), `page.project`.
//! A span is always one of bytes of the file. Mistakes that the parser of runbooks tells already carry the rule's id
//! (`Diagnostic::code`), and the rule only passes them on (`report.of_the_parser(page)`).
//!
//! Levels, suppressions and output are not a rule's business: findings go through `Report`, the rest is done here.

#[macro_use]
mod register;
mod alerts;
mod anchors;
mod around;
#[cfg(test)]
#[macro_use]
mod cases;
mod bash;
mod config;
mod destructive;
mod evidence;
mod files;
mod guard;
mod output;
mod page;
mod random;
mod repository;
mod rule;
mod run;
mod secret;
mod shape;
mod suppress;
mod words;

// A rule is one file and one line here. The order is that of the ids.
rules! {
    rb001_open_fence,
    rb002_fallen_fence,
    rb003_annotation,
    rb004_same_id,
    rb005_title,
    rb101_no_mitigation,
    rb102_no_verification,
    rb103_no_rollback,
    rb104_nobody,
    rb105_which_alert,
    rb106_which_remedy,
    rb107_unfinished,
    rb108_only_escalates,
    rb201_syntax,
    rb202_redirection,
    rb203_unset,
    rb204_spellings,
    rb205_untagged,
    rb206_wrong_tag,
    rb207_terminal,
    rb208_never_ends,
    rb209_endless_loop,
    rb210_refused,
    rb211_unnoticed,
    rb301_destructive,
    rb302_secret,
    rb303_untrusted,
    rb401_dead_link,
    rb402_unlinked,
    rb403_never_drilled,
    rb404_changed,
}

pub use alerts::alert_files;
pub use config::{Config, FILE};
pub use evidence::{Drilled, Evidence, Follows};
pub use files::{FilesError, collect};
pub use output::{explain, github, json, summary, table};
pub use page::{Page, Project};
pub use rule::{Check, Explain, Report, Rule};
pub use run::{Outcome, run};
