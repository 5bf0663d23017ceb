//! What the proxy in front of a service is asked to do: answer requests in its place, and act on its connections.

use super::ability::{Ability, AgentContext, HeldResult, Tell};
use super::proxy::{HttpRule, ToxicRule};

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
