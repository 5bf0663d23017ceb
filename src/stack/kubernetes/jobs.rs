//! Game days in a cluster: each drill is a Job. Its Pod has two containers: the runner, and one that keeps the results until they
//! were fetched, also when the runner was killed. A Job's account has rights in the namespace of its own drill and nowhere else.

use super::cluster::{Cluster, variable};
use super::images::FiredrillImages;
use super::manifests::{items, kind, lasting_containers, name, quantity, text};
use super::names::{self, RUN, RUNNER};
use super::namespace::{self, ClusterNamespace, api, environment, hinted, list, removed};
use super::platform::{KubernetesPlatform, source_files};
use super::pods::{ailment, is_deleted, is_hopeless, status_of, told};
use super::runs;
use super::stack::{create_namespace, down, remove};
use super::transform::{grant, own_object};
use crate::output::log_line;
use crate::record::Redactor;
use crate::stack::{
    Available, CHART, Capacity, DrillRoom, PrintedLines, RUNNER_BUILD, RemoteDrill, RemoteEnd, RemoteSite, RemoteStop,
    RunIdentity, SourceFiles, StackDown, StackError, StackRequest, StackResult,
};
use async_trait::async_trait;
use base64::Engine;
use futures_util::{AsyncBufReadExt, StreamExt};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod, ResourceQuota};
use kube::api::{DeleteParams, ListParams, LogParams};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

/// Names a namespace that is there and gets the Jobs, with the quotas that it has; without it every game day makes one.
const NAMESPACE_VARIABLE: &str = "FIREDRILL_KUBE_NAMESPACE";
/// The most that the files of a drill may have, in bytes: what a Secret may hold.
const MOST_FILES: usize = 1024 * 1024;
/// Where the files of a drill are in its Job.
const FILES: &str = "/firedrill-job";
/// Where the run's directory is made in a Job.
const RESULTS: &str = "/firedrill-results";
/// How long a Job's Pod may take to run, with the cluster's own tries.
const STARTS_WITHIN: Duration = Duration::from_secs(300);
/// How long fetching results, or asking a runner to stop, may take.
const EXEC_WITHIN: Duration = Duration::from_secs(60);
/// How long the Job of a run may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(60);

/// The Jobs of a game day in a cluster.
#[derive(Debug)]
pub struct KubernetesJobs {
    platform: KubernetesPlatform,
    cluster: OnceLock<Cluster>,
}

/// One Job.
struct JobPlace<'a> {
    cluster: &'a Cluster,
    namespace: ClusterNamespace,
    drill: &'a RemoteDrill,
    images: FiredrillImages,
    printed: PrintedLines,
    stop: &'a RemoteStop,
}

/// How the runner in a Job ended: its exit code and the cluster's word for why. The error is why its Pod is gone, or not under anybody's
/// control.
type RunnerEnd = Result<(i64, String), String>;

impl KubernetesJobs {
    pub(super) fn new(platform: KubernetesPlatform) -> KubernetesJobs {
        KubernetesJobs { platform, cluster: OnceLock::new() }
    }

    fn cluster(&self) -> StackResult<&Cluster> {
        self.cluster.get().ok_or_else(|| environment("using the cluster of the game day", "it was not reached"))
    }
}

#[async_trait]
impl RemoteSite for KubernetesJobs {
    fn refusal(&self, request: &StackRequest) -> Option<String> {
        let StackRequest { cluster, monitoring: alerts, isolate, toolbox_image: toolbox, file, .. } = request;
        let is_beyond = cluster.as_ref().is_some_and(|cluster| !cluster.allowed.is_empty());
        let is_chart = file.join(CHART).is_file();
        let whys = [
            (cluster.is_none(), "its stack is none of Kubernetes, and a Job has no Docker"),
            (alerts.is_some(), "`alerts` needs the image of Prometheus and Alertmanager, which a Job does not have"),
            (*isolate, "`isolate` needs the addresses of the API server, which a Job's account may not read"),
            (is_beyond, "`allow_cluster` needs rights in the whole cluster, and a Job's account has a namespace"),
            (is_chart, "its manifests are a chart, and the toolbox, in which a Job runs, has no `helm`"),
            (
                toolbox.is_some(),
                "a Job runs in the toolbox with rights in its namespace, which another image does not get",
            ),
        ];
        whys.into_iter().find_map(|(is_refused, why)| is_refused.then(|| why.to_string()))
    }

    fn files(&self, request: &StackRequest) -> SourceFiles {
        // Images are there already; a scenario is only right where they could be built, too.
        source_files(request, |files, build| files.file(&build.folder.join("Dockerfile")))
    }

    async fn reach(&self, requests: &[&StackRequest]) -> StackResult<Vec<(usize, String)>> {
        let mut others = Vec::new();
        for (at, request) in requests.iter().enumerate() {
            let own = self.platform.cluster(request).await?;
            let first = self.cluster.get_or_init(|| own.clone());
            if first.context != own.context {
                others.push((at, format!("its cluster is {}, and the game day is in {}", own.context, first.context)));
            }
        }
        Ok(others)
    }

    async fn version(&self) -> Option<String> {
        self.cluster.get().map(|cluster| format!("Kubernetes {}", cluster.version))
    }

    async fn room(&self) -> StackResult<DrillRoom> {
        let job = own_object("job", &Value::Null);
        // What both containers claim together, or may use.
        let both = |how: &str, what: &str| -> f64 {
            let containers = items(&job, "/spec/template/spec/containers");
            containers.map(|container| of(&container["resources"][how], what)).sum()
        };
        let [cpu, memory] = ["cpu", "memory"].map(|what| both("requests", what));
        let one_each = ["pods", "count/jobs.batch", "count/secrets", "secrets"].map(|what| (what, 1.0));
        let claimed = [("requests.cpu", cpu), ("cpu", cpu), ("requests.memory", memory), ("memory", memory)];
        let limits = [("limits.cpu", both("limits", "cpu")), ("limits.memory", both("limits", "memory"))];
        let each: BTreeMap<&str, f64> = one_each.into_iter().chain(claimed).chain(limits).collect();
        let (operation, everything) = ("asking the cluster how much room it has", ListParams::default());
        let cluster = self.cluster()?;
        let nodes = list(&cluster.all_of::<Node>(), &everything, operation).await?;
        let running = everything.clone().fields("status.phase!=Succeeded,status.phase!=Failed");
        let pods = list(&cluster.all_of::<Pod>(), &running, operation).await?;
        let usable = nodes.iter().filter(|node| node["spec"]["unschedulable"] != true);
        let allocatable =
            |what: &str| -> f64 { usable.clone().map(|node| of(&node["status"]["allocatable"], what)).sum() };
        let claimed = |what: &str| -> f64 {
            let all = pods.iter().flat_map(|pod| lasting_containers(&pod["spec"]));
            all.map(|container| of(&container["resources"]["requests"], what)).sum()
        };
        let capacity = Capacity {
            cpus: (allocatable("cpu") - claimed("cpu")).max(0.0),
            memory_bytes: allocatable("memory") as u64,
            free_networks: u32::MAX,
        };
        let memory = (allocatable("memory") - claimed("memory")).max(0.0) as u64;
        let free = Available { memory_bytes: Some(memory), free_networks: u32::MAX, busy: None };
        let most = match variable(NAMESPACE_VARIABLE) {
            Some(namespace) => {
                let quotas = list(&cluster.namespace(namespace).all::<ResourceQuota>(), &everything, operation).await?;
                quotas.iter().filter_map(|quota| left(quota, &each)).min_by_key(|(fit, _)| *fit)
            }
            None => None,
        };
        match most {
            Some((0, why)) => Err(hinted("starting drills as Jobs", why, "a runner's Pod has to fit into the quota")),
            most => Ok(DrillRoom { capacity, free, most }),
        }
    }

    async fn open(&self, day: &RunIdentity) -> StackResult<()> {
        if variable(NAMESPACE_VARIABLE).is_some() {
            return Ok(());
        }
        let cluster = self.cluster()?;
        runs::note(cluster, day, None, false)?;
        create_namespace(cluster, &day.id).await
    }

    async fn run(
        &self,
        drill: &RemoteDrill,
        day: &str,
        printed: PrintedLines,
        stop: &RemoteStop,
    ) -> StackResult<RemoteEnd> {
        let cluster = self.cluster()?;
        let namespace = variable(NAMESPACE_VARIABLE).unwrap_or_else(|| names::namespace(day));
        let unmade = || environment("starting the Job", "the images of its stack were not made");
        let images = self.platform.images_of(&drill.request).ok_or_else(unmade)?;
        let noted = runs::note(cluster, &drill.run, Some(&namespace), false)?;
        let place = JobPlace { cluster, namespace: cluster.namespace(namespace), drill, images, printed, stop };
        let came = stop.hurry.run_until_cancelled(place.carry_out()).await;
        let removed = remove(cluster, &noted).await?;
        let end = came.ok_or(StackError::Cancelled)??;
        let left = || environment("removing what the drill left", removed.left.join(", "));
        removed.left.is_empty().then_some(end).ok_or_else(left)
    }

    async fn close(&self, day: &RunIdentity) -> StackResult<StackDown> {
        match variable(NAMESPACE_VARIABLE) {
            Some(_) => Ok(StackDown::default()),
            None => down(self.cluster()?, &day.id, false).await,
        }
    }
}

impl JobPlace<'_> {
    async fn carry_out(&self) -> StackResult<RemoteEnd> {
        if self.drill.files.len() > MOST_FILES {
            let why = format!("its files have {} KiB, and a Job can be given 1024 KiB", self.drill.files.len() / 1024);
            return Err(hinted("starting the Job", why, "what is large belongs into an image of the stack"));
        }
        create_namespace(self.cluster, &self.drill.run.id).await?;
        self.make().await?;
        let pod = self.stop.cancel.run_until_cancelled(self.started()).await.ok_or(StackError::Cancelled)??;
        Ok(match self.followed(&pod).await? {
            Err(why) => RemoteEnd { lost: Some(why), ..RemoteEnd::default() },
            Ok((code, why)) => {
                let results = self.in_results(&pod, &["job", "pack"], true).await.map_err(|error| error.to_string());
                let broken =
                    (![0, 1, 3, 130].contains(&code)).then(|| format!("it ended with exit code {code} ({why})"));
                RemoteEnd { broken, results: Some(results), lost: None }
            }
        })
    }

    /// Makes the Job with all that it needs, and its account's rights in the namespace of the drill.
    async fn make(&self) -> StackResult<()> {
        let (name, short) = (names::job(&self.drill.run.id), names::short(&self.drill.run.id));
        let making = |object: &Value| format!("making the {} of the Job", kind(object));
        let metadata = json!({ "name": name, "labels": { (RUN): short } });
        let everything = json!([{ "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"] }]);
        let drills = self.cluster.namespace(names::namespace(&self.drill.run.id));
        for right in grant(RUNNER, &short, &everything, (&name, &self.namespace.name)) {
            drills.make(&right, &making(&right)).await?;
        }
        let files = base64::engine::general_purpose::STANDARD.encode(&self.drill.files);
        let fits = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        let given: BTreeMap<_, _> = self.drill.environment.iter().filter(|(name, _)| fits(name)).collect();
        let account = own_object("account", &json!({ "metadata": metadata }));
        let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": { "files.tar": files }, "stringData": given });
        for object in [account, secret, job(self.drill, &self.images)] {
            self.namespace.make(&object, &making(&object)).await?;
        }
        Ok(())
    }

    /// Waits until the runner has begun; the name of its Pod.
    async fn started(&self) -> StackResult<String> {
        let operation = "starting the Job";
        let mut why = "the cluster has made no Pod for it: `kubectl get events` says why".to_string();
        let pods = self.namespace.all::<Pod>();
        let seen = namespace::until(&pods, pods_of(&self.drill.run.id), STARTS_WITHIN, operation, |found| {
            let (name, pod) = found.iter().next()?;
            if runner_is(pod, "running").or(runner_is(pod, "terminated")).is_some() {
                return Some(Ok(name.clone()));
            }
            let ailment = ailment(pod)?;
            why.clone_from(&ailment);
            is_hopeless(&ailment).then_some(Err(ailment))
        });
        let seen = seen.await?.unwrap_or_else(|| Err(format!("not within {} s: {why}", STARTS_WITHIN.as_secs())));
        seen.map_err(|why| environment(operation, why))
    }

    /// Waits for the end of the runner, and hands on what it prints meanwhile.
    async fn followed(&self, pod: &str) -> StackResult<RunnerEnd> {
        let pods = self.namespace.all::<Pod>();
        let within = self.drill.within + EXEC_WITHIN;
        let end = namespace::until(&pods, pods_of(&self.drill.run.id), within, "following the Job", |found| {
            runner_end(found.get(pod))
        });
        tokio::pin!(end);
        let mut heard = None;
        let mut asked = false;
        let end = loop {
            tokio::select! {
                end = &mut end => break end?,
                // A log that ends before the runner is followed again.
                listened = self.listen(pod, &mut heard, true) => {
                    listened?;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                () = self.stop.cancel.cancelled(), if !asked => {
                    asked = true;
                    // A runner that cannot be asked is removed when the person insists.
                    let _ = self.in_results(pod, &["job", "stop"], false).await;
                }
            }
        };
        if let Some(Ok(_)) = end {
            tokio::time::timeout(EXEC_WITHIN, self.listen(pod, &mut heard, false)).await.unwrap_or(Ok(()))?;
        }
        Ok(end.unwrap_or_else(|| Ok((-1, format!("not over within {} s", self.drill.within.as_secs())))))
    }

    /// Hands on the lines of the runner's log that were not handed on before, from where it has said that it is of this build. `heard`: how
    /// many lines were, once it has.
    async fn listen(&self, pod: &str, heard: &mut Option<usize>, follow: bool) -> StackResult<()> {
        let params = LogParams { container: Some("drill".into()), follow, ..LogParams::default() };
        let Ok(log) = self.namespace.pods().log_stream(pod, &params).await else { return Ok(()) };
        let redactor = Redactor::new(self.drill.environment.values().cloned());
        let mut lines = log.lines().enumerate();
        while let Some((at, Ok(line))) = lines.next().await {
            if heard.is_some_and(|lines| at < lines) {
                continue;
            }
            let tells_build = heard.is_none() && says_build(&line, self.drill.build, &self.images.toolbox)?;
            *heard = (tells_build || heard.is_some()).then_some(at + 1);
            if !tells_build {
                // Whoever listens has the run's directory open until the end.
                let _ = self.printed.send(harmless(line, &redactor));
            }
        }
        Ok(())
    }

    /// Runs Firedrill in the container that keeps the results.
    async fn in_results(&self, pod: &str, arguments: &[&str], whole: bool) -> StackResult<Vec<u8>> {
        let operation = "fetching the results of the Job";
        let directory = format!("{RESULTS}/{}", &self.drill.run.id);
        let command = self.images.agent.command(&[arguments, &[directory.as_str()]].concat());
        let ran = self.namespace.container(pod, "results").run(&command, operation, whole, EXEC_WITHIN).await?;
        match ran.code {
            Some(0) => Ok(ran.stdout),
            Some(_) => Err(environment(operation, ran.stderr.trim())),
            None => Err(environment(operation, format!("not within {} s", EXEC_WITHIN.as_secs()))),
        }
    }
}

/// Whether a line of a runner's log says that it is of this build. The error is that it is of another one, or that it began with an
/// event, as those do that do not say it.
fn says_build(line: &str, build: &str, image: &str) -> StackResult<bool> {
    let other = match line.strip_prefix(RUNNER_BUILD) {
        Some(told) if told == build => return Ok(true),
        Some(told) => format!("the build {told}"),
        None if line.starts_with('{') => "an earlier build".to_string(),
        // The container's runtime, or the loader.
        None => return Ok(false),
    };
    let cause = format!(
        "the image {image} is of {other} on its node, and the game day is of {build}: load or push the image of this build as \
         {image}; a node keeps what it has by that name, so a tag of its own in FIREDRILL_IMAGE is better"
    );
    Err(environment("starting the Job", cause))
}

/// A line of a runner's log: an event is as it is, its runner has hidden what is secret in it. What else is printed, by it or by a program
/// that it runs, does nothing where it is shown.
fn harmless(line: String, redactor: &Redactor) -> String {
    let is_event = serde_json::from_str::<serde::de::IgnoredAny>(&line).is_ok();
    if is_event { line } else { log_line(&redactor.text(&line)) }
}

/// The Pods of the Job of a run.
fn pods_of(run: &str) -> ListParams {
    ListParams::default().labels(&format!("job-name={}", names::job(run)))
}

/// What the cluster says of the container of the runner, where this is its state.
fn runner_is<'p>(pod: &'p Value, state: &str) -> Option<&'p Value> {
    status_of(pod, "drill")?["state"].get(state)
}

/// How the runner of a Pod ended, if it has; `None` for the Pod is that there is none.
fn runner_end(pod: Option<&Value>) -> Option<RunnerEnd> {
    let Some(pod) = pod else { return Some(Err("its Pod was removed".into())) };
    let (reason, phase) = (text(pod, "/status/reason"), text(pod, "/status/phase"));
    let is_evicted = phase == "Failed" && !reason.is_empty();
    // Since 1.22 the containers of an evicted Pod have ended as well, by a signal.
    if let Some(ended) = runner_is(pod, "terminated").filter(|_| !is_evicted) {
        return Some(Ok((ended["exitCode"].as_i64().unwrap_or(-1), text(ended, "/reason").into())));
    }
    let node = told(pod, "/spec/nodeName", "its node");
    if is_deleted(pod) {
        return Some(Err(format!("its Pod on {node} is being removed {reason}").trim_end().into()));
    }
    ["Failed", "Unknown"].contains(&phase).then(|| Err(format!("its Pod on {node} is {phase} {reason}")))
}

/// The Job of a drill.
fn job(drill: &RemoteDrill, images: &FiredrillImages) -> Value {
    let name = names::job(&drill.run.id);
    let from = |key: &String| json!({ "secretKeyRef": { "name": name, "key": key, "optional": true } });
    let given = drill.environment.keys().map(|key| json!({ "name": key, "valueFrom": from(key) }));
    let runs = images.agent.command(&["job", "run", &format!("{FILES}/files.tar"), RESULTS]);
    let values = json!({ "name": name, "labels": { (RUN): names::short(&drill.run.id) }, "run": drill.run.id,
        "within": drill.within.as_secs(), "directory": drill.directory, "image": images.toolbox, "runs": runs,
        "keeps": images.agent.command(&["agent", "serve"]), "results": RESULTS, "files": FILES });
    let mut job = own_object("job", &values);
    if let Some(Value::Array(env)) = job.pointer_mut("/spec/template/spec/containers/0/env") {
        drop(env.splice(0..0, given));
    }
    job
}

/// Removes the Job of a run with its account and its files, and waits until its Pod is gone.
pub(super) async fn remove_job(namespace: &ClusterNamespace, run: &str) -> StackResult<()> {
    let (name, operation, pods) = (names::job(run), "removing the Job", namespace.all::<Pod>());
    let own = pods_of(run);
    let remove = async |version: &str, kind: &str| {
        namespace.remove(&json!({ "apiVersion": version, "kind": kind, "metadata": { "name": name } }), operation).await
    };
    remove("batch/v1", "Job").await?;
    removed(pods.delete_collection(&DeleteParams::default().grace_period(0), &own).await, operation)?;
    remove("v1", "Secret").await?;
    remove("v1", "ServiceAccount").await?;
    let gone = namespace::until(&pods, own, GONE_WITHIN, operation, |found| found.is_empty().then_some(()));
    gone.await?.ok_or_else(|| environment(operation, format!("its Pod is not gone within {} s", GONE_WITHIN.as_secs())))
}

/// Removes the namespace of a game day whose process is gone, once no Job is left in it: the last one of its drills does.
pub(super) async fn remove_empty_day(cluster: &Cluster, namespace: &str) -> StackResult<()> {
    let operation = format!("removing the namespace {namespace}");
    let found = cluster.all_of::<Namespace>().get_opt(namespace).await.map_err(api(operation.as_str()))?;
    let annotations = found.and_then(|found| found.metadata.annotations).unwrap_or_default();
    let Some(day) = annotations.get(names::RUN_ID).filter(|day| names::namespace(day) == namespace) else {
        return Ok(());
    };
    if runs::find(day).is_some_and(|noted| noted.watched().map_or(true, |(_, is_alive)| is_alive)) {
        // More drills may come.
        return Ok(());
    }
    let left = list(&cluster.namespace(namespace).all::<Job>(), &ListParams::default().limit(1), &operation).await?;
    if left.is_empty() { down(cluster, day, false).await.map(drop) } else { Ok(()) }
}

/// What one of these quantities comes to.
fn of(quantities: &Value, what: &str) -> f64 {
    quantities[what].as_str().and_then(quantity).unwrap_or_default()
}

/// How many runners fit into a quota, and what of it is the least.
fn left(quota: &Value, each: &BTreeMap<&str, f64>) -> Option<(u32, String)> {
    let (hard, used) = (&quota["status"]["hard"], &quota["status"]["used"]);
    let fits = each.iter().filter(|(what, _)| hard.get(**what).is_some()).map(|(what, need)| {
        // A little more than nothing, because sums of decimals are not exact.
        let fit = ((of(hard, what) - of(used, what)) / need + 1e-9).max(0.0) as u32;
        (fit, format!("the quota `{}` has {what} for {fit}", name(quota)))
    });
    fits.min_by_key(|(fit, _)| *fit)
}

#[cfg(test)]
mod tests {
    use super::super::cluster::{CONTEXT_VARIABLE, IN_CLUSTER, JOB_VARIABLE};
    use super::*;
    use crate::stack::kubernetes::images::IMAGE_VARIABLE;

    fn pod(status: Value, metadata: Value) -> Value {
        let spec = json!({ "nodeName": "n1", "containers": [] });
        json!({ "metadata": metadata, "status": status, "spec": spec })
    }

    fn status(state: Value) -> Value {
        let of = |name: &str, state: &Value| json!({ "name": name, "image": "i", "imageID": "", "ready": true, "restartCount": 0, "state": state });
        json!({ "phase": "Running", "containerStatuses": [of("results", &json!({ "running": {} })), of("drill", &state)] })
    }

    #[test]
    fn a_runner_has_ended_by_itself_or_its_pod_is_gone() {
        let told = |pod: Option<Value>| match runner_end(pod.as_ref()) {
            None => "runs".to_string(),
            Some(Ok((code, why))) => format!("{code} {why}"),
            Some(Err(why)) => why,
        };
        let killed = json!({ "terminated": { "exitCode": 137, "reason": "OOMKilled" } });
        let removed = json!({ "deletionTimestamp": "2026-11-20T00:00:00Z" });
        assert_eq!(told(Some(pod(status(json!({ "running": {} })), json!({})))), "runs");
        assert_eq!(told(Some(pod(status(killed.clone()), json!({})))), "137 OOMKilled");
        assert_eq!(told(Some(pod(status(killed), removed.clone()))), "137 OOMKilled");
        assert_eq!(told(Some(pod(status(json!({ "running": {} })), removed))), "its Pod on n1 is being removed");
        let evicted = json!({ "phase": "Failed", "reason": "Evicted" });
        assert_eq!(told(Some(pod(evicted, json!({})))), "its Pod on n1 is Failed Evicted");
        let mut ended = status(json!({ "terminated": { "exitCode": 137, "reason": "ContainerStatusUnknown" } }));
        ended["phase"] = json!("Failed");
        assert_eq!(told(Some(pod(ended.clone(), json!({})))), "137 ContainerStatusUnknown", "by itself");
        ended["reason"] = json!("Evicted");
        assert_eq!(told(Some(pod(ended, json!({})))), "its Pod on n1 is Failed Evicted");
        assert_eq!(told(None), "its Pod was removed");
    }

    #[test]
    fn no_job_runs_a_chart_or_in_an_image_of_the_scenario() {
        let dir = tempfile::tempdir().unwrap();
        let cluster = Some(crate::stack::ClusterRequest::default());
        let mut request = StackRequest { file: dir.path().into(), cluster, ..StackRequest::default() };
        let told = |request: &StackRequest| KubernetesJobs::new(KubernetesPlatform::default()).refusal(request);
        assert_eq!(told(&request), None);
        request.toolbox_image = Some("ours".into());
        assert!(told(&request).is_some_and(|why| why.contains("another image")));
        std::fs::write(dir.path().join(CHART), "name: x\n").unwrap();
        assert!(told(&request).is_some_and(|why| why.contains("helm")));
    }

    #[test]
    fn what_a_runner_prints_and_is_no_event_is_made_harmless() {
        let redactor = Redactor::new(["hunter2-secret".to_string()]);
        assert_eq!(harmless("\u{1b}[2J::error::hunter2-secret".into(), &redactor), "\u{241b}[2J::error::***");
        let event = r#"{"type":"x","text":"::error::"}"#;
        assert_eq!(harmless(event.into(), &redactor), event);
    }

    #[test]
    fn a_runner_of_another_build_is_refused_with_the_image_to_load() {
        let told = |line: &str| says_build(line, "1.0.0+a", "shop/firedrill:1").map_err(|error| error.to_string());
        assert_eq!(told("firedrill build 1.0.0+a"), Ok(true));
        assert_eq!(told("unable to retrieve container logs for containerd://0"), Ok(false));
        for (line, of) in [("firedrill build 1.0.0+b", "the build 1.0.0+b"), (r#"{"seq":0}"#, "an earlier build")] {
            let why = told(line).unwrap_err();
            let wanted = format!("the image shop/firedrill:1 is of {of} on its node, and the game day is of 1.0.0+a");
            assert!(why.contains(&wanted) && why.contains("push the image of this build as shop/firedrill:1"), "{why}");
        }
    }

    #[test]
    fn a_job_ends_by_itself_claims_what_it_uses_and_is_tried_once() {
        let run = RunIdentity { id: "r".into(), dir: "/x".into(), keep: false };
        let drill = RemoteDrill {
            run,
            request: StackRequest::default(),
            files: Vec::new(),
            environment: [("GIVEN".to_string(), "1".to_string())].into(),
            directory: "/shop".into(),
            within: Duration::from_secs(1800),
            build: "1.0.0+a",
        };
        let agent =
            crate::stack::compose::images::AgentImage { tag: "a".into(), launch: vec!["/firedrill/firedrill".into()] };
        let job = job(&drill, &FiredrillImages { agent, toolbox: "t:1".into(), monitoring: None });
        assert!(!job.to_string().contains('$'), "{job}");
        let _: Job = serde_json::from_value(job.clone()).unwrap();
        assert_eq!(job["spec"]["backoffLimit"], json!(0));
        assert_eq!(job["spec"]["activeDeadlineSeconds"], json!(1800));
        let containers = job["spec"]["template"]["spec"]["containers"].as_array().unwrap();
        for container in containers {
            assert!(container["resources"]["limits"]["memory"].is_string(), "{container}");
            assert!(container["resources"]["requests"]["cpu"].is_string(), "{container}");
        }
        let env: Vec<(&str, Option<&str>)> = containers[0]["env"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| (text(one, "/name"), one["value"].as_str()))
            .collect();
        assert_eq!(env[0], ("GIVEN", None), "what is set after it wins");
        for set in [(CONTEXT_VARIABLE, IN_CLUSTER), (IMAGE_VARIABLE, "t:1"), (JOB_VARIABLE, "r")] {
            assert!(env.contains(&(set.0, Some(set.1))), "{set:?}: {env:?}");
        }
        let mounts = containers[1]["volumeMounts"].to_string();
        assert!(!mounts.contains("account") && !mounts.contains("files"), "results need no rights: {mounts}");
    }

    #[test]
    fn the_scarcest_of_a_quota_says_how_many_fit() {
        let status = json!({ "hard": { "pods": "10", "limits.cpu": "4", "services": "0" }, "used": { "pods": "1", "limits.cpu": "400m" } });
        let quota = json!({ "metadata": { "name": "team" }, "status": status });
        let each = BTreeMap::from([("pods", 1.0), ("limits.cpu", 1.2), ("limits.memory", 1.0)]);
        assert_eq!(left(&quota, &each), Some((3, "the quota `team` has limits.cpu for 3".into())));
    }
}
