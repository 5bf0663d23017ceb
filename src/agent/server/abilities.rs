//! The abilities of an agent, by their names on the wire.

use crate::agent::ability::{Ability, AgentContext, HeldResult, Tell};
use crate::agent::alerts::AlertServers;
use crate::agent::freshness::AnswerAge;
use crate::agent::load::{Load, SurgeAbility};
use crate::agent::machine::MachineWatch;
use crate::agent::pg::{PgChange, PgConnections, PgLock, PgQuery};
use crate::agent::promql::PromCounts;
use crate::agent::proxy::{HttpRule, ToxicRule};
use crate::agent::source::PacedQuestion;
use crate::agent::tcp_question::TcpQuestion;
use crate::agent::toxiproxy::ToxiproxyApi;
use crate::agent::watch::{MetricWatch, StatusPage};
use futures_util::future::BoxFuture;
use serde_json::Value;

type Begin = for<'a> fn(Value, &'a str, &'a AgentContext, Tell) -> BoxFuture<'a, HeldResult>;

/// An ability is one file and one line here.
const ABILITIES: &[(&str, Begin)] = &[
    ability::<HttpRule>(),
    ability::<StatusPage>(),
    ability::<AlertServers>(),
    ability::<Load>(),
    ability::<PacedQuestion<AnswerAge>>(),
    ability::<SurgeAbility>(),
    ability::<MachineWatch>(),
    ability::<MetricWatch>(),
    ability::<PgChange>(),
    ability::<PgConnections>(),
    ability::<PgLock>(),
    ability::<PacedQuestion<PgQuery>>(),
    ability::<PacedQuestion<PromCounts>>(),
    ability::<PacedQuestion<TcpQuestion>>(),
    ability::<ToxicRule>(),
    ability::<ToxiproxyApi>(),
];

const fn ability<A: Ability>() -> (&'static str, Begin) {
    (A::NAME, |message, id, context, tell| {
        Box::pin(async move {
            let ability: A = serde_json::from_value(message).map_err(|e| format!("`{}` of {id}: {e}", A::NAME))?;
            ability.begin(id, context, tell).await
        })
    })
}

/// Begins what was asked for.
pub async fn begin(ability: &str, message: Value, id: &str, context: &AgentContext, tell: Tell) -> HeldResult {
    let known = ABILITIES.iter().find(|(name, _)| *name == ability);
    let (_, begin) = known.ok_or_else(|| format!("this agent has no ability `{ability}`"))?;
    begin(message, id, context, tell).await
}
