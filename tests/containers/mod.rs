//! What the tests stand on that start containers of their own with testcontainers.

mod engine;

pub use engine::engine;
