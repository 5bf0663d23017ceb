//! Makes JSON of the table of programs: YAML is for the people who write it, and takes ten times as long to read at each start.
//! Lists the presets of faults that are shipped: the files of a folder. Makes a macro of the lists of words. Names the build by its sources.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

const TABLE: &str = "src/programs/programs.yaml";
const PRESETS: &str = "faults";

fn main() -> Result<(), Box<dyn Error>> {
    let sources = sources(Path::new("src"))?;
    let folder = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("Cargo names no folder")?);
    std::fs::write(folder.join("words.rs"), words(&sources)?)?;
    println!("cargo::rustc-env=FIREDRILL_SOURCES={:016x}", fingerprint(sources)?);
    println!("cargo::rerun-if-changed={TABLE}");
    let table: serde_json::Value = serde_yaml::from_str(&std::fs::read_to_string(TABLE)?)?;
    std::fs::write(folder.join("programs.json"), table.to_string())?;
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
    Ok(std::fs::write(folder.join("presets.rs"), format!("&[{}]", presets.join(", ")))?)
}

/// A macro `words!` that stands for the text of a list by its name. A `words.txt` has each list below a line with its name and what it is,
/// up to an empty line.
fn words(sources: &[PathBuf]) -> Result<String, Box<dyn Error>> {
    let mut arms = BTreeMap::new();
    for path in sources.iter().filter(|path| path.ends_with("words.txt")) {
        // What stands above the first empty line is about the file.
        for list in std::fs::read_to_string(path)?.split("\n\n").skip(1) {
            let (head, text) =
                list.split_once('\n').ok_or_else(|| format!("{}: a list is empty: {list}", path.display()))?;
            let (name, _) =
                head.split_once(": ").ok_or_else(|| format!("{}: a list has no name: {head}", path.display()))?;
            if arms.insert(name.to_string(), format!("\n{}", text.trim_end_matches('\n'))).is_some() {
                return Err(format!("{}: there is another list `{name}`", path.display()).into());
            }
        }
    }
    let arms = arms.iter().map(|(name, text)| format!("({name:?}) => {{ {:?} }};\n", text));
    Ok(format!("macro_rules! words {{\n{}}}\n", arms.collect::<String>()))
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
