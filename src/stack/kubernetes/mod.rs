//! A Kubernetes namespace as a stack: the team's manifests in a namespace of the drill's own, the agent and the toolbox as Pods
//! in it, controlled by the API's `exec`.

mod boundary;
mod bypass;
mod cluster;
mod exec;
mod images;
mod jobs;
mod kubectl;
mod kubectl_request;
mod manifests;
mod names;
mod namespace;
mod objects;
mod platform;
mod pods;
mod processes;
mod runs;
mod stack;
mod transform;

pub use platform::KubernetesPlatform;
