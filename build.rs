//! Makes JSON of the table of programs: YAML is for the people who write it, and takes ten times as long to read at each start.
//! Lists the presets of faults that are shipped: the files of a folder.

use std::error::Error;
use std::path::Path;

const TABLE: &str = "src/programs/programs.yaml";
const PRESETS: &str = "faults";

fn main() -> Result<(), Box<dyn Error>> {
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
