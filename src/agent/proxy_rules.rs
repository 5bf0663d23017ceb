//! What the proxy in front of a service is asked to do: answer requests in its place, and act on its connections.

use super::ability::{Ability, AgentContext, HeldResult, Holding, Tell};
use super::protocol::AgentAnswer;
use super::proxy::{HttpRule, ProxyRule, RuleHandle, ToxicRule};
use async_trait::async_trait;
use serde_json::Value;

impl Ability for HttpRule {
    const NAME: &'static str = "http_rule";

    async fn begin(self, id: &str, context: &AgentContext, _: Tell) -> HeldResult {
        Ok(Box::new(context.proxy()?.add_rule(id, self).await?))
    }
}

impl Ability for ToxicRule {
    const NAME: &'static str = "toxic";

    async fn begin(self, id: &str, context: &AgentContext, _: Tell) -> HeldResult {
        Ok(Box::new(context.proxy()?.add_toxic(id, self).await?))
    }
}

#[async_trait]
impl<R: ProxyRule> Holding for RuleHandle<R> {
    async fn look(&self) -> AgentAnswer {
        let (listed, has_run_out) = (self.listed(), self.has_run_out());
        let acted = Some(self.acted());
        match listed {
            Ok(detail) if has_run_out => {
                AgentAnswer::Gone { detail: format!("it acts on no more requests; {detail}"), by_itself: true, acted }
            }
            Ok(detail) => AgentAnswer::InPlace { detail, acted },
            Err(evidence) => AgentAnswer::gone(evidence),
        }
    }

    async fn change(&self, message: Value) -> Result<(), String> {
        let asked = serde_json::from_value(message).map_err(|error| format!("the rule cannot be read: {error}"))?;
        self.replace(asked).await
    }

    async fn lift(&self) -> Result<String, String> {
        Ok(self.take_out())
    }
}
