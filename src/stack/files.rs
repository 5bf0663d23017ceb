//! Files of a service that are damaged on purpose: what is asked for, what there was to damage, and how it is seen again.
//! As data, because it is carried out by an executable of its own beside the service's volumes.

use serde::{Deserialize, Serialize};

/// How a file is damaged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Harm {
    /// It goes; of a directory its content does.
    Remove,
    /// Its end goes.
    Truncate {
        /// How much stays.
        to: Cut,
    },
    /// One byte is inverted.
    Flip {
        /// Which one.
        at: BytePosition,
    },
}

/// How much of a file stays.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cut {
    /// A share of its size, 0 or more and less than 1.
    Share(f64),
    /// So many bytes.
    Bytes(u64),
}

/// A byte of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BytePosition {
    /// The one at this offset, from 0.
    Offset(u64),
    /// The first one of the first occurrence of this text.
    Text(String),
}

/// A damage in its figures: what it takes away and how it is known again. Found before it is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Damage {
    /// What was there goes.
    Removed {
        /// Whether it is a directory, which stays.
        directory: bool,
        /// Files that were there.
        files: u64,
        /// Their bytes.
        bytes: u64,
    },
    /// The end goes.
    Truncated {
        /// Size before, in bytes.
        from: u64,
        /// Size afterwards, in bytes.
        to: u64,
        /// SHA-256, in hex, of what then are the last bytes (at most 64 KiB).
        sha256: String,
        /// SHA-256, in hex, of the bytes (at most 64 KiB) up to 64 KiB behind the cut, or to where the file ended before.
        #[serde(default)]
        lost: String,
    },
    /// A byte is inverted.
    Flipped {
        /// Its offset, from 0.
        offset: u64,
        /// What it was.
        original: u8,
    },
}

/// What is to be done with a path of a service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FileAsk {
    /// The path as the service's containers have it: absolute, without `..`.
    pub path: String,
    /// What to do.
    pub what: FileDeed,
}

/// What can be done with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileDeed {
    /// Says what a harm would damage; changes nothing.
    Measure(Harm),
    /// Does the damage.
    Damage(Damage),
    /// Says whether the damage is there; changes nothing.
    Look(Damage),
    /// Takes the damage back where it is still there, if that can be done.
    Repair(Damage),
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileAnswer {
    /// To `Measure`.
    Would(Damage),
    /// To `Damage` and `Repair`: it was done, or there was nothing to do; in words.
    Done(String),
    /// To `Look`: the damage is there; the text is the evidence.
    InPlace(String),
    /// To `Look`: it is not; the text is the evidence.
    Gone(String),
}
