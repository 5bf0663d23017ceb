//! `KubernetesStack`: the one stack trait, carried out in a namespace of the drill's own.

use super::cluster::{self, Cluster};
use super::images::{self, FiredrillImages};
use super::jobs::{remove_empty_day, remove_job};
use super::kubectl::KubectlTools;
use super::manifests::{Manifests, WORKLOADS, items, kind, name, pod_spec_pointer, remove_at, text, written};
use super::names::{self, CLOSED, CLOSED_PORT, OURS, RUN_ID};
use super::namespace::{self, ClusterNamespace, api, environment, going, hinted, list, make};
use super::platform::ResolvedManifests;
use super::runs::{self, NotedRun};
use super::transform::{self, Aliases, DrillObjects, own_object, port_number};
use super::{bypass, objects, pods, processes};
use crate::locked;
use crate::output::log_lines;
use crate::record::{HIDDEN, Redactor, Secret, Secrets, write_atomic};
use crate::stack::changes::WatchedEnds;
use crate::stack::compose::secrets::guessed;
use crate::stack::tools::clean_calls;
use crate::stack::{
    AgentRole, Channel, ContainerState, Ending, ExecResult, Fingerprint, Fingerprints, ObjectChange, ObjectEdit, Place,
    ProxyBypass, Release, RunIdentity, Stack, StackDown, StackError, StackOptions, StackRequest, StackResult, StackUp,
    TOOLBOX, Tools,
};
use async_trait::async_trait;
use k8s_openapi::api::core::v1::{Endpoints, Namespace, Pod, Service, ServiceAccount};
use kube::api::{DeleteParams, ListParams, LogParams, Preconditions};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long a namespace may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(120);
/// How long a request to make a namespace may still be under way when nobody waits for its answer any more.
const LANDS_WITHIN: Duration = Duration::from_secs(2);
/// How long the ServiceAccount of new Pods may take to be made by the cluster.
const ACCOUNT_WITHIN: Duration = Duration::from_secs(20);
/// How long it may take until a Pod listens that nobody may reach, and until the network knows the policy that says so.
const CLOSED_WITHIN: Duration = Duration::from_secs(20);

/// Of a longer log of a container the first part is kept, in bytes.
const LONGEST_LOG: i64 = 64 << 20;

/// A namespace of one drill.
#[derive(Clone)]
pub(super) struct KubernetesStack {
    pub cluster: Cluster,
    pub manifests: Manifests,
    pub request: StackRequest,
    pub run: RunIdentity,
    pub options: StackOptions,
    pub namespace: ClusterNamespace,
    pub redactor: Redactor,
    /// The team's objects as they were started, and the names that every Pod has for addresses of Services.
    pub started: OnceLock<(Vec<Value>, Aliases)>,
    /// Firedrill's own images; known once they are made.
    pub ours: OnceLock<FiredrillImages>,
    /// Process → how its Pods ended, while it is there.
    ends: Arc<Mutex<BTreeMap<String, WatchedEnds>>>,
}

impl KubernetesStack {
    /// The stack of a run, of which nothing is started.
    pub(super) async fn of(of: &ResolvedManifests, run: &RunIdentity, options: &StackOptions) -> StackResult<Self> {
        let ResolvedManifests { platform, request, manifests } = of;
        let (mut run, cluster) = (run.clone(), platform.cluster(request).await?);
        run.dir = std::path::absolute(&run.dir).map_err(|error| environment("finding the run's directory", error))?;
        Ok(KubernetesStack {
            namespace: cluster.namespace(names::namespace(&run.id)),
            redactor: Redactor::new(secrets(manifests)).with(options.secrets.clone()),
            cluster,
            manifests: transform::with_own_names(manifests.clone(), request, &names::short(&run.id)),
            request: request.clone(),
            run,
            options: options.clone(),
            started: OnceLock::new(),
            ours: OnceLock::new(),
            ends: Arc::default(),
        })
    }

    /// Whether it has objects that belong to the whole cluster.
    fn is_beyond_namespace(&self) -> bool {
        self.request.cluster.as_ref().is_some_and(|cluster| !cluster.allowed.is_empty())
    }

    /// The team's objects as they were started.
    pub(super) fn planned(&self) -> &[Value] {
        self.started.get().map_or(&[], |(planned, _)| planned)
    }

    /// Keeps an object that is made later in the drill, as those of the manifests: its Pods have the names of the drill's Services.
    pub(super) fn keep_inside(&self, object: &mut Value) {
        transform::kept_inside(object, &self.manifests, written(&self.request), &self.namespace.name);
        if let Some((_, aliases)) = self.started.get() {
            transform::add_aliases(object, aliases);
        }
    }

    async fn open(&self, pod: &str, arguments: &[&str], what: &str) -> StackResult<Channel> {
        let none = || environment(format!("starting {what}"), "the stack has not been started");
        let ours = self.ours.get().ok_or_else(none)?;
        self.namespace.container(pod, OURS).open(&ours.agent.command(arguments), what).await
    }

    async fn start(&self, cancel: &CancellationToken) -> StackResult<StackUp> {
        let began = Instant::now();
        self.leads_to_nobody_else().await?;
        let ours = images::make(self, cancel).await?;
        let ours = self.ours.get_or_init(|| ours);
        let build_took = began.elapsed();
        let short = names::short(&self.run.id);
        let drill = DrillObjects { namespace: &self.namespace.name, short: &short, ours };
        runs::note(&self.cluster, &self.run, None, self.is_beyond_namespace())?;
        let up_began = Instant::now();
        let deadline = Instant::now() + self.request.up_within;
        if !self.cluster.in_job {
            create_namespace(&self.cluster, &self.run.id).await?;
        }
        let api_server = if self.request.isolate { Some(self.api_server().await?) } else { None };
        for object in transform::limits(&drill, api_server.as_deref()) {
            self.create(&object).await?;
        }
        for object in transform::of_cluster(&self.manifests, &self.request, &drill) {
            self.cluster.make(&object).await?;
        }
        let mut team = transform::team(&self.manifests, &self.request, &drill);
        self.keep_copy(&team)?;
        let mut addresses = BTreeMap::new();
        let mut with_pods = team.split_off(team.partition_point(|object| pod_spec_pointer(object).is_none()));
        for object in &team {
            let made = self.create(object).await?;
            let address = text(&made, "/spec/clusterIP");
            // A headless one has none.
            if kind(object) == "Service" && !["", "None"].contains(&address) {
                addresses.insert(name(object).to_string(), address.to_string());
            }
        }
        let aliases = transform::aliases(&self.manifests, &self.request, &addresses);
        self.account_is_there().await?;
        with_pods.extend(transform::our_pods(&drill, self.request.isolate));
        for object in &mut with_pods {
            transform::add_aliases(object, &aliases);
            self.create(object).await?;
        }
        let waited: Vec<Value> = with_pods.iter().filter(|one| WORKLOADS.contains(&kind(one))).cloned().collect();
        team.append(&mut with_pods);
        let _ = self.started.set((team, aliases));
        let up_took = up_began.elapsed();
        let healthy_began = Instant::now();
        pods::wait(self, &waited, deadline).await?;
        if self.request.isolate {
            self.isolation_holds().await?;
        }
        Ok(StackUp {
            project: self.namespace.name.clone(),
            images: self.images().await?,
            build_took,
            up_took,
            healthy_took: healthy_began.elapsed(),
            ..StackUp::default()
        })
    }

    /// Refuses what would call other people's Services by names of the written namespace, where the cluster has one. The account of a
    /// Job may not look there: whoever makes the Job has looked.
    pub(super) async fn leads_to_nobody_else(&self) -> StackResult<()> {
        let written = written(&self.request);
        let all_have_one = transform::without_alias(&self.manifests).next().is_none();
        if self.request.isolate || written.is_empty() || all_have_one || self.cluster.in_job {
            return Ok(());
        }
        let operation = format!("looking for the Services of the manifests in the namespace `{written}`");
        let live = list(&self.cluster.namespace(written).all::<Service>(), &ListParams::default(), &operation).await?;
        let is_there = |own: &&str| live.iter().any(|live| name(live) == *own);
        let Some(own) = transform::without_alias(&self.manifests).find(is_there) else { return Ok(()) };
        let cause = format!(
            "the cluster has a Service `{own}` there, to which `{own}.{written}.svc` and names of Pods behind it would lead \
             the drill: the drill's own has no address for which another name could stand"
        );
        Err(hinted(operation, cause, "set `isolate: true`, or take a cluster that has no such namespace"))
    }

    /// Addresses and ports of the API server, as Pods reach it.
    async fn api_server(&self) -> StackResult<Vec<(String, u16)>> {
        let all = self.cluster.namespace("default").all::<Endpoints>();
        let found = all.get("kubernetes").await.map_err(api("looking at the Endpoints of the API server"))?;
        let mut addresses = Vec::new();
        for subset in items(&found.data, "/subsets") {
            for port in items(subset, "/ports").filter_map(port_number) {
                addresses.extend(items(subset, "/addresses").map(|address| (text(address, "/ip").to_string(), port)));
            }
        }
        Ok(addresses)
    }

    async fn create(&self, object: &Value) -> StackResult<Value> {
        self.namespace.make(object, &format!("making {} {}", kind(object), name(object))).await
    }

    /// Gives the steps the rights to put right what a fault changes, where they have none on objects of its kind.
    async fn let_steps_undo(&self, change: &ObjectChange) -> StackResult<()> {
        let Ok(object) = objects::object(self, change) else { return Ok(()) };
        let (short, makes) = (names::short(&self.run.id), matches!(change.edit, ObjectEdit::Delete));
        let operation = format!("giving the steps rights on `{}`", change.object);
        for right in transform::rights_on(&object, &self.namespace.name, &short, self.request.isolate, makes) {
            // They are there for a fault that comes back.
            if self.namespace.live(&right, operation.clone()).await?.is_none() {
                self.namespace.make(&right, &operation).await?;
            }
        }
        Ok(())
    }

    /// Pods are refused until the cluster has made the namespace's `default` ServiceAccount.
    async fn account_is_there(&self) -> StackResult<()> {
        let accounts = self.namespace.all::<ServiceAccount>();
        let operation = "waiting for the ServiceAccount default";
        let seen = namespace::until(&accounts, namespace::only("default"), ACCOUNT_WITHIN, operation, |found| {
            (!found.is_empty()).then_some(())
        });
        let late = format!("the cluster has not made it within {} s", ACCOUNT_WITHIN.as_secs());
        seen.await?.ok_or_else(|| environment(operation, late))
    }

    /// Refuses a network that carries out no NetworkPolicies, in which `isolate` keeps nothing in, and whose API takes the policies all the
    /// same: a Pod of the drill listens, a policy keeps everybody away from it, and the toolbox tries to reach it.
    async fn isolation_holds(&self) -> StackResult<()> {
        let operation = "looking whether `isolate` keeps anything in";
        let closed = self.namespace.all::<Pod>().get(CLOSED).await.map_err(api(operation))?;
        let address = text(&closed.data, "/status/podIP");
        let deadline = Instant::now() + CLOSED_WITHIN;
        // From its own Pod nothing keeps anybody away: until then it does not listen yet.
        if !self.is_reached(CLOSED, address, true, deadline).await? {
            let hint = "look at its log (`--keep` leaves the namespace), or leave `isolate` out";
            return Err(hinted(operation, format!("the Pod `{CLOSED}` does not listen"), hint));
        }
        if self.is_reached(TOOLBOX, address, false, deadline).await? {
            let cause = "the cluster's network carries out no NetworkPolicies";
            let hint = "take a cluster whose network does (Calico, Cilium and others), or leave `isolate` out";
            return Err(hinted(operation, cause, hint));
        }
        Ok(())
    }

    /// Whether a Pod reaches the address: asked until the answer is the wanted one, at the latest until the deadline.
    async fn is_reached(&self, from: &str, address: &str, wanted: bool, deadline: Instant) -> StackResult<bool> {
        let (target, port) = (self.namespace.container(from, OURS), CLOSED_PORT.to_string());
        let command = ["timeout", "2", "bash", "-c", r#"exec 3<>"/dev/tcp/$0/$1""#, address, &port].map(str::to_string);
        loop {
            let operation = format!("connecting from `{from}` to `{CLOSED}`");
            let ran = target.run(&command, &operation, false, Duration::MAX).await?;
            if (ran.code == Some(0)) == wanted || Instant::now() > deadline {
                return Ok(ran.code == Some(0));
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    /// The objects as they were started, beside the record, with their secrets hidden.
    fn keep_copy(&self, objects: &[Value]) -> StackResult<()> {
        let path = self.run.dir.join("kubernetes.json");
        let mut shown = objects.to_vec();
        for object in &mut shown {
            let is_secret = kind(object) == "Secret";
            let held = object.pointer_mut("/data").and_then(Value::as_object_mut).filter(|_| is_secret);
            held.into_iter().flat_map(|held| held.values_mut()).for_each(|value| *value = json!(HIDDEN));
            // The same once more, as it was written, secrets in base64 included.
            remove_at(object, "/metadata/annotations", &[names::LAST_APPLIED]);
        }
        let text = self.redactor.text(&format!("{:#}\n", Value::Array(shown)));
        write_atomic(&path, text.as_bytes()).map_err(|error| environment(format!("writing {}", path.display()), error))
    }

    /// Service → the id of the image that its Pods run.
    async fn images(&self) -> StackResult<BTreeMap<String, String>> {
        let mut found = BTreeMap::new();
        for service in self.services() {
            let pods = pods::of_service(self, &service).await?;
            let Some(pod) = pods.first() else { continue };
            let status = pods::status_of(pod, pods::main_container(pod, &service));
            found.extend(status.map(|status| (service, text(status, "/imageID").to_string())));
        }
        Ok(found)
    }
}

/// The values of the manifests that must never be written anywhere.
fn secrets(manifests: &Manifests) -> Vec<Secret> {
    let variables = manifests.workloads().flat_map(|workload| manifests.environment(name(workload)));
    let guessed = variables.flat_map(|(key, value)| guessed(&key, &value)).map(Secret::Guessed);
    manifests.secrets().into_iter().map(Secret::Declared).chain(guessed).collect()
}

#[async_trait]
impl Stack for KubernetesStack {
    async fn proxy_is_bypassed(&self, service: &str) -> StackResult<ProxyBypass> {
        bypass::of(self, service).await
    }

    async fn up(&self, cancel: &CancellationToken) -> StackResult<StackUp> {
        if let Some(error) = &self.options.no_images {
            return Err(error.clone());
        }
        cancel.run_until_cancelled(self.start(cancel)).await.unwrap_or(Err(StackError::Cancelled))
    }

    async fn connect(&self, role: &AgentRole) -> StackResult<Channel> {
        self.open(&role.name(), &["agent", "control"], &format!("the agent {}", role.name())).await
    }

    async fn shell(&self, place: &Place) -> StackResult<Channel> {
        match place {
            Place::Toolbox => self.open(TOOLBOX, &["shell"], "the shell in the toolbox").await,
            Place::Service(service) => {
                let cause = "steps run in the toolbox when the stack is in Kubernetes";
                let hint = "leave out `service:`, and let the runbook say `kubectl exec`";
                Err(hinted(format!("opening a shell in `{service}`"), cause, hint))
            }
        }
    }

    fn tools(&self, _: &Place, secrets: &Secrets) -> Arc<dyn Tools> {
        Arc::new(KubectlTools { stack: Arc::new(self.clone()), secrets: secrets.clone() })
    }

    async fn containers(&self, service: &str) -> StackResult<Vec<ContainerState>> {
        Ok(pods::of_service(self, service).await?.iter().map(|pod| pods::state(pod, service)).collect())
    }

    async fn delete_pod(&self, uid: &str) -> StackResult<()> {
        pods::delete(&self.namespace, uid).await
    }

    async fn exec_full(&self, service: &str, command: &[String], whole: bool, within: Duration) -> ExecResult {
        let operation = format!("running a command in `{service}`");
        pods::running(self, service).await?.run(command, &operation, whole, within).await
    }

    async fn read_file(&self, service: &str, path: &str) -> StackResult<Vec<u8>> {
        let operation = format!("reading `{path}` from `{service}`");
        let command = ["cat", "--", path].map(str::to_string);
        let read = self.exec_full(service, &command, true, Duration::from_secs(10)).await?;
        if read.code == Some(0) { Ok(read.stdout) } else { Err(environment(operation, read.stderr.trim())) }
    }

    async fn preview(&self, service: &str, release: &Release) -> StackResult<Fingerprint> {
        objects::preview(self, service, release).await
    }

    async fn fingerprints(&self, service: &str) -> StackResult<Fingerprints> {
        objects::fingerprints(self, service).await
    }

    async fn deploy(&self, service: &str, release: Option<&Release>) -> StackResult<()> {
        objects::deploy(self, service, release).await
    }

    async fn change(&self, change: &ObjectChange, back: bool) -> StackResult<()> {
        if !back {
            self.let_steps_undo(change).await?;
        }
        objects::change(self, change, back).await
    }

    async fn changed(&self, change: &ObjectChange) -> StackResult<BTreeMap<String, bool>> {
        objects::changed(self, change).await
    }

    async fn start_process(&self, name: &str) -> StackResult<()> {
        let ends = processes::start(self, name).await?;
        locked(&self.ends).insert(name.to_string(), ends);
        Ok(())
    }

    async fn remove_process(&self, name: &str) -> StackResult<Vec<String>> {
        locked(&self.ends).remove(name);
        processes::remove(&self.namespace, name).await
    }

    async fn endings(&self, name: &str) -> Vec<Ending> {
        locked(&self.ends).get(name).map(WatchedEnds::seen).unwrap_or_default()
    }

    fn environment(&self, service: &str) -> BTreeMap<String, String> {
        self.manifests.environment(service)
    }

    fn services(&self) -> Vec<String> {
        self.manifests.workloads().map(|workload| name(workload).to_string()).collect()
    }

    fn hosts(&self) -> Vec<String> {
        self.manifests.hosts(written(&self.request))
    }

    fn secrets(&self) -> Vec<Secret> {
        secrets(&self.manifests)
    }

    fn how_to_look(&self) -> Vec<String> {
        let (context, namespace) = (&self.cluster.context, &self.namespace.name);
        vec![
            format!("kubectl --context {context} --namespace {namespace} get all"),
            format!("kubectl --context {context} delete namespace {namespace}"),
        ]
    }

    async fn save_logs(&self, dir: &Path, redactor: &Redactor) -> StackResult<()> {
        let (namespace, operation) = (&self.namespace, "saving the logs");
        clean_calls(dir, redactor).await?;
        let found = list(&namespace.all::<Pod>(), &ListParams::default(), operation).await?;
        tokio::fs::create_dir_all(dir).await.map_err(|error| environment(operation, error))?;
        for pod in &found {
            for status in pods::statuses(pod) {
                let (container, ends) = (text(status, "/name"), status["restartCount"].as_i64().unwrap_or_default());
                // That of a container's last life too.
                for previous in [false, true].into_iter().filter(|previous| !previous || ends > 0) {
                    let of = Some(container.to_string());
                    let limit_bytes = Some(LONGEST_LOG);
                    let params =
                        LogParams { container: of, timestamps: true, previous, limit_bytes, ..LogParams::default() };
                    let Ok(text) = namespace.pods().logs(name(pod), &params).await else { continue };
                    let end = if previous { "-previous" } else { "" };
                    let file = dir.join(format!("{}-{container}{end}.log", name(pod)));
                    let written = tokio::fs::write(&file, log_lines(&redactor.text(&text))).await;
                    written.map_err(|error| environment(format!("writing {}", file.display()), error))?;
                }
            }
        }
        Ok(())
    }

    async fn down(&self) -> StackResult<StackDown> {
        down(&self.cluster, &self.run.id, self.is_beyond_namespace()).await
    }
}

/// Makes the namespace of a run.
pub(super) async fn create_namespace(cluster: &Cluster, run: &str) -> StackResult<()> {
    let name = names::namespace(run);
    let namespace = own_object("namespace", &json!({ "name": name, "short": names::short(run), "run": run }));
    make(&cluster.all_of::<Namespace>(), &namespace, &format!("making the namespace {name}")).await.map(drop)
}

/// Removes the namespace of a run with everything in it, and where there are some its objects of the whole cluster, and waits until it is
/// gone. What could not be removed stays noted.
pub(super) async fn down(cluster: &Cluster, run: &str, of_cluster: bool) -> StackResult<StackDown> {
    let began = Instant::now();
    let gone = |left: Vec<String>| Ok(StackDown { took: began.elapsed(), left });
    let namespace = names::namespace(run);
    let all = cluster.all_of::<Namespace>();
    let operation = format!("removing the namespace {namespace}");
    let mut found = match all.get_opt(&namespace).await {
        // The rights of a Job end as soon as its namespace is being removed.
        Err(kube::Error::Api(status)) if cluster.in_job && status.is_forbidden() => return gone(Vec::new()),
        found => found.map_err(api(operation.as_str()))?,
    };
    // Of a start that was cut off, or whose runner was killed, the request may be carried out after this look.
    if found.is_none() && !cluster.in_job && runs::find(run).is_some() {
        let look = |found: &BTreeMap<String, Value>| (!found.is_empty()).then_some(());
        namespace::until(&all, namespace::only(&namespace), LANDS_WITHIN, &operation, look).await?;
        found = all.get_opt(&namespace).await.map_err(api(operation.as_str()))?;
    }
    let is_there = found.is_some();
    if let Some(found) = found {
        let own = found.metadata.annotations.as_ref().and_then(|annotations| annotations.get(RUN_ID));
        if own.map(String::as_str) != Some(run) {
            return Err(environment(operation, "it is not the run's: its annotation names another one"));
        }
        // Nothing in there is worth a graceful stop, and the cluster waits for it otherwise.
        let (now, pods) = (DeleteParams::default().grace_period(0), cluster.namespace(namespace.as_str()).pods());
        let this = Preconditions { uid: found.metadata.uid.clone(), resource_version: None };
        let gone = all.delete(&namespace, &DeleteParams::background().preconditions(this)).await;
        going(gone, operation.as_str())?;
        drop(pods.delete_collection(&now, &ListParams::default()).await);
    }
    if is_there && cluster.in_job {
        return gone(Vec::new());
    }
    let within = GONE_WITHIN.saturating_sub(began.elapsed());
    let seen =
        namespace::until(&all, namespace::only(&namespace), within, &operation, |found| found.is_empty().then_some(()));
    let seen = if is_there { seen.await } else { Ok(Some(())) };
    // By now what was under way when the namespace went has been made.
    if of_cluster {
        cluster.remove_own(run).await?;
    }
    if seen?.is_none() {
        return gone(vec![format!("namespace {namespace} (the cluster is still removing it)")]);
    }
    runs::forget(run);
    gone(Vec::new())
}

/// Removes what is noted of a run: its Job first, whose runner would go on in a namespace that is being removed.
pub(super) async fn remove(cluster: &Cluster, noted: &NotedRun) -> StackResult<StackDown> {
    let job = match &noted.jobs {
        Some(jobs) => remove_job(&cluster.namespace(jobs.as_str()), &noted.run).await,
        None => Ok(()),
    };
    let down = down(cluster, &noted.run, noted.of_cluster).await;
    if job.is_err() {
        // Forgotten with the namespace, and the Job is still there.
        runs::note_again(noted)?;
    }
    job.and(down)
}

/// What a dead runner left up, known by what it had noted.
#[derive(Debug)]
pub(super) struct ReopenedNamespace {
    noted: NotedRun,
    cluster: Cluster,
}

impl ReopenedNamespace {
    pub(super) async fn of(noted: NotedRun) -> StackResult<ReopenedNamespace> {
        let cluster = cluster::again(&noted.context, noted.kubeconfig.clone(), noted.cluster.as_deref()).await?;
        Ok(ReopenedNamespace { noted, cluster })
    }
}

#[async_trait]
impl Stack for ReopenedNamespace {
    async fn containers(&self, service: &str) -> StackResult<Vec<ContainerState>> {
        Err(environment(format!("looking at the Pods of `{service}`"), "only the drill knew its manifests"))
    }

    async fn down(&self) -> StackResult<StackDown> {
        let down = remove(&self.cluster, &self.noted).await?;
        if let Some(jobs) = &self.noted.jobs {
            remove_empty_day(&self.cluster, jobs).await?;
        }
        Ok(down)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::ClusterRequest;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// A cluster that answers every request with 403.
    async fn forbidding(in_job: bool) -> Cluster {
        let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        tokio::spawn(async move {
            let status = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "message": "services is forbidden", "reason": "Forbidden", "code": 403 });
            let (status, head) = (status.to_string(), "content-type: application/json\r\nconnection: close");
            let length = status.len();
            let answer = format!("HTTP/1.1 403 Forbidden\r\n{head}\r\ncontent-length: {length}\r\n\r\n{status}");
            while let Ok((mut stream, _)) = server.accept().await {
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        let config = kube::Config::new(format!("http://{address}").parse().unwrap());
        let client = kube::Client::try_from(config).unwrap();
        Cluster { context: "kind-x".into(), client, version: String::new(), uid: None, in_job }
    }

    #[tokio::test]
    async fn whoever_may_not_look_for_services_of_others_starts_no_drill_outside_of_a_job() {
        let looked = async |in_job: bool, isolate: bool| {
            let cluster = forbidding(in_job).await;
            let headless = json!({ "kind": "Service", "metadata": { "name": "db" }, "spec": { "clusterIP": "None" } });
            let asked = ClusterRequest { namespace: "shop".into(), ..ClusterRequest::default() };
            let stack = KubernetesStack {
                namespace: cluster.namespace("firedrill-x"),
                cluster,
                manifests: Manifests { objects: vec![headless] },
                request: StackRequest { cluster: Some(asked), isolate, ..StackRequest::default() },
                run: RunIdentity { id: "r".into(), dir: "r".into(), keep: false },
                options: StackOptions::default(),
                redactor: Redactor::default(),
                started: OnceLock::new(),
                ours: OnceLock::new(),
                ends: Arc::default(),
            };
            stack.leads_to_nobody_else().await.map_err(|error| error.to_string())
        };
        let refused = "looking for the Services of the manifests in the namespace `shop`: services is forbidden";
        assert_eq!(looked(false, false).await, Err(refused.to_string()));
        assert_eq!([looked(true, false).await, looked(false, true).await], [Ok(()), Ok(())]);
    }
}
