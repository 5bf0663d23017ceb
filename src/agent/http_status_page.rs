//! Whether a page inside the stack has a status, asked whenever somebody wants to know.

use super::ability::{Ability, AgentContext, HeldResult, Holding, Tell};
use super::http_page::{get_page, parse_page};
use super::protocol::AgentAnswer;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long an answer may take.
const WITHIN: Duration = Duration::from_secs(1);

/// Watches for the status of a page: it is in place while the page has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusPage {
    /// The page.
    pub url: String,
    /// The status.
    pub status: u16,
}

impl Ability for StatusPage {
    const NAME: &'static str = "status_page";

    /// Fails only when the URL cannot be used.
    async fn begin(self, _: &str, _: &AgentContext, _: Tell) -> HeldResult {
        parse_page(&self.url)?;
        Ok(Box::new(self))
    }
}

#[async_trait]
impl Holding for StatusPage {
    async fn look(&self) -> AgentAnswer {
        match tokio::time::timeout(WITHIN, get_page(&self.url, "*/*")).await {
            Ok(Ok(answer)) if answer.status.as_u16() == self.status => AgentAnswer::in_place(answer.status.to_string()),
            Ok(Ok(answer)) => AgentAnswer::gone(answer.status.to_string()),
            Ok(Err(error)) => AgentAnswer::gone(error.text),
            Err(_) => AgentAnswer::gone("no answer in time"),
        }
    }
}
