//! Which cluster is meant, and the client that speaks with it. A cluster is never taken because it happens to be the current one.

use super::boundary::TABLE;
use super::manifests::{items, kind, name, text};
use super::names::{RUN, short};
use super::namespace::{ClusterNamespace, environment, hinted, make, removed, resource};
use crate::stack::StackResult;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, ListParams};
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config, Resource};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// What the context is called that a ServiceAccount inside the cluster has instead of a kubeconfig. It is taken when
/// [`CONTEXT_VARIABLE`] names it, and never otherwise.
pub(super) const IN_CLUSTER: &str = "in-cluster";
/// Set in a drill's own Job: its account has rights in the drill's namespace alone, which is there already.
pub(super) const JOB_VARIABLE: &str = "FIREDRILL_JOB";
/// Names the context for drills that name none.
pub(super) const CONTEXT_VARIABLE: &str = "FIREDRILL_KUBE_CONTEXT";
/// Names a context that may be drilled although its name speaks of production.
const ALLOWED_VARIABLE: &str = "FIREDRILL_KUBE_ALLOW";
/// How long the API server may take to answer a first question.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
/// What clusters for trying things out are called by the programs that make them, or begin with.
const TEST_CLUSTERS: &str = "kind- k3d- minikube docker-desktop rancher-desktop orbstack colima microk8s desktop-linux";
const GET_ONE: &str = "make one for drills with `kind create cluster`; or name the context of a cluster that is there\nwith `FIREDRILL_KUBE_CONTEXT=NAME`, or in the scenario with `stack: { kubernetes: { context: NAME } }`";

/// A cluster that was reached.
#[derive(Clone)]
pub(super) struct Cluster {
    /// The context of the kubeconfig.
    pub context: String,
    /// Its API.
    pub client: Client,
    /// `v1.20.2`.
    pub version: String,
    /// Uid of its namespace `kube-system`, which no other cluster has; `None` for who may not read it.
    pub uid: Option<String>,
    /// Whether this is a drill's own Job, whose namespace others make and remove.
    pub in_job: bool,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.context, self.version)
    }
}

impl Cluster {
    pub(super) fn namespace(&self, name: impl Into<String>) -> ClusterNamespace {
        ClusterNamespace { client: self.client.clone(), name: name.into() }
    }

    /// Its objects of a kind that every cluster has, those of all namespaces too.
    pub(super) fn all_of<K: Resource<DynamicType = ()>>(&self) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &ApiResource::erase::<K>(&()))
    }

    /// Its objects of the kind of this one, which belong to no namespace.
    fn all(&self, object: &Value) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &resource(object))
    }

    /// Makes an object that belongs to it as a whole.
    pub(super) async fn make(&self, object: &Value) -> StackResult<()> {
        make(&self.all(object), object, &format!("making {} {}", kind(object), name(object))).await.map(drop)
    }

    /// Removes all such objects of a run.
    pub(super) async fn remove_own(&self, run: &str) -> StackResult<()> {
        let own = ListParams::default().labels(&format!("{RUN}={}", short(run)));
        for (kind, version) in TABLE.rows("allowed") {
            let all = self.all(&json!({ "apiVersion": version, "kind": kind }));
            let gone = all.delete_collection(&DeleteParams::default(), &own).await;
            removed(gone, format!("removing each {kind} of {run}"))?;
        }
        Ok(())
    }
}

/// The value of an environment variable, where it is set.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Reaches the cluster of a context; without a name, that which the environment names, or the one test cluster that there is.
pub(super) async fn reach(named: Option<&str>) -> StackResult<Cluster> {
    let operation = "finding a Kubernetes cluster";
    if variable(CONTEXT_VARIABLE).as_deref() == Some(IN_CLUSTER) {
        return inside().await;
    }
    let kubeconfig = Kubeconfig::read().map_err(|error| hinted(operation, error, GET_ONE))?;
    let known: Vec<String> = kubeconfig.contexts.iter().map(|context| context.name.clone()).collect();
    let [of_person, allowed] = [CONTEXT_VARIABLE, ALLOWED_VARIABLE].map(variable);
    let context = choose(&known, [named, of_person.as_deref(), allowed.as_deref()]);
    let context = context.map_err(|(why, hint)| hinted(operation, why, hint))?;
    let config = config(kubeconfig, &context).await.map_err(|error| environment(operation, error))?;
    connect(context, config).await
}

async fn config(kubeconfig: Kubeconfig, context: &str) -> Result<Config, KubeconfigError> {
    let options = KubeConfigOptions { context: Some(context.to_string()), ..KubeConfigOptions::default() };
    Config::from_custom_kubeconfig(kubeconfig, &options).await
}

/// Reaches the cluster of a context that a run has used, as the kubeconfig has it now.
pub(super) async fn again(context: &str, files: Vec<PathBuf>, uid: Option<&str>) -> StackResult<Cluster> {
    let operation = format!("reaching the cluster {context}");
    if context == IN_CLUSTER {
        return inside().await;
    }
    let mut there = files.iter().filter(|file| file.exists());
    let kubeconfig = match files.is_empty() {
        true => Kubeconfig::read(),
        false => there.try_fold(Kubeconfig::default(), |all, file| all.merge(Kubeconfig::read_from(file)?)),
    };
    let kubeconfig = kubeconfig.map_err(|error| environment(operation.as_str(), error))?;
    let config = config(kubeconfig, context).await.map_err(|error| environment(operation.as_str(), error))?;
    let cluster = connect(context.to_string(), config).await?;
    match (uid, &cluster.uid) {
        (Some(noted), Some(now)) if noted != now => {
            Err(environment(operation, "the context leads to another cluster than when the drill ran"))
        }
        _ => Ok(cluster),
    }
}

/// The files that `KUBECONFIG` names, absolute.
pub(super) fn kubeconfig_files() -> Vec<PathBuf> {
    let named = std::env::var_os("KUBECONFIG").unwrap_or_default();
    let files = std::env::split_paths(&named).filter(|file| !file.as_os_str().is_empty());
    files.filter_map(|file| std::path::absolute(file).ok()).collect()
}

/// Reaches the cluster in which this process runs, as the ServiceAccount of its Pod.
async fn inside() -> StackResult<Cluster> {
    let hint = format!("{CONTEXT_VARIABLE}={IN_CLUSTER} is for Pods with a ServiceAccount");
    let config = Config::incluster().map_err(|error| hinted("finding the cluster around this Pod", error, hint))?;
    connect(IN_CLUSTER.into(), config).await
}

async fn connect(context: String, config: Config) -> StackResult<Cluster> {
    let operation = format!("reaching the cluster {context}");
    let client = Client::try_from(config).map_err(|error| environment(operation.as_str(), error))?;
    let hint = "is it running? `kubectl --context NAME version` asks the same";
    match tokio::time::timeout(ANSWERS_WITHIN, client.apiserver_version()).await {
        Ok(Ok(version)) => {
            let namespaces: Api<Namespace> = Api::all(client.clone());
            let uid = namespaces.get_metadata("kube-system").await.ok().and_then(|found| found.metadata.uid);
            let in_job = std::env::var_os(JOB_VARIABLE).is_some();
            Ok(Cluster { context, client, version: version.git_version, uid, in_job })
        }
        Ok(Err(error)) => Err(hinted(operation, error, hint)),
        Err(_) => Err(hinted(operation, format!("no answer within {} s", ANSWERS_WITHIN.as_secs()), hint)),
    }
}

/// Whether a context is called like a cluster that is there to try things out.
fn is_test_cluster(context: &str) -> bool {
    TEST_CLUSTERS.split(' ').any(|name| context.starts_with(name))
}

/// Whether a name speaks of production.
fn is_production(context: &str) -> bool {
    let mut words = context.split(|c: char| !c.is_ascii_alphabetic()).map(str::to_ascii_lowercase);
    words.any(|word| word.starts_with("prod") || ["prd", "live"].contains(&word.as_str()))
}

/// The context that is meant: what a person names by the environment, then what the scenario names, then the one test cluster
/// that there is. A file of the project cannot lead a drill into a cluster that is none for tests: that a person must do. The
/// error is the reason and what to do.
fn choose(known: &[String], [of_scenario, of_person, allowed]: [Option<&str>; 3]) -> Result<String, (String, String)> {
    let list = || if known.is_empty() { "none".to_string() } else { known.join(", ") };
    let tests: Vec<&str> = known.iter().map(String::as_str).filter(|context| is_test_cluster(context)).collect();
    let context = match (of_person.or(of_scenario), tests.as_slice()) {
        (Some(context), _) | (None, &[context]) => context,
        (None, []) => {
            let why = format!("no context of the kubeconfig is a test cluster (there is {})", list());
            return Err((why, GET_ONE.into()));
        }
        (None, several) => {
            let hint = format!("say which: `{CONTEXT_VARIABLE}={}`", several[0]);
            return Err((format!("there are several test clusters: {}", several.join(", ")), hint));
        }
    };
    if !known.iter().any(|name| name == context) {
        return Err((format!("the kubeconfig has no context `{context}` (there is {})", list()), GET_ONE.into()));
    }
    if is_production(context) && allowed != Some(context) {
        let hint = format!("drills break things on purpose; if it is meant, set {ALLOWED_VARIABLE}={context}");
        return Err((format!("the context `{context}` is called like production"), hint));
    }
    if !is_test_cluster(context) && of_person != Some(context) {
        let hint = format!("if drills may break things in it, say so yourself: {CONTEXT_VARIABLE}={context}");
        let why = format!("the scenario names the context `{context}`, which is not called like a test cluster");
        return Err((why, hint));
    }
    Ok(context.to_string())
}

/// The smallest ClusterRole that is enough. In its namespaces a drill needs everything: it makes what the manifests have and gives the
/// steps a Role, and nobody can grant what he does not have.
pub(super) const ROLE: &str = include_str!("role.yaml");

/// The rights that the user of this client does not have, in words.
///
/// # Errors
/// `Environment` when the cluster does not answer.
pub(super) async fn missing_rights(cluster: &Cluster) -> StackResult<Vec<String>> {
    let operation = "asking for the rights of drills";
    let role: Value = serde_yaml::from_str(ROLE).map_err(|error| environment(operation, error))?;
    let review = json!({ "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview" });
    let mut missing = Vec::new();
    for rule in items(&role, "/rules") {
        let [group, resource] = ["/apiGroups/0", "/resources/0"].map(|first| text(rule, first));
        for verb in items(rule, "/verbs").filter_map(Value::as_str) {
            let mut asked = review.clone();
            asked["spec"] = json!({ "resourceAttributes": { "group": group, "resource": resource, "verb": verb } });
            let answer = make(&cluster.all(&review), &asked, operation).await?;
            if answer["status"]["allowed"] != true {
                let of = if group.is_empty() { String::new() } else { format!(" of {group}") };
                missing.push(format!("{verb} {resource}{of}"));
            }
        }
    }
    Ok(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_is_meant_when_somebody_says_so_or_it_is_the_one_for_tests() {
        let known: Vec<String> = ["kind-a", "work", "eu-prod-1"].map(str::to_string).to_vec();
        let choose = |scenario, person, allowed| choose(&known, [scenario, person, allowed]).map_err(|(why, _)| why);
        assert_eq!(choose(None, None, None).as_deref(), Ok("kind-a"));
        assert_eq!(choose(Some("kind-a"), None, None).as_deref(), Ok("kind-a"));
        assert_eq!(choose(Some("kind-a"), Some("work"), None).as_deref(), Ok("work"));
        assert!(choose(Some("work"), None, None).unwrap_err().contains("not called like a test cluster"));
        assert!(choose(Some("eu-prod-1"), None, None).unwrap_err().contains("called like production"));
        assert!(choose(None, Some("eu-prod-1"), None).unwrap_err().contains("called like production"));
        assert_eq!(choose(None, Some("eu-prod-1"), Some("eu-prod-1")).as_deref(), Ok("eu-prod-1"));
        assert!(choose(Some("other"), None, None).unwrap_err().contains("no context `other`"));
        let two: Vec<String> = ["kind-a", "k3d-b"].map(str::to_string).to_vec();
        assert!(super::choose(&two, [None; 3]).unwrap_err().0.contains("several test clusters"));
        assert!(super::choose(&[], [None; 3]).unwrap_err().1.contains("kind create cluster"));
    }

    #[test]
    fn production_is_a_word_and_not_a_part_of_one() {
        assert!(
            is_production("prod") && is_production("gke_x_prod-eu") && is_production("arn:aws:eks:eu:1:cluster/live")
        );
        assert!(!is_production("alive") && !is_production("kind-reprod"));
    }

    #[test]
    fn the_role_is_that_of_the_docs() {
        let docs = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/kubernetes.md")).unwrap();
        assert!(docs.contains(super::ROLE));
    }
}
