//! Whose a container, a network, a volume or an image is. Its label alone does not say it: an image that is made of a container
//! hands the labels on to whatever is started from it, and anybody can write one. So nothing is removed, changed or used
//! because of a label before `Owner::doubt` was asked.

use super::images::TEAMS;
use super::labels::{self, LabelFilter};
use super::{containers, images};
use crate::record::{RunDir, random_hex, slug};
use crate::stack::StackResult;
use bollard::Docker;
use bollard::models::{ContainerInspectResponse, ContainerSummary};
use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, HashMap};
use std::path::Path;

/// Labels of a thing.
pub(super) type Labels = HashMap<String, String>;

/// A run as the owner of what it started. Everything that it starts is named after its id, so nothing else needs to be known, and
/// no file to be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    /// Id of the run.
    pub run: String,
    /// Name of its Compose project: `fd-db-pool-1c2d3e4f`. Short, because names of containers are names in DNS as well, whose
    /// labels end at 63 characters.
    pub project: String,
    /// First characters of a hash of the run's id.
    pub short: String,
}

/// What may be a run's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Container,
    Network,
    Volume,
    Image,
}

impl Kind {
    /// Its name, and the command of Docker's that removes it.
    pub(super) fn words(self) -> (&'static str, &'static str) {
        match self {
            Kind::Container => ("container", "rm --force"),
            Kind::Network => ("network", "network rm"),
            Kind::Volume => ("volume", "volume rm"),
            Kind::Image => ("image", "rmi"),
        }
    }
}

impl Owner {
    /// The owner that a run of this id is.
    pub(super) fn of(run: &str) -> Owner {
        let short = hex::encode(&Sha256::digest(run.as_bytes())[..4]);
        let parts: Vec<&str> = run.split('-').collect();
        // The scenario's name stands between the time and the random end; another kind of id stands for itself.
        let name = match parts[..] {
            [_, ref name @ .., _] if !name.is_empty() => name.join("-"),
            _ => run.to_string(),
        };
        Owner { run: run.to_string(), project: format!("fd-{}-{short}", slug(&name, 24)), short }
    }

    /// Name of the toolbox of a runbook that is followed alone, which is in no Compose project.
    pub(super) fn lone_toolbox(&self) -> String {
        format!("fd-toolbox-{}", self.run)
    }

    /// Name of a container for one look at files, which is in no Compose project either.
    pub(super) fn files(&self) -> String {
        format!("fd-files-{}-{}", self.run, random_hex())
    }

    /// Why something that was found by a label of this run is not its own, or may not be: `None` when it is. It is the run's own when it
    /// has the run's label from whoever made it and not from its image (`of_image` are that one's labels), and is named as the run names
    /// what it starts. `names` are all of its names; it has none while it is being removed.
    pub fn doubt(&self, kind: Kind, names: &[String], labels: &Labels, of_image: Option<&Labels>) -> Option<String> {
        let key = if kind == Kind::Image { labels::IMAGE_RUN } else { labels::RUN };
        let has_label = |labels: &Labels| labels.get(key).is_some_and(|run| *run == self.run);
        if !has_label(labels) {
            return Some("it does not have the label of the run".into());
        }
        if of_image.is_some_and(has_label) {
            return Some("it has the label of the run from its image".into());
        }
        let project = &self.project;
        let in_project = labels.get(labels::PROJECT) == Some(project);
        let begins = |name: &str, with: char| name.strip_prefix(project).is_some_and(|rest| rest.starts_with(with));
        let is_named = |name: &String| {
            let name = name.trim_start_matches('/');
            match kind {
                Kind::Container => {
                    name == self.lone_toolbox()
                        || name.starts_with(&format!("fd-files-{}-", self.run))
                        || (in_project && begins(without_id(name), '-'))
                }
                Kind::Network | Kind::Volume => in_project && begins(name, '_'),
                Kind::Image => name.starts_with(TEAMS) && name.ends_with(&format!(":run-{}", self.short)),
            }
        };
        let named = match kind {
            // Whoever has given it another name as well still needs it.
            Kind::Image => names.iter().all(is_named),
            _ => names.is_empty() || names.iter().any(is_named),
        };
        (!named).then(|| format!("its name or its Compose project is not the run's, which is {project}"))
    }

    /// Why a container is not the run's own, by its names, its labels and the id of its image; `None` where it is.
    async fn doubt_container(&self, docker: &Docker, of: (&[String], &Labels, &str)) -> StackResult<Option<String>> {
        let (names, labels, image) = of;
        let Some(of_image) = labels_of_image(docker, image).await? else {
            return Ok(Some("its image is gone, so that nobody can say whose label it has".into()));
        };
        Ok(self.doubt(Kind::Container, names, labels, Some(&of_image)))
    }

    /// Why a container, as the engine shows it, is not the run's own; `None` where it is.
    pub async fn doubt_inspected(&self, docker: &Docker, of: &ContainerInspectResponse) -> StackResult<Option<String>> {
        let labels = of.config.as_ref().and_then(|config| config.labels.clone()).unwrap_or_default();
        self.doubt_container(docker, (of.name.as_slice(), &labels, of.image.as_deref().unwrap_or_default())).await
    }

    /// The containers with these labels, running or not, each with why it is not the run's own, or may not be.
    ///
    /// # Errors
    /// `Environment` when the engine does not answer.
    pub async fn doubted(&self, docker: &Docker, by: LabelFilter<'_>) -> StackResult<Vec<DoubtedContainer>> {
        let mut found = Vec::new();
        for container in containers::list(docker, by).await? {
            let names = container.names.as_deref().unwrap_or_default();
            let labels = container.labels.clone().unwrap_or_default();
            let image = container.image_id.as_deref().unwrap_or_default();
            let doubt = self.doubt_container(docker, (names, &labels, image)).await?;
            found.push((container, doubt));
        }
        Ok(found)
    }

    /// The containers with these labels, running or not, that are the run's own.
    pub async fn containers(&self, docker: &Docker, by: LabelFilter<'_>) -> StackResult<Vec<ContainerSummary>> {
        let found = self.doubted(docker, by).await?.into_iter();
        Ok(found.filter(|(_, doubt)| doubt.is_none()).map(|(container, _)| container).collect())
    }

    /// The run's own containers of a service.
    pub async fn of_service(&self, docker: &Docker, service: &str) -> StackResult<Vec<ContainerSummary>> {
        self.containers(docker, &[(labels::RUN, Some(&self.run)), (labels::SERVICE, Some(service))]).await
    }

    /// The first container of a service by number, or the first one that runs, without those of `docker compose run`.
    ///
    /// # Errors
    /// `Environment` when the engine does not answer.
    pub async fn first(&self, docker: &Docker, service: &str, running: bool) -> StackResult<Option<String>> {
        Ok(containers::first(self.of_service(docker, service).await?, running))
    }

    /// The directory of this run among those that its things name: it must be this user's own, and named after the run. Otherwise the
    /// reason: what is in it says nothing, and is not touched.
    pub(super) fn dir(&self, named: &BTreeSet<String>) -> Result<RunDir, String> {
        let mut named = named.iter();
        let (Some(path), None) = (named.next(), named.next()) else {
            return Err("its labels do not name one run directory".into());
        };
        if !Path::new(path).is_absolute() {
            return Err(format!("{path} is no absolute path of a run directory"));
        }
        let dir = RunDir::open_own(Path::new(path)).map_err(|error| format!("its run directory {path}: {error}"))?;
        if dir.id() == self.run { Ok(dir) } else { Err(format!("{path} is the directory of another run")) }
    }
}

/// A container that was found by labels, and why it may not be the run's own.
type DoubtedContainer = (ContainerSummary, Option<String>);

/// A container that Compose is replacing is called `0123456789ab_<name>` for a moment.
fn without_id(name: &str) -> &str {
    let is_id = |id: &str| id.len() == 12 && id.bytes().all(|b| b.is_ascii_hexdigit());
    name.split_once('_').filter(|(id, _)| is_id(id)).map_or(name, |(_, rest)| rest)
}

/// Labels of an image; `None` when it is not there.
pub(super) async fn labels_of_image(docker: &Docker, image: &str) -> StackResult<Option<Labels>> {
    let image = if image.is_empty() { None } else { images::inspect(docker, image).await? };
    Ok(image.map(|image| image.config.and_then(|config| config.labels).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "20261120T064112Z-db-pool-3f9a";

    fn labelled(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
    }

    #[test]
    fn the_project_is_named_after_the_scenario() {
        let project = |run: &str| Owner::of(run).project;
        assert_eq!(project(RUN), format!("fd-db-pool-{}", Owner::of(RUN).short));
        assert!(project("Weird_ID").starts_with("fd-weird-id-"));
        assert_eq!(project(&format!("x-{}-y", "long".repeat(30))).len(), "fd--00000000".len() + 24);
    }

    #[test]
    fn a_thing_is_the_runs_by_its_own_label_its_name_and_its_project() {
        let owner = Owner::of(RUN);
        let project = owner.project.clone();
        let ours = labelled(&[(labels::RUN, RUN), (labels::PROJECT, &project)]);
        let alone = labelled(&[(labels::RUN, RUN)]);
        let none = Labels::new();
        let doubt = |kind, name: &str, labels: &Labels, image: &Labels| {
            let image = (kind == Kind::Container).then_some(image);
            owner.doubt(kind, &[name.to_string()], labels, image)
        };
        let own = [
            (Kind::Container, format!("/{project}-db-1")),
            (Kind::Container, format!("/{project}-db-run-0a1b2c")),
            (Kind::Container, format!("/0123456789ab_{project}-db-1")),
            (Kind::Network, format!("{project}_default")),
            (Kind::Volume, format!("{project}_data")),
        ];
        for (kind, name) in &own {
            assert_eq!(doubt(*kind, name, &ours, &none), None, "{name}");
            assert!(doubt(*kind, name, &alone, &none).is_some(), "{name} of no project");
            let other = labelled(&[(labels::RUN, RUN), (labels::PROJECT, "shop")]);
            assert!(doubt(*kind, name, &other, &none).is_some(), "{name} of another project");
            let of_other = labelled(&[(labels::RUN, "another"), (labels::PROJECT, &project)]);
            assert!(doubt(*kind, name, &of_other, &none).is_some(), "{name} of another run");
        }
        assert_eq!(doubt(Kind::Container, &format!("/fd-toolbox-{RUN}"), &alone, &none), None);
        assert_eq!(doubt(Kind::Container, &format!("/{}", owner.files()), &alone, &none), None);
        for (kind, name) in [
            (Kind::Container, "/brave_curie".to_string()),
            (Kind::Container, format!("/{project}0-db-1")),
            (Kind::Container, format!("/my_{project}-db-1")),
            (Kind::Container, format!("/fd-toolbox-{RUN}0")),
            (Kind::Network, format!("{project}-default")),
            (Kind::Volume, "shop_data".into()),
        ] {
            assert!(doubt(kind, &name, &ours, &none).is_some(), "{name}");
        }
        // An image that was made of a container of the run, and one that was made of an earlier run's.
        let inherited = doubt(Kind::Container, &own[0].1, &ours, &ours).unwrap();
        assert_eq!(inherited, "it has the label of the run from its image");
        let earlier = labelled(&[(labels::RUN, "20250101T000000Z-x-0000")]);
        assert_eq!(doubt(Kind::Container, &own[0].1, &ours, &earlier), None);
    }

    #[test]
    fn an_image_is_the_runs_by_all_of_its_names() {
        let owner = Owner::of(RUN);
        let labels = labelled(&[(labels::IMAGE_RUN, RUN)]);
        let doubt = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
            owner.doubt(Kind::Image, &names, &labels, None)
        };
        let own = format!("firedrill/shop-web:run-{}", owner.short);
        assert_eq!(doubt(&[&own]), None);
        for other in ["team/web:1", "firedrill/shop-web:run-00000000", &format!("team/web:run-{}", owner.short)] {
            assert!(doubt(&[other]).is_some() && doubt(&[&own, other]).is_some(), "{other}");
        }
    }

    #[test]
    fn a_run_directory_is_believed_when_it_is_one_and_the_runs() {
        let root = tempfile::tempdir().unwrap();
        let run = RunDir::create(root.path(), "a").unwrap();
        let owner = Owner::of(run.id());
        let dir = |paths: &[&str]| owner.dir(&paths.iter().map(|path| path.to_string()).collect());
        let path = run.path().to_str().unwrap();
        assert_eq!(dir(&[path]).unwrap().path(), run.path());
        assert_eq!(dir(&[]).unwrap_err(), "its labels do not name one run directory");
        assert_eq!(dir(&[path, "/elsewhere"]).unwrap_err(), "its labels do not name one run directory");
        let other = RunDir::create(root.path(), "b").unwrap();
        assert!(dir(&[other.path().to_str().unwrap()]).unwrap_err().ends_with("is the directory of another run"));
        assert!(dir(&[&format!("{path}/../{}", other.id())]).unwrap_err().ends_with("of another run"));
        assert!(dir(&["runs/x"]).unwrap_err().contains("no absolute path"));
        assert!(dir(&["/nonexistent/x"]).unwrap_err().starts_with("its run directory /nonexistent/x: "));
    }
}
