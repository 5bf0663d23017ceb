//! The rights that drills need in a cluster: which of them are missing, and the ClusterRole that has them all and no more.

use super::errors::{api, environment};
use crate::stack::StackError;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};
use kube::Client;
use kube::api::{Api, PostParams};

/// The smallest ClusterRole that is enough. In its namespaces a drill needs everything: it makes what the manifests have and gives the
/// steps a Role, and nobody can grant what he does not have.
pub(super) const ROLE: &str = include_str!("role.yaml");

/// The rights that the user of this client does not have, in words.
///
/// # Errors
/// `Environment` when the cluster does not answer.
pub(super) async fn missing(client: &Client) -> Result<Vec<String>, StackError> {
    let operation = "asking for the rights of drills";
    let role: ClusterRole = serde_yaml::from_str(ROLE).map_err(|error| environment(operation, error))?;
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let mut missing = Vec::new();
    for PolicyRule { api_groups, resources, verbs, .. } in role.rules.into_iter().flatten() {
        let [group, resource] = [api_groups, resources].map(|names| names.into_iter().flatten().next());
        for verb in verbs {
            let (group, resource, verb) = (group.clone(), resource.clone(), Some(verb));
            let asked = ResourceAttributes { group, resource, verb, ..ResourceAttributes::default() };
            let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(asked.clone()), ..Default::default() };
            let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
            let answer = reviews.create(&PostParams::default(), &review).await.map_err(api(operation))?;
            if !answer.status.is_some_and(|status| status.allowed) {
                let [group, resource, verb] = [asked.group, asked.resource, asked.verb].map(Option::unwrap_or_default);
                let of = if group.is_empty() { String::new() } else { format!(" of {group}") };
                missing.push(format!("{verb} {resource}{of}"));
            }
        }
    }
    Ok(missing)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_role_is_that_of_the_docs() {
        let docs = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/kubernetes.md")).unwrap();
        assert!(docs.contains(super::ROLE));
    }
}
