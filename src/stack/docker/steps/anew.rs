//! The stack's model as the environment of a step makes it: `CHECKOUT_TAG=v1 docker compose up -d checkout` is how teams
//! roll back. Compose reads the team's file once more, and what it says is changed by the same rules as at the start.

use super::guard;
use super::words::Refusal;
use crate::stack::StackError;
use crate::stack::docker::compose::Watch;
use crate::stack::docker::endpoint::Endpoint;
use crate::stack::docker::model::{self, ResolveError, ResolvedModel};
use crate::stack::docker::stack::{DockerStack, Recipe};
use crate::stack::docker::transform::{Drill, transform};
use crate::stack::docker::{builds, findings, images};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;
use tokio_util::sync::CancellationToken;

/// Why there is no new model.
#[derive(Debug)]
pub(super) enum NotAnew {
    /// A step may not ask for this.
    Refused(Refusal),
    /// Compose, Docker or a build says no: what the real command would have failed with.
    Failed(String),
}

impl From<StackError> for NotAnew {
    fn from(error: StackError) -> Self {
        match error {
            StackError::Build { reason, tail } => NotAnew::Failed(format!("{tail}\n{reason}")),
            other => NotAnew::Failed(other.to_string()),
        }
    }
}

/// The variables of a step that count, and the engine with them in the environment of its commands.
pub(super) fn with_variables(
    engine: &Endpoint,
    files: &[PathBuf],
    env: &[(String, String)],
) -> Result<Endpoint, Refusal> {
    let counting: Vec<&(String, String)> = env.iter().filter(|(name, _)| guard::may_decide(name)).collect();
    let of_files: Option<Vec<_>> = files.iter().map(|file| guard::of_files(file)).collect();
    for (name, value) in &counting {
        let same = std::env::var(name).is_ok_and(|own| own == *value);
        if of_files.iter().flatten().any(|names| names.contains(name)) && !same {
            let why = "decides which files of the host the stack is made from, and cannot be changed by a step";
            return Err(Refusal(format!("`{name}` {why}")));
        }
    }
    // A file that is not understood here: none of the variables that it has, in whatever place, is taken from a step.
    let read = || files.iter().map(|file| std::fs::read_to_string(file).unwrap_or_default()).collect::<String>();
    let text = of_files.is_none().then(read);
    let free = |name: &str| text.as_ref().is_none_or(|text| !text.contains(name));
    let mut endpoint = engine.clone();
    for (name, value) in counting.into_iter().filter(|(name, _)| free(name)) {
        endpoint.set(name, value);
    }
    Ok(endpoint)
}

/// Resolves and changes the model; builds what a step's variables have made another build. Returns the model that Compose
/// is given, and the names of the team's services in it.
pub(super) async fn anew(
    stack: &DockerStack,
    env: &[(String, String)],
    profiles: &[String],
    services: &[String],
    build: bool,
    cancel: &CancellationToken,
) -> Result<(String, Vec<String>), NotAnew> {
    let Some(recipe) = stack.started().recipe.clone() else {
        return Err(NotAnew::Failed("the stack has not been started".into()));
    };
    let endpoint =
        with_variables(&stack.endpoint, std::slice::from_ref(&stack.model.file), env).map_err(NotAnew::Refused)?;
    let mut spec = stack.spec.clone();
    spec.profiles.extend(stack.started().profiles.iter().chain(profiles).cloned());
    let mut resolved = resolve(&spec, &endpoint).await?;
    // As Compose does: a service that is named is enabled, whatever its profiles.
    if services.iter().any(|name| resolved.service(name).is_none()) {
        let mut all = spec.clone();
        all.profiles = vec!["*".into()];
        let all = resolve(&all, &endpoint).await?;
        for name in services {
            let Some(service) = all.service(name) else {
                let known = all.services().join(", ");
                return Err(NotAnew::Refused(Refusal(format!("there is no service `{name}`; there are: {known}"))));
            };
            let own = service.get("profiles").and_then(Value::as_array).into_iter().flatten();
            spec.profiles.extend(own.filter_map(Value::as_str).map(str::to_string));
        }
        resolved = resolve(&spec, &endpoint).await?;
    }
    spec.profiles.sort();
    spec.profiles.dedup();
    let before = resolve(&spec, &stack.endpoint).await?;
    let beyond = guard::beyond(&before.json, &resolved.json);
    if !beyond.is_empty() {
        let why = format!("a step's variables cannot change what reaches the host: {}", beyond.join(", "));
        return Err(NotAnew::Refused(Refusal(why)));
    }
    if let Some(wrong) = findings::findings(&resolved, &spec).into_iter().find(|finding| finding.error) {
        return Err(NotAnew::Refused(Refusal(wrong.message)));
    }
    let recipe = rebuilt(stack, recipe, &before, &resolved, build, cancel).await?;
    let drill = Drill {
        project: &stack.project,
        run: &stack.run.id,
        dir: &stack.run.dir,
        keep: stack.run.keep,
        agent_image: &recipe.agent,
        toolbox_image: &recipe.toolbox,
        built: &recipe.built,
        own_images: &recipe.own,
        ports: &recipe.ports,
    };
    let json = transform(&resolved, &spec, &drill).to_string();
    let mut started = stack.started();
    // Models only grow: what a later command does not name stays known.
    started.profiles = spec.profiles.iter().filter(|p| !stack.spec.profiles.contains(p)).cloned().collect();
    Ok((json, resolved.services()))
}

async fn resolve(spec: &crate::stack::StackSpec, endpoint: &Endpoint) -> Result<ResolvedModel, NotAnew> {
    model::resolve(spec, endpoint).await.map_err(|error| match error {
        ResolveError::Environment(error) => error.into(),
        invalid => NotAnew::Failed(invalid.to_string()),
    })
}

/// The images of services whose build is another one now, or all of them when the step asks for a build; and none for a
/// service whose image has another name now that is there or can be pulled.
async fn rebuilt(
    stack: &DockerStack,
    mut recipe: Recipe,
    before: &ResolvedModel,
    after: &ResolvedModel,
    build: bool,
    cancel: &CancellationToken,
) -> Result<Recipe, NotAnew> {
    let compose = stack.compose();
    let of = |model: &ResolvedModel, name: &str, key: &str| model.service(name).and_then(|s| s.get(key)).cloned();
    let mut other = BTreeSet::new();
    for name in after.services() {
        let Some(section) = of(after, &name, "build") else { continue };
        let named = of(after, &name, "image");
        if let (Some(Value::String(image)), false) = (&named, named == of(before, &name, "image")) {
            let image = model::unescape(image);
            if images::ensure_pulled(&compose, &image, "pulling").await.is_ok() {
                recipe.built.remove(&name);
                continue;
            }
        }
        if build || Some(section) != of(before, &name, "build") || !recipe.built.contains_key(&name) {
            other.insert(name);
        }
    }
    if stack.options.no_build || other.is_empty() {
        return Ok(recipe);
    }
    // Only those: a build that has no content to be named by would be made once more for each command.
    let mut only = after.clone();
    if let Some(Value::Object(services)) = only.json.get_mut("services") {
        services.retain(|name, _| other.contains(name));
        services.values_mut().filter_map(Value::as_object_mut).for_each(|service| drop(service.remove("depends_on")));
    }
    let built = builds::plan(&compose, &only, &stack.short, false).await?;
    let nothing = std::collections::BTreeMap::new();
    let drill = Drill {
        project: &stack.project,
        run: &stack.run.id,
        dir: &stack.run.dir,
        keep: stack.run.keep,
        agent_image: "",
        toolbox_image: "",
        built: &built.images,
        own_images: &built.own,
        ports: &nothing,
    };
    let text = transform(&only, &stack.spec, &drill).to_string();
    let log = Some(stack.run.dir.join("logs").join("build.log"));
    built.build(&compose, Watch { log, deadline: None, cancel, model: Some(&text) }).await?;
    recipe.built.extend(built.images);
    recipe.own.extend(built.own);
    Ok(recipe)
}
