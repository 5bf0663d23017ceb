//! What the tests of whole drills stand on: a project in a temporary directory, the built program run in it on real
//! Docker, its events as they happen, and a look at what it left behind.

mod docker;
mod project;
mod running;
mod story;

pub use docker::{Leftovers, building, built, container, containers, docker, psql, try_docker};
pub use project::{BAD_DEPLOY, DB_POOL, Project, RESTARTS, SCALE, Shipped, UPSTREAM, copy, edit, undisturbed};
pub use running::Running;
pub use story::Drill;

use std::time::{Duration, Instant};

/// Deadline of everything that a test waits for. The first drill on a machine builds the images of its stack.
pub const PATIENCE: Duration = Duration::from_secs(540);
/// How soon after a killed runner nothing may be left of its drill on a quiet machine.
pub const PROMISED: Duration = Duration::from_secs(10);
/// How soon on a machine that runs other drills as well.
pub const ALLOWED: Duration = Duration::from_secs(60);

/// Asks again and again until there is an answer. The one place in which the tests wait.
pub fn poll<T>(what: &str, within: Duration, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let began = Instant::now();
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(why) if began.elapsed() >= within => panic!("{what}: not within {} s: {why}", within.as_secs()),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}
