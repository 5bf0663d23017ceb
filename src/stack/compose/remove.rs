//! Removing what is a drill's own: for what `docker compose down` leaves, for the reaper and the sweep, which
//! have no model. Idempotent; ends with a look for anything left. What only may be its own is told, and stays.

use super::endpoint::Endpoint;
use super::errors::{environment, unless_gone};
use super::owner::{Kind, Labels, Owner};
use super::{containers, images, labels};
use crate::stack::{Foreign, StackDown, StackResult};
use bollard::Docker;
use bollard::models::ContainerSummary;
use bollard::query_parameters::{RemoveImageOptions, RemoveVolumeOptions};
use futures_util::StreamExt;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Until then everything must be gone; a container with a slow storage driver takes a second or two.
const DEADLINE: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long nothing must turn up before a run whose end was not orderly counts as removed: the engine may still be
/// carrying out the last request of a `compose up` that was killed.
pub(super) const QUIET: Duration = Duration::from_secs(1);
/// Until then the containers of one service must be gone.
const SERVICE_WITHIN: Duration = Duration::from_secs(10);
/// Containers removed at the same time.
const AT_ONCE: usize = 8;

/// Removes the containers of one service of a run, whatever their state, and returns their names once they are gone: two looks
/// in a row must find none, as one may be made just now. Needs nothing but the two names.
///
/// # Errors
/// `Environment` when the engine does not answer, or a container stays.
pub async fn remove_service_in(endpoint: &Endpoint, run: &str, service: &str) -> StackResult<Vec<String>> {
    let (docker, owner) = (&endpoint.docker, Owner::of(run));
    let (started, mut removed, mut none_before) = (Instant::now(), BTreeSet::new(), false);
    loop {
        let found = owner.of_service(docker, service).await?;
        if found.is_empty() && none_before {
            return Ok(removed.into_iter().collect());
        }
        none_before = found.is_empty();
        let names: Vec<String> = found.iter().filter_map(containers::listed_name).collect();
        if !none_before && started.elapsed() > SERVICE_WITHIN {
            return Err(environment(format!("removing `{service}`"), format!("still there: {}", names.join(", "))));
        }
        removed.extend(names);
        for container in found {
            let paused = containers::is(&container, "paused");
            remove_container(docker.clone(), container.id.unwrap_or_default(), paused).await;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Something that carries a label of a drill; an image is one that only this drill uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Thing {
    pub kind: Kind,
    pub name: String,
    /// A container that needs an unpause first.
    pub paused: bool,
}

impl Thing {
    /// `container x`, `network y`, `volume z`, `image i`.
    pub(super) fn text(&self) -> String {
        format!("{} {}", self.kind.words().0, self.name)
    }
}

impl Foreign {
    pub(super) fn new(owner: &Owner, id: &str, thing: &Thing, why: impl Into<String>) -> Foreign {
        let short = id.get(..12).unwrap_or(id);
        let named = if matches!(thing.kind, Kind::Container | Kind::Network) { short } else { &thing.name };
        let by_hand = format!("docker {} {named}", thing.kind.words().1);
        Foreign { run: owner.run.clone(), thing: thing.text(), why: why.into(), by_hand }
    }
}

/// What there is with a label of a run or of its Compose project, each thing by its id.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// What is the run's own.
    pub own: BTreeMap<String, Thing>,
    /// What is not, or may not be.
    pub foreign: BTreeMap<String, Foreign>,
    /// The run directories that its own things name.
    pub dirs: BTreeSet<String>,
    /// Whether its own things are to be kept.
    pub keep: bool,
    /// When the newest of its own things was made, in seconds since the Unix epoch.
    pub newest: i64,
}

impl Found {
    fn add(&mut self, owner: &Owner, (id, thing): (String, Thing), labels: &Labels, made: i64, doubt: Option<String>) {
        if let Some(why) = doubt {
            self.foreign.insert(id.clone(), Foreign::new(owner, &id, &thing, why));
            return;
        }
        self.dirs.extend(labels.get(labels::DIR).or(labels.get(labels::IMAGE_DIR)).cloned());
        self.keep |= labels.get(labels::KEEP) == Some(&owner.run);
        self.newest = self.newest.max(made);
        self.own.insert(id, thing);
    }
}

/// Everything with the label of the run or of its Compose project.
pub(super) async fn find(docker: &Docker, owner: &Owner) -> StackResult<Found> {
    let mut found = Found::default();
    for (key, value) in [(labels::RUN, &owner.run), (labels::PROJECT, &owner.project)] {
        for (container, doubt) in owner.doubted(docker, &[(key, Some(value))]).await? {
            let id = container.id.clone().unwrap_or_default();
            let name = containers::listed_name(&container).unwrap_or_else(|| id.clone());
            let thing = Thing { kind: Kind::Container, name, paused: containers::is(&container, "paused") };
            let (labels, created) = (container.labels.unwrap_or_default(), container.created.unwrap_or(0));
            found.add(owner, (id, thing), &labels, created, doubt);
        }
        let networks = labels::networks(docker, key, Some(value)).await?.into_iter();
        let networks = networks.map(|n| (Kind::Network, n.id, n.name, n.labels.unwrap_or_default(), n.created));
        let volumes = labels::volumes(docker, key, Some(value)).await?.into_iter();
        let volumes = volumes.map(|volume| (Kind::Volume, None, Some(volume.name), volume.labels, volume.created_at));
        for (kind, id, name, labels, made) in networks.chain(volumes) {
            let name = name.or_else(|| id.clone()).unwrap_or_default();
            let doubt = owner.doubt(kind, std::slice::from_ref(&name), &labels, None);
            let thing = Thing { kind, name, paused: false };
            let made = made.map_or(0, time::OffsetDateTime::unix_timestamp);
            found.add(owner, (id.unwrap_or_else(|| thing.text()), thing), &labels, made, doubt);
        }
    }
    // By the run only: Compose labels images that many drills share with the project that happened to build them.
    for image in images::of_run(docker, Some(&owner.run)).await? {
        let doubt = owner.doubt(Kind::Image, &image.repo_tags, &image.labels, None);
        for name in &image.repo_tags {
            let thing = Thing { kind: Kind::Image, name: name.clone(), paused: false };
            found.add(owner, (thing.text(), thing), &image.labels, image.created, doubt.clone());
        }
    }
    Ok(found)
}

/// For whoever started the run, to whom everything that stays is left behind.
pub(super) async fn down(docker: &Docker, owner: &Owner, quiet: Duration) -> StackDown {
    let (mut down, foreign) = remove(docker, owner, quiet).await;
    down.left.extend(foreign.into_values().map(|foreign| format!("{} ({})", foreign.thing, foreign.why)));
    down
}

/// Removes what is the run's own and looks again, until nothing has turned up for `quiet` or the deadline has passed. Returns what could not
/// be removed, and what may be the run's own and was left alone.
pub(super) async fn remove(docker: &Docker, owner: &Owner, quiet: Duration) -> (StackDown, BTreeMap<String, Foreign>) {
    let started = Instant::now();
    let (mut quiet_since, mut looked) = (None::<Instant>, false);
    let texts = |found: &Found| found.own.values().map(Thing::text).collect();
    let (left, foreign) = loop {
        let late = started.elapsed() > DEADLINE;
        match find(docker, owner).await {
            Ok(found) if found.own.is_empty() => {
                if quiet_since.get_or_insert_with(Instant::now).elapsed() >= quiet {
                    break (Vec::new(), found.foreign);
                }
            }
            Ok(found) if late => break (texts(&found), found.foreign),
            Ok(found) => {
                quiet_since = None;
                remove_all(docker, &found.own).await;
                // Usually that was all: look at once, and wait only when something resists.
                if !std::mem::replace(&mut looked, true) {
                    continue;
                }
            }
            // Nobody knows what is left when the engine does not answer: that is not nothing.
            Err(error) if late => break (vec![format!("unknown: {error}")], BTreeMap::new()),
            Err(_) => quiet_since = None,
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    (StackDown { took: started.elapsed(), left }, foreign)
}

/// One round: containers first, as they hold networks and volumes. Errors show in the next look.
async fn remove_all(docker: &Docker, found: &BTreeMap<String, Thing>) {
    // Owned ids: a stream over borrowed ones is not general enough for a trait's future that must be `Send`.
    let own = found.iter().filter(|(_, thing)| thing.kind == Kind::Container);
    let removals: Vec<_> = own.map(|(id, thing)| remove_container(docker.clone(), id.clone(), thing.paused)).collect();
    futures_util::stream::iter(removals).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await;
    for (id, Thing { kind, name, .. }) in found {
        match kind {
            Kind::Container => {}
            Kind::Network => drop(docker.remove_network(id).await),
            Kind::Volume => drop(docker.remove_volume(name, None::<RemoveVolumeOptions>).await),
            Kind::Image => drop(docker.remove_image(name, None::<RemoveImageOptions>, None).await),
        }
    }
}

/// Lets the containers among them go on: stopping a paused one waits for the whole time-out, or is refused. Says which.
pub(super) async fn unpause(docker: &Docker, things: &BTreeMap<String, Thing>) -> Vec<String> {
    let mut unpaused = Vec::new();
    for (id, thing) in things {
        if thing.paused && docker.unpause_container(id).await.is_ok() {
            unpaused.push(format!("unpaused {}", thing.name));
        }
    }
    unpaused
}

/// The volumes without a name that a container has: their names are 64 hexadecimal digits, and no label says whose they are.
pub(super) fn unnamed_volumes(container: &ContainerSummary) -> impl Iterator<Item = String> {
    let names = container.mounts.iter().flatten().filter_map(|mount| mount.name.clone());
    names.filter(|name| name.len() == 64 && name.chars().all(|c| c.is_ascii_hexdigit()))
}

/// Removes volumes that went with none of their containers: those that stay, with the reason.
pub(super) async fn remove_volumes(docker: &Docker, names: BTreeSet<String>) -> Vec<String> {
    let mut left = Vec::new();
    for name in names {
        if let Err(error) = unless_gone(docker.remove_volume(&name, None::<RemoveVolumeOptions>).await) {
            left.push(format!("volume {name} ({error})"));
        }
    }
    left
}

async fn remove_container(docker: Docker, id: String, paused: bool) {
    if paused {
        let _ = docker.unpause_container(&id).await;
    }
    containers::remove(&docker, &id, true).await;
}
