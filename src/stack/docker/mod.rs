//! The Docker stack: a Compose project of its own for each drill.
