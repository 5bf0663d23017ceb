//! Kubernetes as a kind of stack.

use super::boundary::{asks_outside, is_allowed, is_made, leads_out, left_out, mistakes, refusals};
use super::cluster::{self, CONTEXT_VARIABLE, Cluster};
use super::images::{FiredrillImages, IMAGE_VARIABLE, refused_name};
use super::jobs::KubernetesJobs;
use super::kubectl::without_docker;
use super::kubectl_request::{NamespaceNames, translate};
use super::manifests::{
    self, Manifests, all_containers, is_cluster_scoped, is_of_kubernetes, items, kind, lasting_containers,
    main_container, name, pod_spec, text,
};
use super::objects::{keyless, merged, named, planned};
use super::pods::is_rolled_out;
use super::runs::{self, NotedRun};
use super::stack::{KubernetesStack, ReopenedNamespace};
use super::transform::{MADE, TIES, followed, scrapes_by_annotation};
use crate::record::RunDir;
use crate::stack::{
    Demand, Fate, Finding, HostRequests, ImageBuild, Need, ObjectChange, ObjectEdit, Probe, ProbeState, RemoteSite,
    ResolveError, ResolvedStack, RunIdentity, ServiceFacts, SourceFiles, Stack, StackError, StackOptions, StackRequest,
    StackResult, SweepOptions, SweptRun,
};
use async_trait::async_trait;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// Processors that a drill takes besides, for its Pods to start, for the kubelet and for the API server: on two processors with all of the
/// cluster on them, two drills at once were as fast as one alone, and of four some came too late.
const OF_CLUSTER: f64 = 0.3;

/// Namespaces of clusters that the kubeconfig knows.
#[derive(Debug, Clone, Default)]
pub struct KubernetesPlatform {
    /// Named context → its cluster, reached when something first needs it.
    clusters: Arc<Mutex<BTreeMap<Option<String>, Cluster>>>,
    /// Key of a stack's images → Firedrill's own among them, once they were made.
    images: Arc<std::sync::Mutex<BTreeMap<String, FiredrillImages>>>,
}

impl KubernetesPlatform {
    /// The cluster that a request means.
    ///
    /// # Errors
    /// `Environment` when none is meant, or it does not answer.
    pub(super) async fn cluster(&self, request: &StackRequest) -> StackResult<Cluster> {
        let named = request.cluster.as_ref().and_then(|cluster| cluster.context.clone());
        let mut known = self.clusters.lock().await;
        if let Some(cluster) = known.get(&named) {
            return Ok(cluster.clone());
        }
        let cluster = cluster::reach(named.as_deref()).await?;
        known.insert(named, cluster.clone());
        Ok(cluster)
    }

    /// Firedrill's own images for a stack, if they were made.
    pub(super) fn images_of(&self, request: &StackRequest) -> Option<FiredrillImages> {
        crate::locked(&self.images).get(&images_key(request)).cloned()
    }

    /// Whether everything of Firedrill's runs from one image that is there, without Docker.
    pub fn is_without_docker() -> bool {
        cluster::variable(IMAGE_VARIABLE).is_some()
    }

    /// Where drills of game days are carried out as Jobs.
    pub fn jobs(&self) -> Arc<dyn RemoteSite> {
        Arc::new(KubernetesJobs::new(self.clone()))
    }

    /// What `Platform::resolve` does.
    ///
    /// # Errors
    /// As there.
    pub async fn resolve(&self, request: &StackRequest) -> Result<Arc<dyn ResolvedStack>, ResolveError> {
        let read = manifests::read(&request.file, &request.root, request.cluster.as_ref()).await;
        let manifests = read.map(Manifests::with_own_roles).map_err(|error| match error {
            // As a finding: what is wrong is no matter of Compose.
            ResolveError::Invalid { file, message } => {
                let message = format!("the manifests cannot be used: {}: {message}", file.display());
                let finding =
                    Finding::error(None, "", message).help("`kubectl apply --dry-run=client -f` says the same");
                ResolveError::Refused { file, findings: vec![finding] }
            }
            other => other,
        })?;
        Ok(Arc::new(ResolvedManifests { platform: self.clone(), request: request.clone(), manifests }))
    }

    /// The files that the stack of a request is made from.
    pub fn source_files(&self, request: &StackRequest) -> SourceFiles {
        source_files(request, |files, build| files.folder(&build.folder))
    }

    /// What there is to say about the cluster that the environment names; nothing where it names none.
    pub async fn probe(&self) -> Vec<Probe> {
        if std::env::var_os(CONTEXT_VARIABLE).is_none() {
            return Vec::new();
        }
        let looked = async {
            let cluster = self.cluster(&StackRequest::default()).await?;
            let missing = cluster::missing_rights(&cluster).await?;
            Ok((format!("{} ({})", cluster.context, cluster.version), missing))
        };
        let (state, seen, fix) = match looked.await {
            Ok((seen, missing)) if missing.is_empty() => (ProbeState::Ok, seen, None),
            Ok((seen, missing)) => {
                let fix = format!("this ClusterRole has all rights that drills need, and no more:\n{}", cluster::ROLE);
                (ProbeState::Warn, format!("{seen}; rights are missing: {}", missing.join(", ")), Some(fix))
            }
            Err(StackError::Environment { operation, cause, hint }) => {
                (ProbeState::Warn, format!("{operation}: {cause}"), hint)
            }
            Err(error) => (ProbeState::Warn, error.to_string(), None),
        };
        vec![Probe { what: "Kubernetes", state, seen, fix }]
    }

    /// What a run has left in a cluster; `None` when it had no namespace in one.
    ///
    /// # Errors
    /// `Environment` when the cluster does not answer.
    pub async fn reopen(&self, run: &str) -> StackResult<Option<Arc<dyn Stack>>> {
        let Some(noted) = runs::find(run) else { return Ok(None) };
        Ok(Some(Arc::new(ReopenedNamespace::of(noted).await?)))
    }

    /// Removes the namespaces of runs that nobody watches.
    pub async fn sweep(&self, options: SweepOptions, only: &[String]) -> Vec<SweptRun> {
        let mut swept = Vec::new();
        for noted in runs::all().into_iter().filter(|noted| only.is_empty() || only.contains(&noted.run)) {
            swept.push(sweep(noted, options).await);
        }
        swept
    }
}

/// The files of the manifests, and what `add` adds of each image that is built.
pub(super) fn source_files(request: &StackRequest, add: impl Fn(&mut SourceFiles, &ImageBuild)) -> SourceFiles {
    let mut files = SourceFiles::default();
    match request.file.is_dir() {
        true => files.folder(&request.file),
        false => files.file(&request.file),
    }
    manifests::folders(&request.file, &request.root).iter().for_each(|folder| files.folder(folder));
    request.cluster.iter().flat_map(|cluster| &cluster.values).for_each(|values| files.file(values));
    let builds = request.cluster.iter().flat_map(|cluster| cluster.images.values()).flatten();
    builds.for_each(|build| add(&mut files, build));
    files
}

async fn sweep(noted: NotedRun, options: SweepOptions) -> SweptRun {
    let namespace = super::names::namespace(&noted.run);
    let things = vec![format!("namespace {namespace} of the cluster {}", noted.context)];
    let (run_dir, is_alive) = match noted.watched() {
        Ok(watched) => watched,
        Err(why) => return SweptRun { run: noted.run, dir: None, things, fate: Fate::Unseen { why } },
    };
    let is_kept = noted.keep && run_dir.as_ref().is_some_and(RunDir::is_kept);
    let fate = if is_alive {
        Fate::Alive
    } else if is_kept && !options.kept {
        Fate::Kept { undone: Vec::new(), left: Vec::new() }
    } else if options.dry_run {
        Fate::WouldRemove
    } else {
        let removed = async { ReopenedNamespace::of(noted.clone()).await?.down().await };
        let failed = |error: StackError| vec![format!("namespace {namespace} ({error})")];
        Fate::Removed { left: removed.await.map_or_else(failed, |down| down.left) }
    };
    SweptRun { run: noted.run, dir: run_dir.map(|run_dir| run_dir.path().to_path_buf()), things, fate }
}

/// The team's manifests, for one request.
#[derive(Debug)]
pub(super) struct ResolvedManifests {
    pub platform: KubernetesPlatform,
    pub request: StackRequest,
    pub manifests: Manifests,
}

impl ResolvedManifests {
    fn written(&self) -> &str {
        manifests::written(&self.request)
    }

    /// Why a fault cannot change an object like this, and what to do about it.
    fn cannot_change(&self, change: &ObjectChange) -> Option<(String, String)> {
        let own: Vec<Value> = self.manifests.objects.iter().filter(|object| is_made(object)).cloned().collect();
        let found = planned(&own, &change.object);
        let (set, becomes) = match (&change.edit, &found) {
            (ObjectEdit::Create(_), Ok(_)) => {
                return Some(("the manifests have that object".into(), "take `set` or `delete`".into()));
            }
            (ObjectEdit::Create(made), Err(_)) => match named(change) {
                Ok(becomes) => (made, becomes),
                Err(why) => return Some((why, "write it as in a manifest, without `metadata.name`".into())),
            },
            (_, Err(cause)) => return Some((cause.clone(), "name one of these".into())),
            (ObjectEdit::Set(set), Ok(planned)) => (set, merged(kind(planned), "", (*planned).clone(), set)),
            (ObjectEdit::Delete, Ok(_)) => return None,
        };
        let kind_of = kind(&becomes);
        if is_cluster_scoped(&becomes) {
            return Some((format!("{kind_of} belongs to the whole cluster"), "a drill has a namespace only".into()));
        }
        let which = ["/apiVersion", "/kind", "/metadata/name"];
        let is_other = found.is_ok_and(|planned| which.iter().any(|at| text(&becomes, at) != text(planned, at)));
        if is_other || !["", self.written()].contains(&text(&becomes, "/metadata/namespace")) {
            let help = "leave `apiVersion`, `kind`, `metadata.name` and `metadata.namespace` out of it";
            return Some(("it would be another object".into(), help.into()));
        }
        if let Some(tie) = TIES.iter().find(|tie| set.pointer(&format!("/metadata/{tie}")).is_some()) {
            let help = "leave it out: the namespace has to be removed at the end";
            return Some((format!("it sets `metadata.{tie}`, which ties the namespace to others"), help.into()));
        }
        let annotations = |made: &str| set.pointer(&format!("{made}/metadata/annotations"))?.as_object();
        let mut annotations = MADE.into_iter().filter_map(annotations).flat_map(|all| all.keys());
        if let Some(key) = annotations.find(|key| followed(&self.manifests).iter().any(|begin| key.starts_with(begin)))
        {
            let why = format!("it sets the annotation `{key}`, which programs of the cluster follow");
            return Some((why, "leave it out: a drill is for itself".into()));
        }
        let is_outside = matches!(text(set, "/spec/type"), "NodePort" | "LoadBalancer" | "ExternalName")
            || set.pointer("/spec/externalIPs").is_some();
        if left_out(&becomes).is_some() || (kind_of == "Service" && is_outside) {
            return Some(("it reaches out of the drill's namespace".into(), "a drill is for itself".into()));
        }
        if let Some((list, key)) = keyless(kind_of, set).filter(|_| is_of_kubernetes(&becomes)) {
            let help = format!("say which one is meant: `{list}: [{{ {key}: … }}]`");
            return Some((format!("the cluster tells `{list}` of a {kind_of} apart by `{key}`"), help));
        }
        let refused = refusals(&becomes, &self.request).into_iter().next();
        let (why, help) = refused.or_else(|| leads_out(&becomes, &self.manifests, &self.request))?;
        Some((format!("the {kind_of} then {why}"), help.into()))
    }
}

#[async_trait]
impl ResolvedStack for ResolvedManifests {
    fn name(&self) -> &str {
        self.written()
    }

    fn hosts(&self) -> Vec<String> {
        self.manifests.hosts(self.written())
    }

    fn facts(&self) -> Vec<ServiceFacts> {
        let names: BTreeSet<&str> = self.manifests.workloads().map(name).collect();
        names.into_iter().map(|service| facts(&self.manifests, service)).collect()
    }

    fn findings(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        for object in &self.manifests.objects {
            let what = format!("{} {}", kind(object), name(object));
            let refused = |why: String, help: &str| Finding::error(None, "", format!("{what} {why}")).help(help);
            let namespace = text(object, "/metadata/namespace");
            let is_own = (kind(object), name(object)) == ("Namespace", self.written());
            if is_cluster_scoped(object) && !is_own && !is_allowed(object, &self.request) {
                let help = "a drill has a namespace of its own: leave it out of the drill's manifests, or see \
                            `stack.kubernetes.allow_cluster`";
                found.push(refused("belongs to the whole cluster".into(), help));
            }
            if !namespace.is_empty() && namespace != self.written() {
                let why = format!("is in the namespace `{namespace}`, and the drill has `{}` only", self.written());
                found.push(refused(why, "`stack.kubernetes.namespace` says which one is meant"));
            }
            let warnings = left_out(object).into_iter().chain(asks_outside(object, self.request.isolate));
            found.extend(warnings.map(|(why, help)| Finding { error: false, ..refused(why.into(), help) }));
            let outside = leads_out(object, &self.manifests, &self.request);
            let wrong = refusals(object, &self.request).into_iter().chain(outside);
            found.extend(wrong.map(|(why, help)| refused(why, help)));
            if manifests::WORKLOADS.contains(&kind(object)) && !seen.insert(name(object)) {
                found.push(Finding::error(None, "", format!("two workloads are called `{}`", name(object))));
            }
        }
        if scrapes_by_annotation(&self.manifests) {
            let message = "annotations `prometheus.io/…` stay, as a Prometheus of the manifests follows them: one of the cluster's own \
                           would scrape the drill, too";
            found.push(Finding::warning(None, "", message).help("take a cluster that has none of its own"));
        }
        let specs = self.manifests.objects.iter().filter_map(pod_spec);
        let released = self.request.releases.iter().filter_map(|(_, release)| release.image.as_deref());
        let used: Vec<&str> =
            specs.flat_map(all_containers).map(|container| text(container, "/image")).chain(released).collect();
        let images = self.request.cluster.iter().flat_map(|cluster| &cluster.images);
        let images = images.filter_map(|(image, build)| refused_name(image, build.is_some(), &used));
        let allowed = mistakes(&self.manifests, &self.request).into_iter().map(|why| ("allow_cluster", why));
        let wrong = images.map(|why| ("images", why)).chain(allowed);
        found.extend(wrong.map(|(key, (message, help))| Finding::error(None, key, message).help(help)));
        let services: BTreeSet<&str> = self.manifests.of_kind("Service").map(name).collect();
        let in_front = self.request.interposed.keys().map(|s| (s, format!("nothing can be put in front of `{s}`")));
        let leads = self.request.hosts.iter().map(|(host, s)| (s, format!("`{host}` cannot lead to `{s}`")));
        for (_, what) in in_front.chain(leads).filter(|(service, _)| !services.contains(service.as_str())) {
            found.push(Finding::error(None, "", format!("{what}: there is no Service of that name")));
        }
        for process in self.request.processes.iter().filter(|process| process.name.contains('_')) {
            let message = format!("`{}` cannot be the name of a Pod: it has an underscore", process.name);
            found.push(Finding::error(None, "", message).help("write `-` in its place"));
        }
        found
    }

    fn lacks(&self, need: &Need) -> Option<(String, String)> {
        let no = |message: &str, help: &str| Some((message.to_string(), help.to_string()));
        match need {
            Need::Containers => no(
                "Pods cannot be killed, paused or limited one by one",
                "take `pod_kill`, `patch` on the workload (replicas, limits, command), or `command` in one of its Pods",
            ),
            // One that is not there `check` tells anyway.
            Need::Pods(service) if self.manifests.workload(service).is_none_or(is_rolled_out) => None,
            Need::Pods(_) => no(
                "only the Pods of a Deployment, StatefulSet or DaemonSet are replaced for certain",
                "take `patch` with `delete: true`",
            ),
            Need::Networks => no("Pods have one network", "take `patch` on the Service, or a fault in front of it"),
            Need::Files => no("the files of Pods cannot be reached from outside", "take `command` in one of its Pods"),
            Need::Object(change) => self.cannot_change(change),
        }
    }

    fn refuses(&self, (program, args): (&str, &[String])) -> Option<String> {
        let contexts = self.request.cluster.as_ref().map(|cluster| cluster.contexts.clone()).unwrap_or_default();
        let interposed = &self.request.interposed;
        let names = NamespaceNames { written: self.written(), real: self.written(), contexts: &contexts, interposed };
        match program {
            "kubectl" => translate(args, &names).err(),
            other => Some(without_docker(other)),
        }
    }

    fn asked(&self) -> HostRequests {
        HostRequests::default()
    }

    fn variables(&self) -> Option<BTreeSet<String>> {
        Some(BTreeSet::new())
    }

    fn demand(&self) -> Demand {
        let replicas = |workload: &Value| workload.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1);
        let mut demand = Demand { memory_bytes: Demand::A_CONTAINER, cpus: OF_CLUSTER, networks: 0, containers: 2 };
        for workload in self.manifests.workloads() {
            let containers = pod_spec(workload).map_or(0, |spec| lasting_containers(spec).count()) as u64;
            demand.add(containers.saturating_mul(replicas(workload)), Demand::A_CONTAINER, Demand::CPUS);
        }
        demand
    }

    fn images_key(&self) -> String {
        images_key(&self.request)
    }

    async fn prepare(&self, run: &RunIdentity, options: &StackOptions, cancel: &CancellationToken) -> StackResult<()> {
        let stack = KubernetesStack::of(self, run, options).await?;
        stack.leads_to_nobody_else().await?;
        let made = super::images::make(&stack, cancel).await?;
        crate::locked(&self.platform.images).insert(self.images_key(), made);
        Ok(())
    }

    async fn stack(&self, run: &RunIdentity, options: &StackOptions) -> StackResult<Arc<dyn Stack>> {
        Ok(Arc::new(KubernetesStack::of(self, run, options).await?))
    }
}

/// What the images of a stack depend on, and what is looked at before they are made.
fn images_key(request: &StackRequest) -> String {
    let StackRequest { cluster, file, isolate, toolbox_image, .. } = request;
    format!("{:?}", (cluster, file, isolate, toolbox_image, request.monitoring_image()))
}

/// What the manifests say of one service.
fn facts(manifests: &Manifests, service: &str) -> ServiceFacts {
    let workload = manifests.workload(service).unwrap_or(&Value::Null);
    let spec = pod_spec(workload).unwrap_or(&Value::Null);
    let container = main_container(spec, service).unwrap_or(&Value::Null);
    let ports = all_containers(spec).flat_map(|container| items(container, "/ports"));
    ServiceFacts {
        name: service.to_string(),
        image: text(container, "/image").to_string(),
        environment: manifests.environment(service),
        ports: ports.filter_map(|port| u16::try_from(port.get("containerPort")?.as_u64()?).ok()).collect(),
        is_job: kind(workload) == "Job",
        has_name: manifests.of_kind("Service").any(|object| name(object) == service),
        ..ServiceFacts::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::ClusterRequest;
    use serde_json::json;

    fn resolved(objects: Value) -> ResolvedManifests {
        let cluster = ClusterRequest { namespace: "shop".into(), ..ClusterRequest::default() };
        let request = StackRequest { cluster: Some(cluster), ..StackRequest::default() };
        let manifests = Manifests { objects: objects.as_array().cloned().unwrap_or_default() };
        ResolvedManifests { platform: KubernetesPlatform::default(), request, manifests }
    }

    fn shop() -> ResolvedManifests {
        let pods = json!({ "containers": [{ "name": "web", "image": "shop/web:1" }] });
        resolved(json!([
            { "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "shop" } },
            { "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web" },
              "spec": { "type": "NodePort", "ports": [{ "port": 80 }] } },
            { "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" },
              "spec": { "template": { "spec": pods } } },
            { "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": { "name": "web" },
              "rules": [{ "apiGroups": [""], "resources": ["pods"], "verbs": ["get"] }] },
        ]))
    }

    #[test]
    fn what_a_fault_sets_and_makes_has_the_limits_of_the_manifests() {
        let shop = shop();
        assert_eq!(shop.findings(), [], "the stack itself is in order");
        let told = |object: &str, edit: ObjectEdit| {
            shop.cannot_change(&ObjectChange { object: object.into(), edit, restart: None }).map(|(why, _)| why)
        };
        let set = |object: &str, set: Value| told(object, ObjectEdit::Set(set));
        let pods = |spec: Value| json!({ "spec": { "template": { "spec": spec } } });
        assert_eq!(set("service/web", json!({ "spec": { "ports": [{ "port": 80, "targetPort": 1 }] } })), None);
        assert_eq!(set("deployment/web", pods(json!({ "containers": [{ "name": "web", "image": "x:2" }] }))), None);
        assert_eq!(told("deployment/web", ObjectEdit::Delete), None);
        for (object, what) in [
            (
                "namespace/shop",
                json!({ "metadata": { "labels": { "pod-security.kubernetes.io/enforce": "privileged" } } }),
            ),
            ("role/web", json!({ "rules": [{ "apiGroups": [""], "resources": ["namespaces"], "verbs": ["patch"] }] })),
            ("service/web", json!({ "spec": { "ports": [{ "name": "http", "targetPort": 1 }] } })),
            ("service/web", json!({ "metadata": { "finalizers": ["a/b"] } })),
            ("service/web", json!({ "metadata": { "namespace": "kube-system" } })),
            ("service/web", json!({ "metadata": { "name": "other" } })),
            ("service/web", json!({ "spec": { "type": "ExternalName" } })),
            ("service/web", json!({ "metadata": { "annotations": { "prometheus.io/scrape": "true" } } })),
            (
                "deployment/web",
                json!({ "spec": { "template": { "metadata": { "annotations": { "ad.datadoghq.com/web.logs": "[]" } } } } }),
            ),
            ("deployment/web", pods(json!({ "hostNetwork": true }))),
            ("deployment/web", pods(json!({ "priorityClassName": "of-others" }))),
            ("deployment/web", pods(json!({ "serviceAccountName": "fd-steps" }))),
            ("deployment/web", pods(json!({ "volumes": [{ "name": "v", "nfs": { "server": "x", "path": "/" } }] }))),
        ] {
            assert!(set(object, what.clone()).is_some(), "{object} {what}");
        }
        let make = |object: &str, made: Value| told(object, ObjectEdit::Create(made));
        let quota = |version: &str| json!({ "apiVersion": version, "kind": "ResourceQuota", "spec": { "hard": { "pods": "0" } } });
        assert_eq!(make("resourcequota/tiny", quota("v1")), None);
        assert!(make("resourcequota/fd-inside", quota("v1")).is_some());
        assert!(make("resourcequota/tiny", quota("v1/namespaces/default/pods?x=")).is_some());
        let binding = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "roleRef": { "kind": "ClusterRole", "name": "cluster-admin" }, "subjects": [] });
        assert!(make("rolebinding/x", binding).is_some());
        let claim =
            json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": { "volumeName": "pv-of-others" } });
        assert!(make("persistentvolumeclaim/x", claim).is_some());
        let addresses = json!([{ "addresses": [{ "ip": "10.0.0.1" }] }]);
        let endpoints = json!({ "apiVersion": "v1", "kind": "Endpoints", "subsets": addresses });
        assert!(make("endpoints/x", endpoints).is_some());
        let monitor = json!({ "apiVersion": "monitoring.coreos.com/v1", "kind": "PodMonitor" });
        assert!(make("podmonitor/x", monitor).is_some());
    }

    #[test]
    fn pods_are_killed_where_they_are_replaced() {
        let mut shop = shop();
        shop.manifests.objects.push(json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "alone" } }));
        let lacks = |service: &str| shop.lacks(&Need::Pods(service.into())).is_some();
        assert!(!lacks("web") && lacks("alone") && !lacks("told-by-check-anyway"));
    }

    #[test]
    fn what_leads_out_of_the_namespace_is_a_finding_of_the_check() {
        let mut shop = shop();
        if let Some(cluster) = &mut shop.request.cluster {
            let build = Some(ImageBuild::default());
            cluster.images =
                [("shop/web:2".into(), build.clone()), ("alpine:3".into(), build), ("postgres:16".into(), None)].into();
        }
        shop.manifests.objects.push(json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": { "name": "all" }, "roleRef": { "kind": "ClusterRole", "name": "cluster-admin" },
            "subjects": [{ "kind": "ServiceAccount", "name": "default", "namespace": "shop" }] }));
        shop.manifests.objects.push(json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "pay" },
            "spec": { "type": "ExternalName", "externalName": "pay.example.com" } }));
        shop.manifests.objects.push(json!({ "apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor",
            "metadata": { "name": "web" } }));
        shop.manifests.objects.push(json!({ "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
            "metadata": { "name": "keys" } }));
        let found = shop.findings();
        let warnings = found.iter().filter(|finding| !finding.error).map(|finding| finding.message.as_str());
        let warnings: Vec<&str> =
            warnings.filter_map(|warning| warning.split_once(':').map(|(what, _)| what)).collect();
        assert_eq!(
            warnings,
            ["ServiceMonitor web is left out", "ExternalSecret keys takes secrets from a store outside of the drill"]
        );
        let told: Vec<&str> =
            found.iter().filter(|finding| finding.error).map(|finding| finding.message.as_str()).collect();
        assert_eq!(
            told,
            [
                "RoleBinding all binds the ClusterRole `cluster-admin`",
                "Service pay leads to `pay.example.com`, which is outside the stack",
                "no container of the stack runs an image like `alpine:3`"
            ]
        );
    }
}
