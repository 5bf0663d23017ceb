//! How severe an incident was, by what users felt and what was lost: definitions, and what a record comes to by them.

use super::{DrillTime, Record};
use serde::{Deserialize, Serialize};

/// A severity and what makes an incident one of it. A list of them has the most severe one first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeverityLevel {
    /// `SEV1` …
    pub name: String,
    /// From this share of users' requests on that are hurt during the incident, in 0..=1; `None`: no share is enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users_hurt: Option<f64>,
    /// Whether lost data alone makes it one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub data_lost: bool,
}

impl SeverityLevel {
    /// The definitions where a team has none of its own: SEV1 from half of the requests on, or lost data; SEV2 from a tenth on.
    pub fn defaults() -> Vec<SeverityLevel> {
        let level = |name: &str, users_hurt, data_lost| SeverityLevel {
            name: name.into(),
            users_hurt: Some(users_hurt),
            data_lost,
        };
        vec![level("SEV1", 0.5, true), level("SEV2", 0.1, false), level("SEV3", 0.0, false)]
    }

    /// Whether an incident is (at least) one of it.
    fn holds(&self, users_hurt: f64, data_lost: bool) -> bool {
        self.users_hurt.is_some_and(|least| users_hurt >= least) || (self.data_lost && data_lost)
    }
}

/// The severity of the incident as it was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MeasuredSeverity {
    /// The most severe one whose definition the incident meets; `None`: it is milder than all of them.
    pub severity: Option<String>,
    /// The SLI that had the largest share of bad events.
    pub sli: String,
    /// That share, in 0..=1: bad / valid from the first confirmed fault until `until_us`.
    pub users_hurt: f64,
    /// Whether an acknowledged write was lost.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub data_lost: bool,
    /// End of the window: the recovery, or what was known when users had not recovered.
    pub until_us: DrillTime,
}

impl Record {
    /// The share of requests that were hurt from the first confirmed fault until then, of the SLI in which it was largest.
    pub fn users_hurt(&self, until: DrillTime) -> Option<(String, f64)> {
        let from = self.injected_us()?;
        let slis = self.plan.iter().flat_map(|plan| &plan.slis);
        let shares = slis.filter_map(|sli| Some((sli.name.clone(), self.bad_share(sli, from, until)?)));
        shares.reduce(|worst, other| if other.1 > worst.1 { other } else { worst })
    }

    /// Whether the severity that the scenario declares is milder than the one that was measured. `None` where nothing declares
    /// one that is defined, or nothing was measured.
    pub fn is_understated(&self) -> Option<bool> {
        let (plan, measured) = (self.plan.as_deref()?, self.severity.as_ref()?);
        understated(&plan.severities, plan.severity.as_deref()?, measured.severity.as_deref())
    }
}

/// Whether a declared severity is milder than the measured one; `None` where it is none of the list.
pub fn understated(levels: &[SeverityLevel], declared: &str, measured: Option<&str>) -> Option<bool> {
    let rank = |name: &str| levels.iter().position(|level| level.name == name);
    let declared = rank(declared)?;
    Some(measured.and_then(rank).is_some_and(|measured| measured < declared))
}

/// The severity of an incident in which this share of requests was hurt: the most severe one whose definition it meets.
pub fn severity_of(levels: &[SeverityLevel], users_hurt: f64, data_lost: bool) -> Option<&SeverityLevel> {
    levels.iter().find(|level| level.holds(users_hurt, data_lost))
}
