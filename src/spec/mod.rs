//! What people write → a checked `Plan`. Every mistake of every file at once, with its place, before Docker is touched.

mod plan;

pub use plan::*;
