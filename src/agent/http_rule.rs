//! Answers in the place of a service, by a rule in the proxy in front of it.

use super::ability::{Ability, AgentContext, Holding, Tell};
use super::protocol::AgentAnswer;
use super::proxy::{CountedRule, RuleHandle};
use async_trait::async_trait;

pub use super::proxy::HttpRule;

#[async_trait]
impl Ability for HttpRule {
    const NAME: &'static str = "http_rule";

    async fn begin(self, id: &str, context: &AgentContext, _: Tell) -> Result<Box<dyn Holding>, String> {
        let proxy = context.proxy.as_ref().ok_or("this agent is not in front of a service")?;
        Ok(Box::new(proxy.add_rule(id, self)?))
    }
}

#[async_trait]
impl<R: CountedRule> Holding for RuleHandle<R> {
    async fn look(&self) -> AgentAnswer {
        match self.listed() {
            Ok(evidence) => AgentAnswer::in_place(evidence),
            Err(evidence) => AgentAnswer::gone(evidence),
        }
    }

    async fn lift(&self) -> Result<String, String> {
        Ok(self.take_out())
    }
}
