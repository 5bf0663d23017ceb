//! Commands that faults run in a service: they end with whoever waits for them, and what they leave on purpose stays.

use crate::rig::{Project, with_stack};
use firedrill::stack::Stack;
use firedrill::stack::compose::ComposeStack;
use std::time::{Duration, Instant};

const COMPOSE: &str = "
services:
  web:
    image: debian:bookworm-slim
    init: true
    command: [tail, -f, /dev/null]
";

fn sh(script: &str) -> Vec<String> {
    ["sh", "-c", script].map(str::to_string).to_vec()
}

/// Polls until so many processes named `sleep` run in the service.
async fn sleepers(stack: &ComposeStack, wanted: &str) {
    let began = Instant::now();
    loop {
        let count = sh("cat /proc/[0-9]*/comm | grep -cx sleep");
        let found = stack.exec("web", &count, Duration::from_secs(20)).await.unwrap().output;
        if found.trim() == wanted {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{found} of {wanted}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_ends_with_whoever_waits_for_it_and_what_it_leaves_running_stays() {
    let project = Project::new("commands", COMPOSE);
    let stack = project.stack().await;
    with_stack(&stack, &project.run.id, async |stack, _| {
        let minute = Duration::from_secs(60);
        // Past its time: with its jobs, those too that have a process group of their own.
        let script = "sleep 4321 & bash -c 'set -m; sleep 4321 & wait' & sleep 4321";
        let error = stack.exec("web", &sh(script), Duration::from_secs(10)).await.unwrap_err().to_string();
        assert_eq!(error, "running a command in `web`: it did not end within 10 s and was ended");
        sleepers(stack, "0").await;

        // The runner is dead, or waits no more: its end of the connection is closed either way.
        let waiting = tokio::spawn({
            let stack = stack.clone();
            async move { stack.exec("web", &sh("sleep 4321; sleep 4321"), minute).await }
        });
        sleepers(stack, "1").await;
        waiting.abort();
        sleepers(stack, "0").await;

        // One that ends by itself: its exit code, both streams, nothing to read; and a process that is part of the fault.
        let script = "cat; echo out; echo err >&2; sleep 4321 >/dev/null 2>&1 & exit 7";
        let ended = stack.exec("web", &sh(script), minute).await.unwrap();
        assert_eq!(ended.code, 7);
        let mut lines: Vec<&str> = ended.output.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["err", "out"]);
        sleepers(stack, "1").await;

        // A command that is not there is still told as one.
        let missing = stack.exec("web", &["no-such-command".to_string()], minute).await.unwrap();
        assert_eq!(missing.code, 127, "{missing:?}");
    })
    .await;
}
