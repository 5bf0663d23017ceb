//! The rights that drills need in a cluster: which of them are missing, and the ClusterRole that has them all and no more.

use super::errors::api;
use crate::stack::StackError;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::Client;
use kube::api::{Api, PostParams};

/// API group, resource, verbs. In its namespaces a drill needs everything: it makes what the manifests have and gives the steps a Role, and
/// nobody can grant what he does not have.
const NEEDED: [(&str, &str, &[&str]); 11] = [
    ("", "namespaces", &["get", "list", "watch", "create", "delete"]),
    ("", "nodes", &["list"]),
    ("", "*", &["*"]),
    ("apps", "*", &["*"]),
    ("batch", "*", &["*"]),
    ("autoscaling", "*", &["*"]),
    ("policy", "*", &["*"]),
    ("networking.k8s.io", "*", &["*"]),
    ("discovery.k8s.io", "*", &["*"]),
    ("metrics.k8s.io", "pods", &["get", "list"]),
    ("rbac.authorization.k8s.io", "*", &["*"]),
];

/// The rights that the user of this client does not have, in words.
///
/// # Errors
/// `Environment` when the cluster does not answer.
pub(super) async fn missing(client: &Client) -> Result<Vec<String>, StackError> {
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let mut missing = Vec::new();
    for (group, resource, verbs) in NEEDED {
        for verb in verbs {
            let text = |text: &str| Some(text.to_string());
            let asked = ResourceAttributes {
                group: text(group),
                resource: text(resource),
                verb: text(verb),
                ..ResourceAttributes::default()
            };
            let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(asked), ..Default::default() };
            let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
            let answer = reviews.create(&PostParams::default(), &review).await;
            let answer = answer.map_err(api("asking for the rights of drills"))?;
            if !answer.status.is_some_and(|status| status.allowed) {
                let of = if group.is_empty() { String::new() } else { format!(" of {group}") };
                missing.push(format!("{verb} {resource}{of}"));
            }
        }
    }
    Ok(missing)
}

/// The smallest ClusterRole that is enough, as YAML.
pub(super) fn role() -> String {
    let mut yaml =
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: { name: firedrill }\nrules:\n"
            .to_string();
    for (group, resource, verbs) in NEEDED {
        let verbs: Vec<String> = verbs.iter().map(|verb| format!("\"{verb}\"")).collect();
        let verbs = verbs.join(", ");
        yaml += &format!("  - {{ apiGroups: [\"{group}\"], resources: [\"{resource}\"], verbs: [{verbs}] }}\n");
    }
    yaml
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_role_is_that_of_the_docs() {
        let docs = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/kubernetes.md")).unwrap();
        assert!(docs.contains(&super::role()), "{}", super::role());
    }
}
