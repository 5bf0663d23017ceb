//! Container logs: whole, into files of the run directory, and their last lines for messages.

use super::containers;
use super::errors::environment;
use super::labels;
use crate::stack::StackError;
use bollard::Docker;
use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::StreamExt;
use std::path::Path;
use tokio::io::{AsyncWriteExt, BufWriter};

/// A container that writes more keeps its first part; the file says so at its end.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// Longest line that is cleaned of secrets in one piece.
const MAX_LINE: usize = 256 * 1024;

/// The last lines of a container's log, both streams together, cleaned. Empty when there are none to be had.
pub(super) async fn tail(docker: &Docker, id: &str, lines: usize, clean: impl Fn(&str) -> String) -> String {
    let options = LogsOptionsBuilder::default().stdout(true).stderr(true).tail(&lines.to_string()).build();
    let mut stream = docker.logs(id, Some(options));
    let mut text = Vec::new();
    while let Some(Ok(frame)) = stream.next().await {
        text.extend_from_slice(&frame.into_bytes());
        if text.len() > MAX_LINE {
            break;
        }
    }
    clean(String::from_utf8_lossy(&text).trim_end())
}

/// Writes the log of every container of a project into `<dir>/<service>-<number>.log`, each line with the time at
/// which the engine saw it. One log that cannot be read does not keep the others from being written.
pub(super) async fn save(
    docker: &Docker,
    project: &str,
    dir: &Path,
    clean: &(dyn Fn(&str) -> String + Sync),
) -> Result<(), StackError> {
    let creating = format!("creating {}", dir.display());
    tokio::fs::create_dir_all(dir).await.map_err(|error| environment(creating, error))?;
    let mut first_error = None;
    for container in containers::list(docker, &[(labels::PROJECT, Some(project))]).await? {
        let id = container.id.unwrap_or_default();
        let label = |key: &str| container.labels.as_ref().and_then(|labels| labels.get(key)).cloned();
        let name = match (label(labels::SERVICE), label(labels::NUMBER), label(labels::ONEOFF).as_deref()) {
            (Some(service), Some(number), Some("False")) => format!("{service}-{number}"),
            (Some(service), ..) => format!("{service}-run-{}", id.get(..8).unwrap_or(&id)),
            _ => id.clone(),
        };
        let path = dir.join(format!("{}.log", name.replace(['/', '\\'], "_")));
        if let Err(error) = save_one(docker, &id, &path, clean).await {
            first_error.get_or_insert(error);
        }
    }
    first_error.map_or(Ok(()), Err)
}

async fn save_one(
    docker: &Docker,
    id: &str,
    path: &Path,
    clean: &(dyn Fn(&str) -> String + Sync),
) -> Result<(), StackError> {
    let writing = format!("writing {}", path.display());
    let failed = |error: std::io::Error| environment(&writing, error);
    let mut file = BufWriter::new(tokio::fs::File::create(path).await.map_err(failed)?);
    let options = LogsOptionsBuilder::default().stdout(true).stderr(true).timestamps(true).build();
    let mut stream = docker.logs(id, Some(options));
    let (mut written, mut pending) = (0u64, Vec::new());
    while let Some(frame) = stream.next().await {
        let frame = match frame {
            Ok(frame) => frame.into_bytes(),
            // Some log drivers cannot be read; the file then says why it is empty.
            Err(error) => {
                let note = format!("[the log cannot be read: {error}]\n");
                file.write_all(note.as_bytes()).await.map_err(failed)?;
                break;
            }
        };
        pending.extend_from_slice(&frame);
        // Only whole lines are cleaned, or a secret across two frames would be missed.
        let end = pending.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
        let Some(end) = end.or_else(|| (pending.len() > MAX_LINE).then_some(pending.len())) else { continue };
        let lines: Vec<u8> = pending.drain(..end).collect();
        written += end as u64;
        file.write_all(clean(&String::from_utf8_lossy(&lines)).as_bytes()).await.map_err(failed)?;
        if written > MAX_BYTES {
            let note = format!("[cut here after {} MiB]\n", MAX_BYTES / 1024 / 1024);
            file.write_all(note.as_bytes()).await.map_err(failed)?;
            pending.clear();
            break;
        }
    }
    if !pending.is_empty() {
        file.write_all(clean(&String::from_utf8_lossy(&pending)).as_bytes()).await.map_err(failed)?;
    }
    file.flush().await.map_err(failed)
}
