//! What an agent can hold as a fault, whatever its kind.

use super::surge::Surge;
use crate::agent::pg::PgHeld;
use crate::agent::protocol::Answer;
use crate::agent::proxy::HttpRuleHandle;
use std::time::Duration;

/// How long lifting one fault may take; past it the fault is dropped, which closes its connections.
pub const LIFT_WITHIN: Duration = Duration::from_secs(4);
/// How long looking at one fault may take; past it nobody can say how it stands.
pub const CONFIRM_WITHIN: Duration = Duration::from_secs(5);

/// A fault that this agent holds. One variant per kind of fault.
#[derive(Debug)]
pub enum HeldFault {
    /// Sessions in a database.
    Pg(Box<PgHeld>),
    /// A rule in the proxy.
    Http(HttpRuleHandle),
    /// More requests than the load sends.
    Surge(Surge),
}

impl HeldFault {
    /// `InPlace` or `Gone` with evidence, `Failed` when it cannot be told within [`CONFIRM_WITHIN`].
    pub async fn confirm(&self) -> Answer {
        let confirm = async {
            match self {
                HeldFault::Pg(held) => held.confirm().await,
                HeldFault::Http(rule) => rule.confirm().await,
                HeldFault::Surge(surge) => surge.confirm(),
            }
        };
        tokio::time::timeout(CONFIRM_WITHIN, confirm).await.unwrap_or_else(|_| Answer::Failed {
            reason: format!("looking at it took more than {} s", CONFIRM_WITHIN.as_secs()),
        })
    }

    /// Ends it within [`LIFT_WITHIN`].
    pub async fn lift(&self) -> Result<String, String> {
        let lift = async {
            match self {
                HeldFault::Pg(held) => held.lift().await,
                HeldFault::Http(rule) => rule.lift().await,
                HeldFault::Surge(surge) => Ok(surge.lift().await),
            }
        };
        match tokio::time::timeout(LIFT_WITHIN, lift).await {
            Ok(result) => result,
            Err(_) => Err(format!("lifting it took more than {} s", LIFT_WITHIN.as_secs())),
        }
    }
}
