//! From the plan of a game day to drills that can be started: their stacks resolved, what they need and how long they take by what
//! earlier runs on this disk tell, and the images of all stacks made once: side by side drills would build the same ones at the same time.

use super::super::resolved;
use super::DayOptions;
use crate::archive;
use crate::error::Error;
use crate::gameday::{self, PreparedDrill};
use crate::record::{DayEvent, DaySink, Record, RunDir, micros};
use crate::spec::Plan;
use crate::stack::{
    Demand, ImageBuild, Platform, ResolvedStack, RunIdentity, SourceFiles, StackError, StackOptions, StackRequest, Use,
};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// A drill that can be started any number of times.
#[derive(Debug, Clone)]
pub struct Ready {
    /// What to do, and as it stands in the plan.
    pub drill: PreparedDrill,
    /// Its stack.
    pub stack: Arc<dyn ResolvedStack>,
    /// What it needs.
    pub demand: Demand,
    /// How long it is expected to take.
    pub expected: Duration,
    /// Why its images could not be made.
    pub no_images: Option<StackError>,
}

/// Every drill, with its stack resolved; the mistakes of all stacks are one error.
pub async fn ready(all: Vec<PreparedDrill>, platform: &dyn Platform, wanted: &DayOptions) -> Result<Vec<Ready>, Error> {
    // A scenario that is drilled several times is resolved once.
    let distinct: BTreeMap<&str, &Plan> = all.iter().map(|drill| (drill.plan.name.as_str(), &drill.plan)).collect();
    let stacks = resolved(distinct.values().copied(), platform, wanted.globals.color()).await?;
    let known = distinct.keys().zip(stacks).map(|(name, stack)| (name.to_string(), (stack, earlier(wanted, name))));
    let known: BTreeMap<String, _> = known.collect();
    let ready = all.into_iter().filter_map(|entry| {
        let (stack, (took, used)) = known.get(&entry.plan.name)?;
        let demand = stack.demand();
        let demand = used.map_or(demand, |used| demand.measured(used));
        let expected = took.unwrap_or_else(|| gameday::expected(&entry.plan));
        Some(Ready { drill: entry, stack: stack.clone(), demand, expected, no_images: None })
    });
    Ok(ready.collect())
}

/// So many of the newest drills of a scenario are looked at.
const NEWEST: usize = 3;

/// How many game days of this name there are.
pub fn earlier_days(wanted: &DayOptions, name: &str) -> u64 {
    let root = wanted.out.clone().unwrap_or_else(|| wanted.globals.project.join(".firedrill/gamedays"));
    let all = RunDir::list(&root).unwrap_or_default();
    all.iter().filter(|dir| dir.is_named(name)).count() as u64
}

/// What the newest drills of a scenario tell: how long the longest of those took that ended, and what the newest one used.
fn earlier(wanted: &DayOptions, scenario: &str) -> (Option<Duration>, Option<Use>) {
    let roots = [Some(wanted.globals.project.join(".firedrill")), wanted.out.clone()].into_iter().flatten();
    let roots: Vec<PathBuf> = roots.filter(|root| root.is_dir()).collect();
    let records: Vec<Record> = archive::newest_drills(&roots, scenario).take(NEWEST).collect();
    let whole = records.iter().filter(|record| record.ended && record.passed());
    (whole.map(|record| Duration::from_micros(record.last_us.0)).max(), records.iter().find_map(Use::of))
}

/// Builds and pulls what the drills need. The drills of a stack whose images cannot be made will fail with that reason; the
/// others do not mind.
pub async fn make_images(
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
        let failed = match refusal(&mut builds, &drill.planned.scenario, &drill.plan.stack) {
            Some(refused) => Some(refused),
            None => stack.prepare(&identity, &options, cancel).await.err(),
        };
        if cancel.is_cancelled() {
            return ready;
        }
        if let Some(error) = &failed {
            let text = format!("{} cannot be drilled: {error}", drill.planned.scenario);
            sink.emit(DayEvent::DayNote { text });
        }
        no_images.clone_from(&failed);
        made.insert(key, failed);
    }
    sink.emit(DayEvent::ImagesReady { took_us: micros(began.elapsed()) });
    ready
}

/// Name of an image → what it is built from, and for which scenario.
type NamedBuilds = BTreeMap<String, (ImageBuild, String)>;

/// Why a scenario would run with the image of another one: both build one of that name, and from different things.
fn refusal(builds: &mut NamedBuilds, scenario: &str, request: &StackRequest) -> Option<StackError> {
    let images = request.cluster.iter().flat_map(|cluster| &cluster.images);
    let own = images.filter_map(|(name, build)| {
        let ImageBuild { folder, args } = build.as_ref()?;
        let build = ImageBuild { folder: SourceFiles::real(folder), args: args.clone() };
        Some((name.clone(), (build, scenario.to_string())))
    });
    let mut own: NamedBuilds = own.collect();
    for (name, (build, _)) in &own {
        if let Some((_, other)) = builds.get(name).filter(|(known, _)| known != build) {
            return Some(StackError::Environment {
                operation: format!("building {name} for {scenario}"),
                cause: format!("{other} builds it from another folder or with other arguments"),
                hint: Some("give one of them another tag, or drill them in game days of their own".into()),
            });
        }
    }
    // Who was first stays.
    own.append(builds);
    *builds = own;
    None
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
        assert!(refusal(&mut builds, "a", &request("/shop/web", "1")).is_none());
        assert!(refusal(&mut builds, "b", &request("/shop/other/../web", "1")).is_none());
        for other in [request("/shop/next", "1"), request("/shop/web", "2")] {
            let why = refusal(&mut builds, "c", &other).map(|error| error.to_string()).unwrap_or_default();
            assert!(why.contains("for c") && why.contains("a builds it"), "{why}");
        }
        assert!(refusal(&mut builds, "d", &StackRequest::default()).is_none());
    }
}
