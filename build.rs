//! Makes JSON of the table of programs: YAML is for the people who write it, and takes ten times as long to read at each start.
//! Lists the presets of faults that are shipped: the files of a folder. Names the build by its sources.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

const TABLE: &str = "src/programs/programs.yaml";
const PRESETS: &str = "faults";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rustc-env=FIREDRILL_SOURCES={:016x}", fingerprint(sources(Path::new("src"))?)?);
    println!("cargo::rerun-if-changed={TABLE}");
    let table: serde_json::Value = serde_yaml::from_str(&std::fs::read_to_string(TABLE)?)?;
    let folder = std::env::var_os("OUT_DIR").ok_or("Cargo names no folder")?;
    std::fs::write(Path::new(&folder).join("programs.json"), table.to_string())?;
    println!("cargo::rerun-if-changed={PRESETS}");
    let mut presets = Vec::new();
    for file in std::fs::read_dir(PRESETS)? {
        let path = file?.path().canonicalize()?;
        // Not what an editor leaves beside them.
        if path.extension().is_some_and(|ending| ending == "yaml") {
            presets.push(format!("({:?}, include_str!({path:?}))", path.file_stem().unwrap_or_default()));
        }
    }
    presets.sort();
    Ok(std::fs::write(Path::new(&folder).join("presets.rs"), format!("&[{}]", presets.join(", ")))?)
}

/// The files below a folder of which the program is made (Rust, scripts, tables, templates), in an order that is the same on every machine.
fn sources(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        match path.is_dir() {
            // Of tests, which are no part of a build.
            true if name == "snapshots" => {}
            true => files.extend(sources(&path)?),
            // What an editor leaves beside them.
            false if name.starts_with('.') || name.ends_with('~') => {}
            false => files.push(path),
        }
    }
    files.sort();
    Ok(files)
}

/// FNV-1a of their texts, whose lines may end otherwise on another machine. What the standard library has differs between versions of Rust.
fn fingerprint(files: Vec<PathBuf>) -> io::Result<u64> {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    for file in files {
        // Not the folder: a snapshot below it would have all of it compiled again.
        println!("cargo::rerun-if-changed={}", file.display());
        let text = std::fs::read(file)?;
        let bytes = text.iter().filter(|byte| **byte != b'\r');
        hash = bytes.fold(hash, |hash: u64, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    }
    Ok(hash)
}
