//! Firedrill proves that runbooks work: it starts a real stack in Docker, breaks it on purpose, follows the
//! team's Markdown runbook while the fault is still on, and fails when the users' indicators do not recover.
//!
//! ```text
//! scenario.yaml + runbook.md + compose.yaml
//!    │  spec::load        every mistake in the files, all at once, before Docker is touched
//!    ▼
//!   Plan
//!    │  engine::run       up → steady → inject → impact → detect → respond → recover → revert → down
//!    ▼
//!   Event ─┬─► console        live, on stderr
//!          ├─► events.jsonl   appended and flushed as it happens
//!          └─► Record         Record::apply(event)
//!                 └─► report::*   pure functions of a Record: junit, json, console summary
//! ```
//!
//! `ARCHITECTURE.md` draws the rooms and says who may import whom.

/// Declares an enum whose values have names in files and reports, each written once, with `ALL`, `name`, `from_name` and `Display`;
/// and `words`, where each also says in words what it means (`Value = "name": "words"`). They are ordered as they stand there, and to
/// serde their names are those of the values in `snake_case`.
macro_rules! named_enum {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$of:meta])* $value:ident = $text:literal,)+ }) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        $(#[$meta])*
        pub enum $name { $($(#[$of])* $value,)+ }

        impl $name {
            /// Every value, in order.
            pub const ALL: [$name; [$($text),+].len()] = [$($name::$value),+];

            /// The name as it stands in files and reports.
            pub const fn name(self) -> &'static str {
                match self { $($name::$value => $text,)+ }
            }

            /// The value with that name.
            pub fn from_name(name: &str) -> Option<$name> {
                $name::ALL.into_iter().find(|value| value.name() == name)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$of:meta])* $value:ident = $text:literal: $words:literal,)+ }) => {
        named_enum! { $(#[$meta])* pub enum $name { $($(#[$of])* $value = $text,)+ } }

        impl $name {
            /// What it means, in words for people.
            pub const fn words(self) -> &'static str {
                match self { $($name::$value => $words,)+ }
            }
        }
    };
}

// `words!("NAME")`: the list with this name, of the `words.txt` of some room. A name that no list has does not compile.
include!(concat!(env!("OUT_DIR"), "/words.rs"));

/// What a mutex guards, also when somebody has panicked with it: it is never left half changed.
pub(crate) fn locked<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

pub mod agent;
pub mod archive;
pub mod assurance;
pub mod bash;
pub mod cli;
pub mod engine;
pub mod error;
pub mod faults;
pub mod gameday;
pub mod lint;
pub mod load;
pub mod notify;
pub mod output;
pub mod process;
pub mod programs;
pub mod record;
pub mod report;
pub mod runbook;
pub mod shell;
pub mod slis;
pub mod source;
pub mod spec;
pub mod stack;
pub mod view;
