//! Which programs there are where steps run, read from the images: for `check`, which starts nothing. A container is
//! created for one look, never started, and asked file by file.

use super::builds;
use super::endpoint::Endpoint;
use super::errors::api;
use super::model::ResolvedModel;
use super::owner::labels_of_image;
use super::{containers, images, labels};
use crate::record::random_hex;
use crate::stack::{MissingPrograms, Place, StackRequest, StackResult};
use bollard::Docker;
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::CreateContainerOptionsBuilder;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What its containers are for, in the label `ROLE`.
const ROLE: &str = "look";
/// How their names begin.
const NAME: &str = "fd-look-";
/// A container that is older than this, in seconds, was left by a `check` that was killed.
const STALE: i64 = 60;
/// Where a shell looks when nobody says anything else.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The images that steps of one stack run in.
#[derive(Debug)]
pub(super) struct StepImages {
    toolbox: String,
    built: BTreeMap<String, String>,
}

/// Image id and `PATH` → the programs that were looked for there, and whether they are. One for all stacks.
pub(super) type KnownPrograms = HashMap<(String, String), BTreeMap<String, bool>>;

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

    /// Those of `wanted` that are not in a place; `None` when its image is not on this machine.
    ///
    /// # Errors
    /// `Environment` when the engine does not answer.
    pub(super) async fn missing(
        &self,
        docker: &Docker,
        model: &ResolvedModel,
        known: &mut KnownPrograms,
        place: &Place,
        wanted: &BTreeSet<String>,
    ) -> MissingPrograms {
        let (image, path) = match place {
            Place::Toolbox => (Some(self.toolbox.clone()), None),
            Place::Service(service) => {
                let named = model.image_of(service).filter(|_| model.service(service).get("build").is_none());
                (self.built.get(service).cloned().or(named), model.environment(service).remove("PATH"))
            }
        };
        let Some(name) = image else { return Ok(None) };
        let Some(image) = images::inspect(docker, &name).await? else { return Ok(None) };
        let id = image.id.unwrap_or_default();
        let env = image.config.and_then(|config| config.env).unwrap_or_default();
        let of_image = env.iter().find_map(|entry| entry.strip_prefix("PATH=")).map(str::to_string);
        let path = path.or(of_image).unwrap_or_else(|| PATH.to_string());
        let known = known.entry((id.clone(), path.clone())).or_default();
        let new: Vec<&String> = wanted.iter().filter(|program| !known.contains_key(*program)).collect();
        if !new.is_empty() {
            known.extend(look(docker, &id, &path, &new).await?);
        }
        Ok(Some(wanted.iter().filter(|program| known.get(*program) != Some(&true)).cloned().collect()))
    }
}

/// Whether each program is in a directory of `path`.
async fn look(docker: &Docker, image: &str, path: &str, programs: &[&String]) -> StackResult<BTreeMap<String, bool>> {
    let operation = "looking for programs in an image";
    remove_stale(docker).await;
    let body = ContainerCreateBody {
        image: Some(image.to_string()),
        entrypoint: Some(vec!["true".into()]),
        labels: Some(HashMap::from([(labels::ROLE.to_string(), ROLE.to_string())])),
        ..ContainerCreateBody::default()
    };
    let named = CreateContainerOptionsBuilder::default().name(&look_names().0).build();
    let made = docker.create_container(Some(named), body).await.map_err(api(operation))?;
    let dirs: Vec<&str> = path.split(':').filter(|dir| dir.starts_with('/')).collect();
    let looking = async {
        let mut found = BTreeMap::new();
        for program in programs {
            // Side by side, for each is a request of its own.
            let asked = dirs.iter().map(|dir| is_there(docker, &made.id, format!("{dir}/{program}")));
            let answers = futures_util::future::try_join_all(asked).await.map_err(api(operation))?;
            found.insert((*program).clone(), answers.contains(&true));
        }
        Ok(found)
    };
    let found = looking.await;
    containers::remove(docker, &made.id, true).await;
    found
}

async fn is_there(docker: &Docker, container: &str, path: String) -> Result<bool, bollard::errors::Error> {
    Ok(containers::path_in(docker, container, &path).await?.is_some())
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
