//! What is drawn with a game day's seed: the first eight bytes of a SHA-256, so that it is the same on any machine and in any
//! version, and that one scenario more or less changes nothing for the others.

use sha2::{Digest, Sha256};

/// Where a drill comes in a random order: drills are sorted by it.
pub fn place(seed: u64, scenario: &str, repetition: u32) -> u64 {
    drawn("order", seed, scenario, repetition)
}

/// The seed of a drill.
pub fn seed(seed: u64, scenario: &str, repetition: u32) -> u64 {
    drawn("drill", seed, scenario, repetition)
}

fn drawn(what: &str, seed: u64, scenario: &str, repetition: u32) -> u64 {
    let digest = Sha256::digest(format!("{what} {seed} {repetition} {scenario}"));
    digest.iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// These numbers are a promise: a seed in an old report gives the same order in every later version.
    #[test]
    fn the_same_seed_gives_the_same_numbers_for_ever() {
        assert_eq!(place(7, "db-pool", 1), 2_365_037_171_708_591_742);
        assert_eq!(seed(7, "db-pool", 1), 10_824_381_830_304_051_675);
        assert_ne!(seed(7, "db-pool", 1), seed(7, "db-pool", 2));
        assert_ne!(seed(7, "db-pool", 1), seed(8, "db-pool", 1));
    }
}
