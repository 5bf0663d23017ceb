//! Building the team's images: once per content and not once per drill, under names of Firedrill's own, so that a drill
//! never changes what the developer's own tags point at.

use super::command::{ComposeCommand, Ran};
use super::content::Content;
use super::errors::hinted;
use super::images;
use super::model::ResolvedModel;
use crate::record::slug;
use crate::stack::{StackError, StackResult};
use bollard::Docker;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long building may take: a large project from nothing, and still an end.
pub(super) const BUILD_WITHIN: Duration = Duration::from_secs(2 * 60 * 60);

/// Which image stands for each service's `build` section.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Builds {
    /// Service → image.
    pub images: BTreeMap<String, String>,
    /// Services whose image is not there yet.
    pub missing: BTreeSet<String>,
}

/// Whether only one drill uses an image: it is removed with it.
pub(super) fn is_own(image: &str) -> bool {
    image.rsplit_once(':').is_some_and(|(_, tag)| tag.starts_with("run-"))
}

/// Names the images and looks which of them are there; `run` is in the names of those that one run alone uses.
///
/// # Errors
/// `Environment` with `no_build` when an image is neither there nor named by the Compose file.
pub(super) async fn plan(docker: &Docker, model: &ResolvedModel, run: &str, no_build: bool) -> StackResult<Builds> {
    let mut builds = Builds::default();
    for service in model.services() {
        let Some(build) = model.build_of(&service).cloned() else { continue };
        if no_build && model.image_of(&service).is_some() {
            // The image that CI built or pulled under the team's own name.
            continue;
        }
        // `firedrill/<stack>-<service>`, in the characters that a repository may have.
        let repository = format!("{}{}", images::TEAMS, slug(&format!("{}-{service}", model.name()), 120));
        // Hashing reads files; a context that cannot be read is left to the build, which says why.
        let content = tokio::task::spawn_blocking(move || Content::of(&build)).await;
        let content = content.ok().and_then(Result::ok).flatten();
        let image = match &content {
            Some(content) => {
                let mut ids = Vec::new();
                for base in &content.bases {
                    ids.push(images::id_of(docker, base).await?);
                }
                format!("{repository}:{}", content.tag(&ids))
            }
            None => format!("{repository}:run-{run}"),
        };
        let there = content.is_some() && images::inspect(docker, &image).await?.is_some();
        if !there && no_build {
            let cause = format!("the image of `{service}` was never built here, and its service names none");
            let hint = "run once without --no-build, or give the service an `image:` that can be pulled";
            return Err(hinted("starting without a build", cause, hint));
        }
        if !there {
            builds.missing.insert(service.clone());
        }
        builds.images.insert(service, image);
    }
    Ok(builds)
}

impl Builds {
    /// Leaves what only one drill uses to that drill.
    pub(super) fn leave_own(&mut self) {
        self.missing.retain(|service| self.images.get(service).is_none_or(|image| !is_own(image)));
    }

    /// Builds what is missing.
    pub(super) async fn build(&self, compose: &ComposeCommand, model: &Value) -> StackResult<()> {
        if self.missing.is_empty() {
            return Ok(());
        }
        let services: Vec<&str> = self.missing.iter().map(String::as_str).collect();
        // Compose writes the name of the project into each image: with the drill's own the same content would be another image each time.
        let project = ["--project-name", "firedrill"].map(str::to_string);
        let all = ComposeCommand { options: [&compose.options[..], &project].concat(), ..compose.clone() };
        run_build(&all, &services, "build.log", model).await?;
        let keep: Vec<&str> = self.images.values().map(String::as_str).collect();
        let built = self.missing.iter().filter_map(|service| self.images.get(service)?.rsplit_once(':'));
        for (repository, _) in built {
            let _ = images::remove_old(&compose.endpoint.docker, "stack", repository, &keep).await;
        }
        Ok(())
    }
}

/// `docker compose build`.
pub(super) async fn run_build(compose: &ComposeCommand, of: &[&str], log: &str, model: &Value) -> StackResult<()> {
    was_built(compose.run(&[&["build", "--"], of].concat(), log, compose.build_within, Some(model)).await?)
}

/// What a build came to: a failure comes with its reason in one line and its last lines.
pub(in crate::stack) fn was_built(ran: Ran) -> StackResult<()> {
    if ran.succeeded() {
        return Ok(());
    }
    let reason = match ran.status {
        Some(_) => reason(&ran.tail),
        None => format!("it did not end within {} min", ran.within.as_secs() / 60),
    };
    let tail = [ran.tail, vec![format!("(all of it: {})", ran.log.display())]].concat();
    Err(StackError::Build { reason, tail: tail.join("\n") })
}

/// The line of a build that says why it failed.
fn reason(tail: &[String]) -> String {
    let says_why = |line: &&String| {
        let line = line.to_ascii_lowercase();
        line.contains("failed to solve") || line.starts_with("error") || line.contains("error response from daemon")
    };
    let line = tail.iter().rfind(says_why).or(tail.last()).map_or("the build failed and said nothing", String::as_str);
    // `target checkout: failed to solve: process "/bin/sh -c false" did not complete successfully: exit code: 1`
    line.trim_start_matches("ERROR: ").trim().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_only_one_drill_uses_is_left_to_it() {
        let name = |text: &str| text.to_string();
        let mut builds = Builds {
            images: [("a", "firedrill/x-a:1"), ("b", "firedrill/x-b:run-1")].map(|(s, i)| (name(s), name(i))).into(),
            missing: [name("a"), name("b")].into(),
        };
        builds.leave_own();
        assert_eq!(builds.missing, [name("a")].into());
    }

    #[test]
    fn the_reason_of_a_build_comes_first() {
        let tail = |lines: &[&str]| lines.iter().map(|line| line.to_string()).collect::<Vec<_>>();
        let failed = "failed to solve: process \"/bin/sh -c false\" did not complete successfully: exit code: 1";
        assert_eq!(reason(&tail(&["#5 0.1 no such package", failed, "something else"])), failed);
        assert_eq!(reason(&tail(&["ERROR: no space left on device"])), "no space left on device");
        assert_eq!(reason(&tail(&["#1 x", "something else"])), "something else");
        assert_eq!(reason(&[]), "the build failed and said nothing");
    }

    proptest! {
        #[test]
        fn a_slug_is_always_a_name(text in ".{0,40}", longest in 1usize..50) {
            let slug = slug(&text, longest);
            prop_assert!(!slug.is_empty() && slug.len() <= longest);
            prop_assert!(slug.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
            prop_assert!(!slug.starts_with('-') && !slug.ends_with('-'));
        }
    }
}
