//! A release: what a team changes when it deploys another version of a service. Neutral to what runs the stack.

use std::collections::BTreeMap;
use std::time::Duration;

/// What a release changes. Everything that it does not name stays as it was planned.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Release {
    /// Variables that the stack's files take (`${CHECKOUT_VERSION}`), as the team sets them to deploy a version. They
    /// stay set: who recreates the service without setting them otherwise gets the release again.
    pub variables: BTreeMap<String, String>,
    /// Image of the service's containers.
    pub image: Option<String>,
    /// Their command, one word each.
    pub command: Option<Vec<String>>,
    /// Variables of their environment.
    pub environment: BTreeMap<String, String>,
}

/// How long recreating a service may take at the most: the model is read, the containers are made, and they have their
/// time to become ready. Every stack has given up before.
pub const RELEASE_WITHIN: Duration = Duration::from_secs(90);

/// Settings of a container (`image`, `command`, `environment.NAME`), each with a fingerprint of its value: enough to tell
/// one release from another, without a secret in it. They stay in memory: who has one can try values until one fits.
pub type Fingerprint = BTreeMap<String, String>;
