//! Evidence that stands up: the manifest of every run, the chain of manifests beside the runs, and the verification of both.
//!
//! ```text
//! .firedrill/runs/
//!   chain.jsonl            an entry for each run that ended: SHA-256 of its manifest, hash of the entry before
//!   20261120T064112Z-…/
//!     manifest.json        path, size and SHA-256 of every file beside it
//! ```
//!
//! Whoever can write to all of it can forge all of it. What binds it is the head of the chain (its last number and hash),
//! written down where that person cannot write.

mod chain;
mod manifest;
mod recompute;
#[cfg(test)]
#[path = "tests/testing.rs"]
mod testing;
mod verify;

pub use chain::{CHAIN, Chain, ChainEntry, Digest, Head, check_chain};
pub use manifest::{How, MANIFEST, Sealed, Subject, is_sealed, seal, seal_day_of};
pub use recompute::{Recomputed, recompute};
pub use verify::{Checked, Problem, ProblemKind, SealState, Verification, kept, text, verify};
