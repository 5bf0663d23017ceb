//! A Compose project of a test's own, started for a run of its own and taken down whatever happens.

use firedrill::stack::compose::{ComposePlatform, ComposeStack};
use firedrill::stack::{ResolvedStack, RunIdentity, Stack, StackError, StackOptions, StackRequest, StackUp};
use std::os::unix::fs::DirBuilderExt;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// A Compose project in a directory of its own, and the directory of its run.
pub struct Project {
    pub dir: TempDir,
    pub run: RunIdentity,
    pub spec: StackRequest,
}

impl Project {
    pub fn new(name: &str, compose: &str) -> Project {
        let dir = tempfile::tempdir().unwrap();
        let id = format!("20260101T000000Z-t-{name}-{:08x}", rand());
        let run = RunIdentity { dir: dir.path().join(&id), id, keep: false };
        std::fs::DirBuilder::new().mode(0o700).create(&run.dir).unwrap();
        let spec = StackRequest {
            file: dir.path().join("compose.yaml"),
            root: dir.path().to_path_buf(),
            up_within: Duration::from_secs(180),
            ..StackRequest::default()
        };
        let project = Project { dir, run, spec };
        project.file("compose.yaml", compose);
        project
    }

    pub fn file(&self, path: &str, text: &str) {
        let path = self.dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn options() -> StackOptions {
        StackOptions { executable: Some(env!("CARGO_BIN_EXE_firedrill").into()), ..StackOptions::default() }
    }

    /// Makes its images, and starts nothing.
    pub async fn prepare(&self) {
        let model = ComposePlatform::default().model(&self.spec).await.unwrap();
        model.prepare(&self.run, &Self::options(), &CancellationToken::new()).await.unwrap();
    }

    pub async fn stack(&self) -> ComposeStack {
        let model = ComposePlatform::default().model(&self.spec).await.unwrap();
        model.of_drill(&self.run, &Self::options()).await.unwrap()
    }
}

/// Different in every process and call; tests run side by side on one engine.
pub fn rand() -> u32 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish() as u32
}

pub fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)).trim().to_string()
}

/// Containers, networks and volumes of a run, and of its project.
pub fn left(run: &str, project: &str) -> String {
    let mut all = String::new();
    for label in [format!("label=dev.firedrill.run={run}"), format!("label=com.docker.compose.project={project}")] {
        all += &docker(&["ps", "-aq", "--filter", &label]);
        all += &docker(&["network", "ls", "-q", "--filter", &label]);
        all += &docker(&["volume", "ls", "-q", "--filter", &label]);
    }
    all
}

/// Takes a stack down whatever happened in between, then lets the panic go on.
pub async fn with_stack<T>(stack: &ComposeStack, run: &str, body: impl AsyncFnOnce(&ComposeStack, StackUp) -> T) -> T {
    use futures_util::FutureExt;
    let cancel = CancellationToken::new();
    let up = stack.up(&cancel).await;
    let result = match up {
        Ok(up) => Ok(std::panic::AssertUnwindSafe(body(stack, up)).catch_unwind().await),
        Err(error) => Err(error),
    };
    let down = stack.down().await.unwrap();
    assert_eq!(down.left, Vec::<String>::new());
    assert_eq!(left(run, &stack.project), "");
    match result {
        Ok(Ok(value)) => value,
        Ok(Err(panic)) => std::panic::resume_unwind(panic),
        Err(StackError::Build { reason, tail }) => panic!("{reason}\n{tail}"),
        Err(StackError::Unhealthy { service, reason, tail }) => panic!("{service}: {reason}\n{tail}"),
        Err(error) => panic!("{error:?}"),
    }
}

/// Starts a stack that cannot come up, and takes it down whatever came of it.
pub async fn refused_up(stack: &ComposeStack) -> StackError {
    let up = stack.up(&CancellationToken::new()).await;
    assert_eq!(stack.down().await.unwrap().left, Vec::<String>::new());
    up.unwrap_err()
}

pub fn only(stack_containers: &[firedrill::stack::ContainerState]) -> &firedrill::stack::ContainerState {
    assert_eq!(stack_containers.len(), 1, "{stack_containers:?}");
    &stack_containers[0]
}
