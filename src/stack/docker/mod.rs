//! The Docker stack: a Compose project of its own for each drill.

mod builds;
mod bundle;
mod compose;
mod containers;
mod content;
mod dial;
mod dotenv;
mod endpoint;
mod errors;
mod exec;
mod findings;
mod health;
mod images;
mod labels;
mod logs;
mod model;
mod outside;
mod ports;
mod probe;
mod pull;
mod remove;
mod secrets;
mod stack;
mod steps;
mod sweep;
mod transform;
mod up;

pub use containers::{Operated, operate_in};
pub use endpoint::{Endpoint, kill_children};
pub use findings::Finding;
pub use model::{ResolveError, ResolvedModel};
pub use probe::{Probe, State, probe};
pub use remove::remove_run;
pub use stack::{DockerOptions, DockerStack, RunIdentity, resolve, resolve_at};
pub use sweep::{Fate, SweepOptions, SweepReport, SweptRun, sweep, sweep_some};
