//! Carries the agent's bundle into a container of the team's: a minimal image has neither bash nor our C library.

use super::bundle::HOME;
use super::errors::{api, hinted};
use crate::stack::StackError;
use bollard::Docker;
use bollard::query_parameters::{DownloadFromContainerOptionsBuilder, UploadToContainerOptionsBuilder};
use futures_util::StreamExt;

/// Copies the bundle from the container `from` into the running container of `service`.
pub(super) async fn carry_bundle(
    docker: &Docker,
    from: String,
    container: &str,
    service: &str,
) -> Result<(), StackError> {
    let operation = format!("copying the shell into `{service}`");
    let what = DownloadFromContainerOptionsBuilder::default().path(HOME).build();
    // From container to container, without ever holding all of it.
    let (chunks, mut arriving) = tokio::sync::mpsc::channel(8);
    let source = docker.clone();
    tokio::spawn(async move {
        let mut download = Box::pin(source.download_from_container(&from, Some(what)));
        while let Some(chunk) = download.next().await {
            if chunks.send(chunk.map_err(std::io::Error::other)).await.is_err() {
                return;
            }
        }
    });
    let archive = bollard::body_try_stream(futures_util::stream::poll_fn(move |cx| arriving.poll_recv(cx)));
    let to = UploadToContainerOptionsBuilder::default().path("/").build();
    let upload = docker.upload_to_container(container, Some(to), archive).await;
    upload.map_err(|error| {
        let cause = error.to_string();
        if cause.contains("read-only") {
            let hint = format!("`{service}` has a read-only root file system: let its steps run in the toolbox");
            hinted(operation, cause, hint)
        } else {
            api(operation)(error)
        }
    })
}
