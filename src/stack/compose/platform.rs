//! Compose as a kind of stack.

use super::attached::{RunningProject, projects, running_project};
use super::endpoint::Endpoint;
use super::model::{self, ResolvedModel, scalar, texts};
use super::programs::{self, KnownPrograms, StepImages};
use super::stack::ComposeStack;
use super::steps::{self, Known};
use super::{findings, images, rights};
use crate::source::did_you_mean;
use crate::stack::{
    AttachError, Demand, Finding, HostRequests, MissingPrograms, Need, Place, ResolveError, ResolvedStack, RunIdentity,
    ServiceFacts, Stack, StackOptions, StackRequest, StackResult,
};
use async_trait::async_trait;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use tokio::sync::{Mutex, OnceCell};
use tokio_util::sync::CancellationToken;

/// Docker Compose on the engine that the `docker` command means. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct ComposePlatform {
    /// Reached when something first needs it.
    engine: Arc<OnceCell<Endpoint>>,
    programs: Arc<Mutex<KnownPrograms>>,
}

impl ComposePlatform {
    pub(in crate::stack) async fn engine(&self) -> StackResult<&Endpoint> {
        self.engine.get_or_try_init(Endpoint::resolve).await
    }

    /// Lets Compose resolve the file of a request.
    ///
    /// # Errors
    /// As `Platform::resolve`.
    pub async fn model(&self, request: &StackRequest) -> Result<ResolvedCompose, ResolveError> {
        // Without asking the engine for anything.
        let engine = if let Some(engine) = self.engine.get() { engine.clone() } else { Endpoint::find().await? };
        let model = model::resolve(request, &engine).await?;
        let (platform, request, images, known) = (self.clone(), request.clone(), OnceCell::new(), OnceLock::new());
        Ok(ResolvedCompose { platform, request, model, images, known })
    }

    pub(in crate::stack) async fn project(&self, name: &str) -> Result<RunningProject, AttachError> {
        let engine = self.engine().await?;
        if let Some(project) = running_project(engine, name).await? {
            return Ok(project);
        }
        let known = projects(engine).await?;
        let known = did_you_mean(name, known.iter().map(String::as_str));
        let hint = format!("start it with `docker compose up -d`; {known}");
        Err(AttachError::NotRunning { message: format!("no container of a Compose project `{name}` is there"), hint })
    }
}

/// A Compose file as Compose has resolved it, for one request.
#[derive(Debug)]
pub struct ResolvedCompose {
    platform: ComposePlatform,
    pub(super) request: StackRequest,
    pub(super) model: ResolvedModel,
    images: OnceCell<StepImages>,
    /// What calls of its steps may name.
    known: OnceLock<Known>,
}

impl ResolvedCompose {
    /// The project of one drill; starts nothing yet.
    ///
    /// # Errors
    /// `Environment` when no engine answers.
    pub async fn of_drill(&self, run: &RunIdentity, options: &StackOptions) -> StackResult<ComposeStack> {
        ComposeStack::of(self, run, options, self.platform.engine().await?)
    }
}

#[async_trait]
impl ResolvedStack for ResolvedCompose {
    fn name(&self) -> &str {
        self.model.name()
    }

    fn services(&self) -> Vec<String> {
        self.model.services()
    }

    fn hosts(&self) -> Vec<String> {
        self.model.hosts()
    }

    fn environment(&self, service: &str) -> BTreeMap<String, String> {
        self.model.environment(service)
    }

    fn facts(&self) -> Vec<ServiceFacts> {
        let (model, jobs) = (&self.model, self.model.jobs());
        let facts = |(name, service): (&String, &Value)| ServiceFacts {
            name: name.clone(),
            image: scalar(&service["image"]).unwrap_or_default(),
            environment: model.environment(name),
            ports: model.known_ports(name, &[]),
            published: service["ports"].as_array().is_some_and(|ports| !ports.is_empty()),
            health_check: texts(&service["healthcheck"]["test"]).join(" "),
            waits_for: service["depends_on"].as_object().into_iter().flat_map(Map::keys).cloned().collect(),
            source: service["build"]["context"].as_str().filter(|context| !context.is_empty()).map(PathBuf::from),
            is_job: jobs.contains(name),
            has_name: !model.networks_of(name).is_empty(),
        };
        model.section("services").iter().map(facts).collect()
    }

    fn findings(&self) -> Vec<Finding> {
        findings::findings(&self.model, &self.request)
    }

    fn refuses(&self, call: (&str, &[String])) -> Option<String> {
        let team = self.model.name();
        let known = self.known.get_or_init(|| steps::known(team, &self.request, team));
        steps::refusal(known, call)
    }

    fn lacks(&self, need: &Need) -> Option<(String, String)> {
        let (what, help) = match need {
            Need::Object(_) => ("objects", "name a service, or take a stack in Kubernetes"),
            Need::Pods(_) => ("Pods", "take `container_kill`, or a stack in Kubernetes"),
            _ => return None,
        };
        Some((format!("a stack of Compose has no {what}"), help.into()))
    }

    fn asked(&self) -> HostRequests {
        rights::asked(&self.model, &self.request.root)
    }

    fn variables(&self) -> Option<BTreeSet<String>> {
        model::files_of(&self.request).of_releases().ok()
    }

    fn demand(&self) -> Demand {
        self.model.demand(&self.request)
    }

    fn images_key(&self) -> String {
        let services = self.model.section("services").iter().map(|(name, service)| {
            json!([name, service["image"], service["build"], service["platform"], service["pull_policy"]])
        });
        let services: Vec<Value> = services.collect();
        let StackRequest { toolbox_image, releases, .. } = &self.request;
        let monitoring = format!("{:?}", self.request.monitoring_image());
        json!([self.model.name(), toolbox_image, monitoring, releases, services]).to_string()
    }

    async fn missing_programs(&self, place: &Place, wanted: &BTreeSet<String>) -> MissingPrograms {
        let engine = self.platform.engine().await?;
        let images = self.images.get_or_try_init(|| StepImages::of(engine, &self.model, &self.request)).await?;
        let mut known = self.platform.programs.lock().await;
        let (image, path) = match place {
            Place::Toolbox => (Some(images.toolbox.clone()), None),
            Place::Service(service) => {
                let named = self.model.image_of(service).filter(|_| self.model.service(service).get("build").is_none());
                let path = self.model.environment(service).remove("PATH");
                (images.built.get(service).cloned().or(named), path)
            }
        };
        let Some(name) = image else { return Ok(None) };
        let Some(image) = images::inspect(&engine.docker, &name).await? else { return Ok(None) };
        let id = image.id.unwrap_or_default();
        let env = image.config.and_then(|config| config.env).unwrap_or_default();
        let of_image = env.iter().find_map(|entry| entry.strip_prefix("PATH=")).map(str::to_string);
        let path = path.or(of_image).unwrap_or_else(|| programs::PATH.to_string());
        let known = known.entry((id.clone(), path.clone())).or_default();
        let new: Vec<&String> = wanted.iter().filter(|program| !known.contains_key(*program)).collect();
        if !new.is_empty() {
            known.extend(programs::look(engine, &id, &path, &new).await?);
        }
        Ok(Some(wanted.iter().filter(|program| known.get(*program) != Some(&true)).cloned().collect()))
    }

    async fn prepare(&self, run: &RunIdentity, options: &StackOptions, cancel: &CancellationToken) -> StackResult<()> {
        super::up::prepare(&self.of_drill(run, options).await?, cancel).await
    }

    async fn stack(&self, run: &RunIdentity, options: &StackOptions) -> StackResult<Arc<dyn Stack>> {
        Ok(Arc::new(self.of_drill(run, options).await?))
    }
}
