//! Delays what a service sends, by the proxy in front of it.

use super::ability::{Ability, AgentContext, Holding, Tell};
use async_trait::async_trait;

pub use super::proxy::TcpDelay;

#[async_trait]
impl Ability for TcpDelay {
    const NAME: &'static str = "tcp_delay";

    async fn begin(self, id: &str, context: &AgentContext, _: Tell) -> Result<Box<dyn Holding>, String> {
        let proxy = context.proxy.as_ref().ok_or("this agent is not in front of a service")?;
        Ok(Box::new(proxy.add_delay(id, self)?))
    }
}
