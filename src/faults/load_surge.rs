//! `load_surge`: many more users come at once. The drill's agent sends more of the same requests as one of the scenario's
//! loads; the load itself goes on unchanged, and the SLIs are measured with it alone.
//!
//! ```yaml
//! - load_surge: { load: checkout, rate: 60/s }    # on top of what the load sends
//! ```

use super::by_agent::AgentFault;
use super::{FaultFacts, ReadFault};
use crate::agent::ability::Ability;
use crate::agent::load::SurgeAbility;
use crate::source::{MapReader, TextForm, parse_rate, shape};

const A_RATE: TextForm = TextForm::new("a rate like `50/s`", shape::rate);

/// Reads its parameters; `None` when there were mistakes, which are noted.
pub(super) fn load_surge(map: &mut MapReader<'_>) -> ReadFault<AgentFault> {
    let load: Option<String> = map.require("load");
    let rate = map.require_with("rate", A_RATE, parse_rate);
    let (load, rate) = (load?, rate?);
    let summary = format!("sends {rate}/s more of the load `{load}`");
    let of = load.clone();
    let (facts, fault) = AgentFault::of_drill(summary, move |context| {
        Ok(SurgeAbility { load: of.clone(), rate: rate * context.strength }.ask(context.id))
    });
    Some((FaultFacts { load: Some(load), grows: true, ..facts }, fault))
}
