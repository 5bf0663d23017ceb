//! What Firedrill knows about the programs that runbooks call, as data (`programs.yaml`): what an error of one looks like,
//! whether its exit code tells, which ones only run another. Whoever splits shell text into calls brings them here.

mod answer;
mod call;
mod effect;
mod http;
mod own;
mod page;
mod scripts;
mod spelling;
mod sql;
pub mod statements;
mod status;
mod table;

pub use answer::{Answer, error_among, goes_on_after_errors, holds_anyway, missing_among, says_nothing};
pub use call::{Call, Code, Filtered, Sink, Stage};
pub use effect::{
    EXPANDED, Effect, FILLED, Input, Kind, Word, WordKind, destroying_statement, destroys, endless, incomplete,
    interactive, is_known, is_sql_client, name_of, of_call, of_lines,
};
pub use own::{FILE, add, own_file};
pub use page::page;
pub use spelling::misspelt;
pub use sql::of_sql;
pub use table::{Passes, Script, Wrapper, passes, script, wrapper};
