//! `docker` on the team's containers, and copies between them and the one in which a step runs.

use super::arguments::{Arguments, Docker, Refusal, ensure};
use super::copy::CopySide;
use super::inside;
use super::process::{self, ProcessListing};
use super::rename::Change;
use super::request::{self, CopyRequest, Request};
use super::team::{Container, Team};
use super::{NotDone, StepCall, copy};
use crate::stack::compose::endpoint::Endpoint;

/// A container that does not exist: a filter that leaves nothing.
const NOBODY: &str = "id=0000000000000000000000000000000000000000000000000000000000000000";

/// What a command can reach.
#[derive(Debug)]
pub(super) struct ContainerCalls<'a> {
    /// The engine.
    pub endpoint: &'a Endpoint,
    /// The team's containers.
    pub team: Team,
    /// The container in which the step runs, for copies.
    pub here: Option<String>,
}

impl ContainerCalls<'_> {
    pub(super) async fn docker(self, ask: Request<Docker>, step: StepCall<'_>) -> Result<i32, NotDone> {
        let words = &ask.words;
        if ask.does == Docker::Copy {
            return self.copy(words, false, step).await;
        }
        if ask.does == Docker::Exec {
            let (name, command) = words.rest.split_first().ok_or(Refusal("which container?".into()))?;
            let id = &self.team.find(name)?.id;
            let attached = (words.is_set("interactive"), words.is_set("tty"));
            return inside::exec(&self.endpoint.docker, id, (words, command), attached, step).await;
        }
        let mut command = self.endpoint.command();
        let mut team = self.team;
        command.args(ask.name.split('-')).args(&words.passed);
        let mut said = Vec::new();
        match ask.does {
            Docker::List => {
                let (left, rest) = team.filter(&words.values("filter"))?;
                let ids: Vec<String> = left.iter().map(|c| format!("id={}", c.id)).collect();
                let ids = if ids.is_empty() { vec![NOBODY.to_string()] } else { ids };
                for filter in ids.into_iter().chain(rest) {
                    command.args(["--filter", &filter]);
                }
            }
            Docker::Stats => {
                let is_shown = |container: &&Container| words.is_set("all") || container.status == "running";
                let found: Vec<&Container> = match words.rest.as_slice() {
                    [] => team.all.iter().filter(is_shown).collect(),
                    names => names.iter().map(|name| team.find(name)).collect::<Result<_, Refusal>>()?,
                };
                if found.is_empty() {
                    // Without names it would show the containers of others.
                    return Ok(0);
                }
                command.arg("--").args(found.iter().map(|container| &container.id));
            }
            Docker::Containers | Docker::One => {
                let names = if ask.does == Docker::One { 1 } else { words.rest.len() };
                command.arg("--");
                for name in words.rest.iter().take(names) {
                    let id = &team.find(name)?.id;
                    command.arg(id);
                    said.push((id.clone(), name.clone()));
                }
                command.args(words.rest.iter().skip(names));
            }
            Docker::Network => {
                let [network, name] = words.rest.as_slice() else {
                    let why = "name one network and one container: `docker network connect shop_default shop-db-1`";
                    return Err(Refusal(why.into()).into());
                };
                let network = team.network(&self.endpoint.docker, network).await?;
                let found = team.find(name)?;
                if ask.name == "network-connect" {
                    let links = team.links.get(&found.service).into_iter().flatten();
                    command.args(links.map(|link| format!("--link={link}")));
                }
                command.arg("--").arg(network).arg(&found.id);
            }
            Docker::Copy | Docker::Exec => {}
        }
        let (stdout, stderr) = match ask.name {
            "logs" | "start" => (Change::Nothing, Change::Nothing),
            _ => (Change::Everything, Change::Everything),
        };
        if ask.name != "inspect" {
            team.names.said = said;
        }
        Ok(process::run(command, &step, &ProcessListing { names: team.names, stdout, stderr }).await?)
    }

    /// `docker compose exec`: in the container of a service that has this number, or in its first one that runs.
    pub(super) async fn exec_in_service(self, words: &Arguments, step: StepCall<'_>) -> Result<i32, NotDone> {
        let (service, command) = words.rest.split_first().ok_or(Refusal("which service?".into()))?;
        let index = words.value("index");
        let found = self.team.of_service(service, index);
        let Some(container) = found.into_iter().find(|container| container.status == "running") else {
            let which = index.map(|index| format!(" container #{index}")).unwrap_or_default();
            return Err(NotDone::Failed(format!("service \"{service}\" is not running{which}")));
        };
        // As Compose has it: its standard input is the step's, and no terminal.
        let input = words.value("interactive") != Some("false");
        inside::exec(&self.endpoint.docker, &container.id, (words, command), (input, false), step).await
    }

    /// `cp`: between containers of the team's and the one in which the step runs.
    pub(super) async fn copy(self, words: &Arguments, of_compose: bool, step: StepCall<'_>) -> Result<i32, NotDone> {
        let StepCall { call, io, cancel } = step;
        let CopyRequest { is_out, name, path, here: local } = request::copied(words)?;
        let (team, docker) = (self.team, &self.endpoint.docker);
        let follow = words.is_set("follow-link");
        let here = self.here.ok_or_else(|| NotDone::Failed("the step's own container is not known".into()))?;
        let here = |path: &str| {
            let slash = ["/.", "/"].into_iter().find(|end| path.ends_with(end)).unwrap_or_default();
            let absolute = copy::absolute(&call.cwd, path);
            CopySide { container: here.clone(), path: format!("{}{slash}", absolute.trim_end_matches('/')) }
        };
        let there = |id: &str| {
            let slash = if path.starts_with('/') { "" } else { "/" };
            CopySide { container: id.to_string(), path: format!("{slash}{path}") }
        };
        let copying = async {
            let has_both = !path.is_empty() && local.as_ref().is_none_or(|path| !path.is_empty());
            ensure(has_both, "a copy needs a path at both ends")?;
            let containers = match of_compose {
                false => vec![team.find(&name)?],
                // The one with this number, or all of them.
                true => team.of_service(&name, words.value("index")),
            };
            let first = containers.first().ok_or_else(|| Refusal(format!("service `{name}` has no container")))?;
            let (first, several) = (there(&first.id), containers.len() > 1);
            match (is_out, &local) {
                (true, None) => copy::to_stream(docker, &first, follow, &io.out).await,
                (false, None) => {
                    ensure(!several, "an archive can be copied to one container only: use --index")?;
                    copy::from_stream(docker, io.stdin, &first).await
                }
                (true, Some(own)) => copy::between(docker, &first, follow, &here(own)).await,
                (false, Some(own)) => {
                    let mut copied = Ok(());
                    for container in containers {
                        copied = copied.and(copy::between(docker, &here(own), follow, &there(&container.id)).await);
                    }
                    copied
                }
            }
            .map_err(NotDone::Failed)
        };
        cancel.run_until_cancelled(copying).await.map_or(Ok(143), |copied| copied.map(|()| 0))
    }
}
