//! What the tests of the engine stand on: a fake of the one `Stack` trait, with a world behind it that a test scripts.

mod accepted;
mod agent;
mod case;
mod fake;
mod log;
mod restore;
mod rules;
mod shell;
mod shop;
mod told;
mod world;

pub use agent::Order;
pub use case::{Case, HTTP, Killed, MIXED, PAUSE, PROCESS, TWO};
pub use fake::{DB_CONTAINER, FakeStack};
pub use log::{Controls, Entry, Happening, Log, When, begins, injects, lifts, removes, runs};
pub use restore::dr;
pub use shell::OWN_RESTART;
pub use shop::{Fate, Says, Shop};
pub use told::Told;
pub use world::{Alert, Switches, World};
