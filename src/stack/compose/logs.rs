//! Container logs: whole, into files of the run directory, and their last lines for messages.

use super::containers;
use super::errors::environment;
use super::labels;
use crate::output::{log_line, log_lines, terminal_lines, whole_characters};
use crate::record::{Redactor, StreamRedactor};
use crate::stack::StackResult;
use bollard::Docker;
use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::StreamExt;
use std::path::Path;
use tokio::io::{AsyncWriteExt, BufWriter};

/// A container that writes more keeps its first part; the file says so at its end.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// A line that is longer is written piece by piece.
const MAX_LINE: usize = 256 * 1024;
/// Length of the time that the engine puts before each piece of a log, with the space behind it:
/// `2026-11-20T06:41:12.123456789Z `.
const STAMP: usize = 31;

/// The last lines of a container's log, both streams together, without secrets and controls. Empty when there are none to be had.
pub(super) async fn tail(docker: &Docker, id: &str, lines: usize, redactor: &Redactor) -> String {
    let options = LogsOptionsBuilder::default().stdout(true).stderr(true).tail(&lines.to_string()).build();
    let mut stream = docker.logs(id, Some(options));
    let mut text = Vec::new();
    while text.len() <= MAX_LINE
        && let Some(Ok(frame)) = stream.next().await
    {
        text.extend_from_slice(&frame.into_bytes());
    }
    let mut redactor = redactor.stream();
    let mut clean = redactor.push(&String::from_utf8_lossy(&text));
    // Where it is cut off, the end may be the first half of a secret.
    if text.len() <= MAX_LINE {
        clean.push_str(&redactor.finish());
    }
    terminal_lines(clean.trim_end()).join("\n")
}

/// Writes the log of every container of a project into `<dir>/<service>-<number>.log`, each line with the time at
/// which the engine saw it. One log that cannot be read does not keep the others from being written.
pub(super) async fn save(docker: &Docker, project: &str, dir: &Path, redactor: &Redactor) -> StackResult<()> {
    let creating = format!("creating {}", dir.display());
    crate::record::no_link(dir).map_err(|error| environment(creating.clone(), error))?;
    tokio::fs::create_dir_all(dir).await.map_err(|error| environment(creating, error))?;
    let mut first_error = None;
    for container in containers::list(docker, &[(labels::PROJECT, Some(project))]).await? {
        let label = |key| containers::listed_label(&container, key);
        let id = container.id.clone().unwrap_or_default();
        let name = match (label(labels::SERVICE), label(labels::NUMBER), label(labels::ONEOFF)) {
            (Some(service), Some(number), Some("False")) => format!("{service}-{number}"),
            (Some(service), ..) => format!("{service}-run-{}", id.get(..8).unwrap_or(&id)),
            _ => id.clone(),
        };
        let path = dir.join(format!("{}.log", name.replace(['/', '\\'], "_")));
        if let Err(error) = save_one(docker, &id, &path, redactor).await {
            first_error.get_or_insert_with(|| environment(format!("writing {}", path.display()), error));
        }
    }
    first_error.map_or(Ok(()), Err)
}

async fn save_one(docker: &Docker, id: &str, path: &Path, redactor: &Redactor) -> std::io::Result<()> {
    // Anew, so that nothing is written through what is there.
    let _ = tokio::fs::remove_file(path).await;
    let mut file = BufWriter::new(tokio::fs::File::create_new(path).await?);
    let options = LogsOptionsBuilder::default().stdout(true).stderr(true).timestamps(true).build();
    let mut stream = docker.logs(id, Some(options));
    let (mut written, mut out, mut err) = (0u64, LogPieces::new(redactor), LogPieces::new(redactor));
    while let Some(frame) = stream.next().await {
        let (pieces, frame) = match frame {
            Ok(LogOutput::StdErr { message }) => (&mut err, message),
            Ok(frame) => (&mut out, frame.into_bytes()),
            // Some log drivers cannot be read; the file then says why it is empty.
            Err(error) => {
                let note = log_line(&format!("[the log cannot be read: {error}]")) + "\n";
                file.write_all(note.as_bytes()).await?;
                break;
            }
        };
        written += frame.len() as u64;
        file.write_all(pieces.push(&frame).as_bytes()).await?;
        if written > MAX_BYTES {
            // What was not written yet may end in the first half of a secret.
            let note = format!("[cut here after {} MiB]\n", MAX_BYTES / 1024 / 1024);
            file.write_all(note.as_bytes()).await?;
            return file.flush().await;
        }
    }
    for mut pieces in [out, err] {
        file.write_all(pieces.finish().as_bytes()).await?;
    }
    file.flush().await
}

/// One stream of a log, put together from the pieces in which the engine sends it. It cuts long lines every 16 KiB and
/// puts a time before each piece: neither may keep a secret from being seen.
struct LogPieces {
    pending: Vec<u8>,
    redactor: StreamRedactor,
    /// The last piece did not end its line.
    open: bool,
    /// What was written last did not end its line.
    amid: bool,
}

impl LogPieces {
    fn new(redactor: &Redactor) -> LogPieces {
        LogPieces { pending: Vec::new(), redactor: redactor.stream(), open: false, amid: false }
    }

    /// Takes the next piece; returns what can be written by now: whole lines, unless one is very long.
    fn push(&mut self, piece: &[u8]) -> String {
        let rest = if self.open { without_stamp(piece) } else { piece };
        self.pending.extend_from_slice(rest);
        self.open = piece.last().is_some_and(|byte| *byte != b'\n');
        let end = match self.pending.iter().rposition(|byte| *byte == b'\n') {
            Some(at) => at + 1,
            None if self.pending.len() > MAX_LINE => whole_characters(&self.pending),
            None => return String::new(),
        };
        let text: Vec<u8> = self.pending.drain(..end).collect();
        let clean = self.redactor.push(&String::from_utf8_lossy(&text));
        self.harmless(&clean)
    }

    /// The end of the stream.
    fn finish(&mut self) -> String {
        let text = std::mem::take(&mut self.pending);
        let mut clean = self.redactor.push(&String::from_utf8_lossy(&text));
        clean.push_str(&self.redactor.finish());
        self.harmless(&clean)
    }

    /// The same text, which does nothing where the log is shown.
    fn harmless(&mut self, text: &str) -> String {
        // What goes on with a line begins none.
        let before = if self.amid { "." } else { "" };
        if let Some(last) = text.chars().next_back() {
            self.amid = last != '\n';
        }
        log_lines(&format!("{before}{text}")).split_off(before.len())
    }
}

/// A piece without the time before it.
fn without_stamp(piece: &[u8]) -> &[u8] {
    match piece.split_at_checked(STAMP) {
        Some((stamp, rest)) if stamp.ends_with(b"Z ") && stamp.get(10) == Some(&b'T') => rest,
        _ => piece,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECRET: &str = "hunter2-the-säcret";

    fn redactor() -> Redactor {
        Redactor::new([SECRET.to_string()])
    }

    #[test]
    fn a_secret_across_the_pieces_of_a_very_long_line_is_hidden() {
        let mut pieces = LogPieces::new(&redactor());
        let long = "x".repeat(MAX_LINE - 5);
        let mut written = pieces.push(format!("2026-11-20T06:41:12.123456789Z {long}").as_bytes());
        for byte in SECRET.as_bytes() {
            let mut piece = b"2026-11-20T06:41:13.123456789Z ".to_vec();
            piece.push(*byte);
            written += &pieces.push(&piece);
        }
        written += &pieces.push(b"2026-11-20T06:41:13.123456789Z  end\n2026-11-20T06:41:14.123456789Z next\n");
        written += &pieces.finish();
        assert!(
            written.starts_with("2026-11-20T06:41:12")
                && written.ends_with("*** end\n2026-11-20T06:41:14.123456789Z next\n")
        );
        assert_eq!(written.len(), STAMP + long.len() + "*** end\n".len() + STAMP + "next\n".len());
    }

    #[test]
    fn a_log_of_a_container_does_nothing_where_it_is_shown() {
        let mut pieces = LogPieces::new(&redactor());
        let mut written = pieces
            .push(b"2026-11-20T06:41:12.123456789Z \x1b[2Jready\r\n2026-11-20T06:41:12.123456789Z a ##[group]b\n");
        // Without a time of the engine's before it, as some drivers have it.
        written += &pieces.push(b"  ::stop-commands::x\nstd");
        written += &pieces.push(b"::fmt\n");
        written += &pieces.finish();
        let expected = "2026-11-20T06:41:12.123456789Z \u{241b}[2Jready\n2026-11-20T06:41:12.123456789Z a # #[group]b\n\
                        \x20 : :stop-commands::x\nstd::fmt\n";
        assert_eq!(written, expected);
    }

    proptest! {
        #[test]
        fn however_a_log_is_cut_nothing_is_lost_and_no_secret_shows(
            before in "[a-z\n]{0,20}", after in "[a-z\n]{0,20}", size in 1usize..9,
        ) {
            let text = format!("{before}{SECRET}{after}");
            let mut pieces = LogPieces::new(&redactor());
            let mut written: String = text.as_bytes().chunks(size).map(|piece| pieces.push(piece)).collect();
            written += &pieces.finish();
            prop_assert_eq!(written, format!("{before}***{after}"));
        }
    }
}
