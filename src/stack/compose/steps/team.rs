//! The team's containers of a drill, by every name under which a step may know them. Ours are not among them, and those
//! of others are never looked at.

use super::arguments::{NotDone, refuse};
use super::process::Names;
use crate::stack::StackResult;
use crate::stack::compose::attached::is_of_drill;
use crate::stack::compose::endpoint::Endpoint;
use crate::stack::compose::owner::Owner;
use crate::stack::compose::stack::ComposeStack;
use crate::stack::compose::{containers, labels, model};
use bollard::Docker;
use bollard::models::ContainerSummary;
use regex::Regex;
use serde_json::Value;
use std::collections::BTreeMap;

/// A container of the team's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Container {
    /// Its id.
    pub id: String,
    /// Its name in the drill.
    pub name: String,
    /// Its name as the team knows it.
    pub shown: String,
    /// Its service.
    pub service: String,
    /// Its number among those of its service.
    pub number: Option<u32>,
    /// Whether it is one of `docker compose run`.
    pub oneoff: bool,
    /// `running`, `exited` …
    pub status: String,
}

impl Container {
    /// From the engine's list; `None` for one that is of no service.
    fn of(summary: ContainerSummary) -> Option<Container> {
        let label = |key| containers::listed_label(&summary, key);
        let name = containers::listed_name(&summary).unwrap_or_default();
        Some(Container {
            shown: name.clone(),
            name,
            service: label(labels::SERVICE)?.to_string(),
            number: label(labels::NUMBER).and_then(|number| number.parse().ok()),
            oneoff: label(labels::ONEOFF) == Some("True"),
            id: summary.id.unwrap_or_default(),
            status: summary.state.map(|state| state.to_string()).unwrap_or_default(),
        })
    }
}

/// All of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Team {
    /// The containers.
    pub all: Vec<Container>,
    /// Names in output.
    pub names: Names,
    /// Service → its links to the agents in front of others, by which it is connected: in production nobody could lose them.
    pub links: BTreeMap<String, Vec<String>>,
    /// The project.
    project: String,
    /// Its networks as the team knows them, by their names in the Compose file, where they are others.
    networks: BTreeMap<String, String>,
}

impl Team {
    /// The team's containers of a project that is up; its names are the team's own.
    pub(super) async fn of_project(endpoint: &Endpoint, project: &str) -> StackResult<Team> {
        let mut found = containers::list(&endpoint.docker, &[(labels::PROJECT, Some(project))]).await?;
        found.retain(|summary| !is_of_drill(containers::listed_label(summary, labels::RUN), project));
        let mut all: Vec<Container> = found.into_iter().filter_map(Container::of).collect();
        all.sort_by(|a, b| a.shown.cmp(&b.shown));
        Ok(Team { all, project: project.to_string(), ..Team::default() })
    }

    /// The team's containers of a drill.
    pub(super) async fn of(stack: &ComposeStack) -> StackResult<Team> {
        let mut names = Names { own: stack.project.clone(), team: stack.model.name().to_string(), ..Names::default() };
        let by = [(labels::PROJECT, Some(stack.project.as_str())), (labels::RUN, Some(stack.run.id.as_str()))];
        let found = Owner::of(&stack.run.id).containers(&stack.endpoint.docker, &by).await?.into_iter();
        let teams = found.filter(|summary| !labels::is_own(containers::listed_label(summary, labels::SERVICE)));
        let mut all: Vec<Container> = teams.filter_map(Container::of).collect();
        for container in &mut all {
            let is_first = container.number == Some(1) && !container.oneoff;
            let fixed = stack.model.service(&container.service)["container_name"].as_str().filter(|_| is_first);
            let fixed = fixed.map(|fixed| (container.name.clone(), model::unescape(fixed)));
            container.shown = match &fixed {
                Some((_, fixed)) => fixed.clone(),
                None => container.name.replacen(&names.own, &names.team, 1),
            };
            names.fixed.extend(fixed);
        }
        all.sort_by(|a, b| a.shown.cmp(&b.shown));
        let fixed = |network: &Value| network.get("name").and_then(Value::as_str).map(model::unescape);
        let shown = |key: &String| format!("{}_{key}", names.team);
        let networks = stack.model.section("networks").iter();
        let networks = networks.map(|(key, network)| (key.clone(), fixed(network).unwrap_or_else(|| shown(key))));
        let links = stack.started().model.as_ref().map(|model| links_to_agents(model, &names.own)).unwrap_or_default();
        Ok(Team { all, networks: networks.collect(), project: names.own.clone(), links, names })
    }

    /// The container that a step means: by its name as the team knows it, its name in the drill, its id or the beginning
    /// of that. The name of a service is none: outside of a drill `docker exec db` finds no container either.
    pub(super) fn find(&self, said: &str) -> Result<&Container, NotDone> {
        let name = said.strip_prefix('/').unwrap_or(said);
        let by_name = |c: &&Container| c.shown == name || c.name == name;
        if let Some(found) = self.all.iter().find(by_name) {
            return Ok(found);
        }
        let is_id = name.len() >= 4 && name.chars().all(|c| c.is_ascii_hexdigit());
        let by_id: Vec<&Container> = self.all.iter().filter(|c| is_id && c.id.starts_with(name)).collect();
        if let [found] = by_id[..] {
            return Ok(found);
        }
        let all: Vec<&str> = self.all.iter().map(|c| c.shown.as_str()).collect();
        let all = all.join(", ");
        refuse(format!("there is no container `{said}` in this drill; there are (as Compose v2 names them): {all}"))
    }

    /// The network that a step means: by its name as the team knows it, or its name in the drill.
    pub(super) async fn network(&self, docker: &Docker, said: &str) -> Result<String, NotDone> {
        let own = labels::networks(docker, labels::PROJECT, Some(&self.project)).await?.into_iter().filter_map(|own| {
            let (name, key) = (own.name?, own.labels?.remove(labels::NETWORK)?);
            Some((self.networks.get(&key).unwrap_or(&name).clone(), name))
        });
        let all: Vec<(String, String)> = own.collect();
        if let Some((_, own)) = all.iter().find(|(shown, own)| said == shown || said == own) {
            return Ok(own.clone());
        }
        let shown = all.iter().map(|(shown, _)| shown.as_str()).collect::<Vec<_>>().join(", ");
        refuse(format!("there is no network `{said}` in this drill; there are: {shown}"))
    }

    /// The containers of a service in the order of their numbers; of all of them, or the one with this number.
    pub(super) fn of_service(&self, service: &str, index: Option<&str>) -> Vec<&Container> {
        let index = index.filter(|index| *index != "0").map(|index| index.parse().ok());
        let own = self.all.iter().filter(|container| container.service == service && !container.oneoff);
        let mut found: Vec<&Container> = own.filter(|own| index.is_none_or(|index| own.number == index)).collect();
        found.sort_by_key(|container| container.number);
        found
    }

    /// The first of those of a service that runs.
    pub(super) fn running(&self, service: &str, index: Option<&str>) -> Option<&Container> {
        self.of_service(service, index).into_iter().find(|container| container.status == "running")
    }

    /// The filters of `docker ps`: which containers they leave, and what of them the engine itself must look at.
    pub(super) fn filter(&self, filters: &[String]) -> Result<(Vec<&Container>, Vec<String>), NotDone> {
        let (mut names, mut ids, mut rest) = (Vec::new(), Vec::new(), Vec::new());
        for filter in filters {
            match filter.split_once('=') {
                Some(("name", pattern)) => {
                    let wrong = |_| NotDone::refused(format!("`--filter {filter}` is no pattern"));
                    names.push(Regex::new(pattern).map_err(wrong)?);
                }
                Some(("id", id)) => ids.push(id),
                Some(("label", label)) => {
                    let own = label.strip_prefix(labels::PROJECT).and_then(|rest| rest.strip_prefix('='));
                    match own.filter(|project| **project == *self.names.team) {
                        Some(_) => rest.push(format!("label={}={}", labels::PROJECT, self.names.own)),
                        None => rest.push(filter.clone()),
                    }
                }
                Some(("status" | "health" | "exited" | "ancestor", _)) => rest.push(filter.clone()),
                _ => return refuse(format!("`--filter {filter}` is not among the filters that a drill knows")),
            }
        }
        let mut left: Vec<&Container> = self.all.iter().collect();
        left.retain(|c| ids.is_empty() || ids.iter().any(|id| !id.is_empty() && c.id.starts_with(id)));
        // As the engine does, with and without a slash.
        let is_meant = |name: &str| names.iter().any(|it| it.is_match(name) || it.is_match(&format!("/{name}")));
        left.retain(|c| names.is_empty() || is_meant(&c.shown) || is_meant(&c.name));
        Ok((left, rest))
    }
}

/// The links of each service to the agents in front of others, as Compose gives them to the engine.
fn links_to_agents(model: &Value, project: &str) -> BTreeMap<String, Vec<String>> {
    let services = model.get("services").and_then(Value::as_object).into_iter().flatten();
    let links = |service: &Value| -> Vec<String> {
        let all = service.get("links").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let named = all.filter(|link| link.starts_with("fd-")).filter_map(|link| link.split_once(':'));
        named.map(|(agent, name)| format!("{project}-{agent}-1:{name}")).collect()
    };
    services.map(|(name, service)| (name.clone(), links(service))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn team() -> Team {
        let container = |id: &str, shown: &str, service: &str, oneoff| Container {
            id: id.into(),
            name: shown.replace("shop", "fd-x"),
            shown: shown.into(),
            service: service.into(),
            number: Some(1),
            oneoff,
            status: "running".into(),
        };
        let names = Names { own: "fd-x".into(), team: "shop".into(), ..Names::default() };
        Team {
            all: vec![
                container("abcd1", "shop-web-1", "web", false),
                container("abcd2", "shop-web-2", "web", false),
                container("beef3", "the-db", "db", false),
                container("beef4", "shop-db-run-9f", "db", true),
            ],
            names,
            ..Team::default()
        }
    }

    #[test]
    fn containers_are_found_by_every_name_and_no_other() {
        let team = team();
        for (said, id) in [
            ("shop-web-1", "abcd1"),
            ("fd-x-web-2", "abcd2"),
            ("/the-db", "beef3"),
            ("abcd2", "abcd2"),
            ("beef4", "beef4"),
        ] {
            assert_eq!(team.find(said).unwrap().id, id, "{said}");
        }
        for said in ["web", "db", "shop_web_1", "abc", "abcd", ""] {
            let why = team.find(said).unwrap_err().why;
            assert!(why.contains("no container") && why.contains("shop-web-1, shop-web-2"), "{said}: {why}");
        }
    }

    #[test]
    fn links_to_agents_are_those_that_compose_makes() {
        let web = serde_json::json!({ "links": ["fd-pay:pay", "fd-pay:pay.example.com", "db:store"] });
        let links = links_to_agents(&serde_json::json!({ "services": { "db": {}, "web": web } }), "fd-x");
        // The team's own are lost as in production.
        assert_eq!(links["web"], ["fd-x-fd-pay-1:pay", "fd-x-fd-pay-1:pay.example.com"]);
        assert!(links["db"].is_empty());
    }

    #[test]
    fn filters_of_names_mean_the_teams_names() {
        let team = team();
        let ids = |filters: &[&str]| {
            let filters: Vec<String> = filters.iter().map(|filter| filter.to_string()).collect();
            let (left, rest) = team.filter(&filters).unwrap();
            (left.iter().map(|c| c.id.clone()).collect::<Vec<_>>(), rest)
        };
        assert_eq!(ids(&["name=web"]).0, ["abcd1", "abcd2"]);
        assert_eq!(ids(&["name=^/shop-web-2$"]).0, ["abcd2"]);
        assert_eq!(
            ids(&["name=^the", "name=run", "status=running"]),
            (vec!["beef3".into(), "beef4".into()], vec!["status=running".into()])
        );
        assert_eq!(ids(&["id=beef"]).0, ["beef3", "beef4"]);
        assert_eq!(ids(&["label=com.docker.compose.project=shop"]).1, ["label=com.docker.compose.project=fd-x"]);
        assert!(team.filter(&["network=host".into()]).is_err());
        assert_eq!(ids(&["name=^(web|the)-"]).0, ["beef3"]);
        assert_eq!(ids(&["name=web-1$|^the"]).0, ["abcd1", "beef3"]);
        assert!(team.filter(&["name=(".into()]).is_err());
    }
}
