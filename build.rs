//! Makes JSON of the table of programs: YAML is for the people who write it, and takes ten times as long to read at each start.

use std::error::Error;
use std::path::Path;

const TABLE: &str = "src/programs/programs.yaml";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={TABLE}");
    let table: serde_json::Value = serde_yaml::from_str(&std::fs::read_to_string(TABLE)?)?;
    let folder = std::env::var_os("OUT_DIR").ok_or("Cargo names no folder")?;
    Ok(std::fs::write(Path::new(&folder).join("programs.json"), table.to_string())?)
}
