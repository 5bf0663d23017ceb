//! What Firedrill knows about the programs that runbooks call, as data (`programs.yaml`): what an error of one looks like,
//! whether its exit code tells, which ones only run another. Whoever splits shell text into calls brings them here.

mod answer;
mod call;
mod calls;
mod data;
mod effect;
mod http;
mod left_running;
mod own;
#[cfg(test)]
#[path = "page_tests.rs"]
mod page;
mod scripts;
mod shell;
pub mod simple;
mod sql;
pub mod statements;
mod table;
mod unnoticed;
mod waits;

pub use crate::bash::{EXPANDED, FILLED, Word, WordKind};
pub use answer::{
    RefusedAnswer, acts_on_all, error_among, goes_on_after_errors, holds_anyway, missing_among, says_nothing,
};
pub use call::{Call, ExitUse, Filtered, PipeStage, Sink};
pub use calls::{answered, calls, functions, hides_calls};
pub use data::{changes_data, fails_with_change};
pub use effect::{
    Effect, EffectKind, StandardInput, destroying_statement, destroys, endless, interactive, is_known, is_sql_client,
    keeps, lasts, name_of, of_call, of_lines,
};
pub use left_running::left_running;
pub use own::{FILE, add, own_file};
pub use shell::{of_shell, only_gets, only_looks, only_notes};
pub use sql::of_sql;
pub use table::{Wrapper, script, wrapper};
pub use unnoticed::{asks_nothing, is_constant, lets_fail, only_shows, unnoticed_end, unnoticed_script, words_instead};
pub use waits::{Waits, waits, words_wait};

fn among(word: &str, list: &str) -> bool {
    list.split_ascii_whitespace().any(|known| known == word)
}
