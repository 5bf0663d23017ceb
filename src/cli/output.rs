//! What a command prints on standard output.

use crate::error::Error;
use std::io::Write;

/// Prints text; a reader that went away (`| head`) is no error.
pub fn print(text: &str) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::harness(format!("writing to standard output: {error}")))
        }
        _ => Ok(()),
    }
}
