//! Files of events: one JSON object a line, written whole and read as far as they go.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, BufRead, Write};

/// Appends a value as a line of its own.
pub(super) fn write_line(file: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    file.write_all(&line)
}

/// The values of all lines; an error says in words which line cannot be read. Empty lines are left out, and a reader that fails
/// ends the file there.
pub(super) fn read_lines<T: DeserializeOwned>(mut reader: impl BufRead) -> impl Iterator<Item = Result<T, String>> {
    let (mut line, mut number, mut failed) = (Vec::new(), 0_u64, false);
    std::iter::from_fn(move || {
        while !failed {
            line.clear();
            number += 1;
            match reader.read_until(b'\n', &mut line) {
                Ok(0) => return None,
                Ok(_) if line.trim_ascii().is_empty() => continue,
                Ok(_) => {}
                Err(error) => {
                    failed = true;
                    return Some(Err(format!("line {number} could not be read: {error}")));
                }
            }
            return Some(serde_json::from_slice(line.trim_ascii()).map_err(|error| match line.ends_with(b"\n") {
                false => format!("line {number} is torn: the run was cut off there"),
                true => format!("line {number} is no event: {error}"),
            }));
        }
        None
    })
}
