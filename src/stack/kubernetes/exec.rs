//! Commands in Pods by the API's `exec`: as a channel of lines, and run to their end. The process sees end-of-file as soon as the
//! runner is gone, however it went: the API server closes the stream with the connection.
//!
//! API servers before 1.29 (protocol `v4.channel.k8s.io`) cannot be told that standard input ends without ending the connection:
//! what a command is to read is sent with its length, and the rest of the stream stays open as the lease.

use super::namespace::{ClusterNamespace, api, environment, hinted};
use crate::record::Stream;
use crate::stack::channel::{BOUNDED, FIRST_LINE, LAST_LINES, bounded, keep};
use crate::stack::{CallOutput, Channel, ExecResult, FullOutput, StackResult};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::api::{Api, AttachParams, AttachedProcess};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio_util::io::ReaderStream;

/// A line that is longer is handed on in pieces.
const MAX_LINE: usize = 1024 * 1024;
/// Takes as many bytes of standard input as are announced, and gives them to the command as its own.
const WITH_INPUT: &str = include_str!("input.sh");

/// A container of a Pod.
#[derive(Debug)]
pub(super) struct PodTarget {
    pods: Api<Pod>,
    /// Name of the Pod.
    pub pod: String,
    container: String,
}

impl ClusterNamespace {
    /// A container of one of its Pods.
    pub(super) fn container(&self, pod: &str, container: &str) -> PodTarget {
        PodTarget { pods: self.pods(), pod: pod.into(), container: container.into() }
    }
}

/// Commands in it.
impl PodTarget {
    async fn start(&self, command: &[String]) -> kube::Result<AttachedProcess> {
        let params = AttachParams::default().container(&self.container).stdin(true).stdout(true).stderr(true);
        self.pods.exec(&self.pod, command, &params).await
    }

    /// Starts a command and waits until it says its first line, which stays in the channel.
    pub(super) async fn open(&self, command: &[String], what: &str) -> StackResult<Channel> {
        let operation = format!("starting {what}");
        let mut process = self.start(command).await.map_err(api(operation.as_str()))?;
        let closed = || environment(operation.as_str(), "the cluster did not attach to it");
        let stdout = process.stdout().ok_or_else(closed)?;
        let stdin = process.stdin().ok_or_else(closed)?;
        let mut stderr = process.stderr().ok_or_else(closed)?;
        let status = process.take_status();
        let complaint = tokio::spawn(async move {
            let mut kept = Vec::new();
            // A stream that breaks off has said what it had to say.
            let _ = take(Some(&mut stderr), &mut kept, false).await;
            kept
        });
        // The connection goes with the process, and whatever still runs in the Pod sees the end of its input.
        match Channel::open(stdout, stdin, process, LAST_LINES).await {
            Ok(channel) => Ok(channel),
            Err(None) => Err(environment(operation, format!("it said nothing within {} s", FIRST_LINE.as_secs()))),
            Err(Some(said)) => {
                let complaint = tokio::time::timeout(LAST_LINES, complaint).await.ok().and_then(Result::ok);
                let complaint = String::from_utf8_lossy(&complaint.unwrap_or_default()).into_owned();
                let message = ended(status).await.and_then(|status| status.message).unwrap_or_default();
                let cause = format!("{} {} {message}", said.trim(), complaint.trim());
                let hint = "can the image be run on the cluster's nodes? is it for another machine?";
                Err(hinted(operation, cause.trim(), hint))
            }
        }
    }

    /// Runs a command; past its time, and when nobody waits any more, it is ended. Standard output is taken `whole`, up to
    /// [`crate::stack::MOST_OUTPUT`], or the end of it: what was written until then is evidence all the same.
    pub(super) async fn run(&self, command: &[String], operation: &str, whole: bool, within: Duration) -> ExecResult {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let running = async {
            let mut process = self.start(&bounded(command)).await.map_err(api(operation))?;
            let lease = process.stdin();
            let (out, err) = (process.stdout(), process.stderr());
            let reading = async { tokio::try_join!(take(out, &mut stdout, whole), take(err, &mut stderr, false)) };
            reading.await.map_err(|cause| environment(operation, cause))?;
            let code = exit_code(ended(process.take_status()).await).map_err(|cause| environment(operation, cause));
            drop(lease);
            code
        };
        let code = tokio::time::timeout(within, running).await.ok().transpose()?;
        let container = self.pod.clone();
        Ok(FullOutput { container, code, stdout, stderr: String::from_utf8_lossy(&stderr).into_owned() })
    }

    /// Runs a command that a step called, with `input` as its standard input; what it writes goes to `out` as it comes, `change`d.
    pub(super) async fn run_call(
        &self,
        command: &[String],
        input: &[u8],
        out: &CallOutput,
        change: impl Fn(Bytes) -> Bytes + Copy,
    ) -> StackResult<i32> {
        let operation = "kubectl";
        let length = input.len().to_string();
        let wrapped = ["sh", "-c", WITH_INPUT, "sh", &length, BOUNDED].map(str::to_string);
        let mut process = self.start(&[&wrapped[..], command].concat()).await.map_err(api(operation))?;
        let mut lease = process.stdin();
        if let Some(stdin) = &mut lease {
            let failed = |error: std::io::Error| environment(operation, error);
            stdin.write_all(input).await.map_err(failed)?;
            stdin.flush().await.map_err(failed)?;
        }
        let (stdout, stderr) = (process.stdout(), process.stderr());
        let (stdout, stderr) = (pass(stdout, Stream::Stdout, out, change), pass(stderr, Stream::Stderr, out, change));
        tokio::join!(stdout, stderr);
        let code = exit_code(ended(process.take_status()).await).map_err(|cause| environment(operation, cause));
        drop(lease);
        code.map(|code| i32::try_from(code).unwrap_or(1))
    }
}

/// What the API server says of the end of a command.
async fn ended(status: Option<impl Future<Output = Option<Status>>>) -> Option<Status> {
    tokio::time::timeout(LAST_LINES, status?).await.ok().flatten()
}

/// The exit code in a status of `exec`, as `k8s.io/apimachinery/pkg/util/remotecommand` writes it: `NonZeroExitCode` with a cause `ExitCode`.
fn exit_code(status: Option<Status>) -> Result<i64, String> {
    let Some(status) = status else { return Err("the connection to the Pod ended before the command".into()) };
    if status.status.as_deref() == Some("Success") {
        return Ok(0);
    }
    let mut causes = status.details.iter().flat_map(|details| &details.causes).flatten();
    let code = causes.find(|cause| cause.reason.as_deref() == Some("ExitCode"));
    let code = code.and_then(|cause| cause.message.as_deref()?.parse().ok());
    code.ok_or_else(|| status.message.unwrap_or_else(|| "it could not be run".into()))
}

/// Reads a stream to its end, whole or the end of it.
async fn take(from: Option<impl AsyncRead + Unpin>, into: &mut Vec<u8>, whole: bool) -> Result<(), String> {
    let Some(from) = from else { return Ok(()) };
    let mut pieces = ReaderStream::with_capacity(from, 32 * 1024);
    while let Some(piece) = pieces.next().await {
        keep(into, &piece.map_err(|error| error.to_string())?, whole)?;
    }
    Ok(())
}

/// Hands a stream on, in whole lines as far as they are not too long.
async fn pass(from: Option<impl AsyncRead + Unpin>, stream: Stream, out: &CallOutput, change: impl Fn(Bytes) -> Bytes) {
    let Some(mut from) = from else { return };
    let mut pending = BytesMut::new();
    loop {
        pending.reserve(32 * 1024);
        let is_over = from.read_buf(&mut pending).await.unwrap_or(0) == 0;
        let lines = || pending.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let until = if is_over || pending.len() > MAX_LINE { pending.len() } else { lines() };
        let ready = pending.split_to(until).freeze();
        if (!ready.is_empty() && !out.write(stream, change(ready)).await) || is_over {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_is_read_from_the_status() {
        let status = |text: &str| serde_json::from_str::<Status>(text).ok();
        assert_eq!(exit_code(status(r#"{"status":"Success"}"#)), Ok(0));
        let failed = r#"{"status":"Failure","reason":"NonZeroExitCode","message":"command terminated with non-zero exit code",
            "details":{"causes":[{"reason":"ExitCode","message":"7"}]}}"#;
        assert_eq!(exit_code(status(failed)), Ok(7));
        let refused = r#"{"status":"Failure","message":"container not found"}"#;
        assert_eq!(exit_code(status(refused)), Err("container not found".into()));
        assert!(exit_code(None).is_err());
    }
}
