//! The images of all stacks, once, before the first drill: side by side drills would build the same ones at the same time.

use super::plan::Ready;
use crate::record::{DayEvent, DaySink, RunDir, micros};
use crate::stack::{ImageBuild, RunIdentity, SourceFiles, StackError, StackOptions, StackRequest};
use std::collections::BTreeMap;
use std::time::Instant;
use tokio_util::sync::CancellationToken;

/// Builds and pulls what the drills need. The drills of a stack whose images cannot be made will fail with that reason; the
/// others do not mind.
pub async fn make(
    mut ready: Vec<Ready>,
    options: &StackOptions,
    dir: &RunDir,
    cancel: &CancellationToken,
    sink: &DaySink,
) -> Vec<Ready> {
    let began = Instant::now();
    let identity = RunIdentity::of(dir, false);
    let mut made: BTreeMap<String, Option<StackError>> = BTreeMap::new();
    let mut builds = NamedBuilds::default();
    for Ready { drill, stack, no_images, .. } in &mut ready {
        let key = stack.images_key();
        if let Some(failed) = made.get(&key) {
            no_images.clone_from(failed);
            continue;
        }
        let options = StackOptions { secrets: drill.plan.secrets(), ..options.clone() };
        let failed = match builds.refusal(&drill.planned.scenario, &drill.plan.stack) {
            Some(refused) => Some(refused),
            None => stack.prepare(&identity, &options, cancel).await.err(),
        };
        if cancel.is_cancelled() {
            return ready;
        }
        if let Some(error) = &failed {
            let text = format!("the images of {} could not be made: {error}", drill.planned.scenario);
            sink.emit(DayEvent::DayNote { text });
        }
        no_images.clone_from(&failed);
        made.insert(key, failed);
    }
    sink.emit(DayEvent::ImagesReady { took_us: micros(began.elapsed()) });
    ready
}

/// Name of an image → what it is built from, and for which scenario.
#[derive(Default)]
struct NamedBuilds(BTreeMap<String, (ImageBuild, String)>);

impl NamedBuilds {
    /// Why a scenario would run with the image of another one: both build one of that name, and from different things.
    fn refusal(&mut self, scenario: &str, request: &StackRequest) -> Option<StackError> {
        let images = request.cluster.iter().flat_map(|cluster| &cluster.images);
        let own: Vec<(&String, ImageBuild)> = images
            .filter_map(|(name, build)| {
                let ImageBuild { folder, args } = build.as_ref()?;
                Some((name, ImageBuild { folder: SourceFiles::real(folder), args: args.clone() }))
            })
            .collect();
        for (name, build) in &own {
            if let Some((_, other)) = self.0.get(*name).filter(|(known, _)| known != build) {
                return Some(StackError::Environment {
                    operation: format!("building {name} for {scenario}"),
                    cause: format!("{other} builds it from another folder or with other arguments"),
                    hint: Some("give one of them another tag, or drill them in game days of their own".into()),
                });
            }
        }
        for (name, build) in own {
            self.0.entry(name.clone()).or_insert_with(|| (build, scenario.to_string()));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::ClusterRequest;

    #[test]
    fn one_name_of_an_image_is_one_build() {
        let request = |folder: &str, version: &str| {
            let args = BTreeMap::from([("VERSION".to_string(), version.to_string())]);
            let build = ImageBuild { folder: folder.into(), args };
            let images = BTreeMap::from([("shop/web:1".to_string(), Some(build)), ("db:1".to_string(), None)]);
            StackRequest { cluster: Some(ClusterRequest { images, ..Default::default() }), ..Default::default() }
        };
        let mut builds = NamedBuilds::default();
        assert!(builds.refusal("a", &request("/shop/web", "1")).is_none());
        assert!(builds.refusal("b", &request("/shop/other/../web", "1")).is_none());
        for other in [request("/shop/next", "1"), request("/shop/web", "2")] {
            let why = builds.refusal("c", &other).map(|error| error.to_string()).unwrap_or_default();
            assert!(why.contains("for c") && why.contains("a builds it"), "{why}");
        }
        assert!(builds.refusal("d", &StackRequest::default()).is_none());
    }
}
