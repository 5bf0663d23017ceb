//! Which programs there are where steps run, read from the images: for `check`, which starts nothing. A container is
//! created for one look, never started, and asked file by file.

use super::builds;
use super::command::succeeded;
use super::endpoint::Endpoint;
use super::errors::api;
use super::model::ResolvedModel;
use super::owner::labels_of_image;
use super::{containers, images, labels};
use crate::process;
use crate::record::random_hex;
use crate::stack::{StackRequest, StackResult};
use bollard::Docker;
use std::collections::{BTreeMap, HashMap};

/// What its containers are for, in the label `ROLE`.
const ROLE: &str = "look";
/// How their names begin.
const NAME: &str = "fd-look-";
/// A container that is older than this, in seconds, was left by a `check` that was killed.
const STALE: i64 = 60;
/// The `PATH` of a shell for which nothing sets one.
pub(super) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The images that steps of one stack run in.
#[derive(Debug)]
pub(super) struct StepImages {
    /// That of the toolbox.
    pub toolbox: String,
    /// Service → the image that was built for it.
    pub built: BTreeMap<String, String>,
}

/// The programs that were looked for, and whether they are there.
pub(super) type FoundPrograms = BTreeMap<String, bool>;
/// (id of an image, `PATH`) → the programs that were looked for there. Shared by all stacks.
pub(super) type KnownPrograms = HashMap<(String, String), FoundPrograms>;

impl StepImages {
    /// Finds out which images the stack has.
    ///
    /// # Errors
    /// `Environment` when the engine does not answer.
    pub async fn of(endpoint: &Endpoint, model: &ResolvedModel, spec: &StackRequest) -> StackResult<StepImages> {
        let built = builds::plan(&endpoint.docker, model, "check", false).await?;
        let there = |(service, _): &(String, String)| !built.missing.contains(service);
        let toolbox = images::TOOLBOX_IMAGE.base(&endpoint.docker, spec.toolbox_image.as_deref()).await?;
        Ok(StepImages { toolbox, built: built.images.clone().into_iter().filter(there).collect() })
    }
}

/// Whether each program is in a directory of `path`.
pub(super) async fn look(on: &Endpoint, image: &str, path: &str, of: &[&String]) -> StackResult<FoundPrograms> {
    let (operation, docker, (name, label)) = ("looking for programs in an image", &on.docker, look_names());
    remove_stale(docker).await;
    let mut create = on.command();
    create.args(["create", "--pull=never", "--name", &name, "--label", &label, "--entrypoint=true", image]);
    create.env_remove("DOCKER_DEFAULT_PLATFORM");
    succeeded(operation, create, process::TELLS_WITHIN).await?;
    let dirs: Vec<&str> = path.split(':').filter(|dir| dir.starts_with('/')).collect();
    let looking = async {
        let mut found = BTreeMap::new();
        for program in of {
            // Side by side, for each is a request of its own.
            let paths: Vec<String> = dirs.iter().map(|dir| format!("{dir}/{program}")).collect();
            let asked = paths.iter().map(|path| containers::path_in(docker, &name, path));
            let answers = futures_util::future::try_join_all(asked).await.map_err(api(operation))?;
            found.insert((*program).clone(), answers.iter().any(Option::is_some));
        }
        Ok(found)
    };
    let found = looking.await;
    containers::remove(docker, &name, true).await;
    found
}

/// A name for a container of such a look, and the label by which one that stays is found.
pub(super) fn look_names() -> (String, String) {
    (format!("{NAME}{}", random_hex()), format!("{}={ROLE}", labels::ROLE))
}

pub(super) async fn remove_stale(docker: &Docker) {
    let before = time::OffsetDateTime::now_utc().unix_timestamp() - STALE;
    let found = containers::list(docker, &[(labels::ROLE, Some(ROLE))]).await.unwrap_or_default();
    for container in found.into_iter().filter(|container| container.created.is_some_and(|at| at < before)) {
        let named = container.names.iter().flatten().any(|name| name.trim_start_matches('/').starts_with(NAME));
        let of_image = labels_of_image(docker, &container.image_id.unwrap_or_default()).await.ok().flatten();
        // Of no run; otherwise the same rule as everywhere: by its name, and by a label that its image does not have.
        if named && of_image.is_some_and(|labels| labels.get(labels::ROLE).is_none_or(|role| role != ROLE)) {
            containers::remove(docker, &container.id.unwrap_or_default(), true).await;
        }
    }
}
