//! Where messages go: how a target is written, and the secret that it needs.

use super::http::web_address;
use std::path::{Path, PathBuf};

/// Where Slack's Web API is, unless `SLACK_API_URL` says otherwise.
const SLACK: &str = "https://slack.com/api";
/// Where PagerDuty takes events, unless `PAGERDUTY_EVENTS_URL` says otherwise.
const PAGERDUTY: &str = "https://events.pagerduty.com/v2/enqueue";
/// Characters of a routing key of PagerDuty.
const ROUTING_KEY: usize = 32;

/// A target with what it needs.
#[derive(Clone)]
pub enum ReadyTarget {
    /// `slack:#incidents`: a channel that exists; `slack:new`: one that is made for the incident (`None`). With the API's address
    /// and the bot's token.
    Slack { api: String, token: String, channel: Option<String> },
    /// `pagerduty`: an incident of the service to which the routing key belongs. With where events go.
    PagerDuty { url: String, key: String },
    /// `https://…`: JSON, posted; `webhook:NAME`: the address is in that environment variable.
    Webhook(String),
    /// `file:PATH`: a line of JSON for each message, appended.
    File(PathBuf),
    /// `statuspage:PATH`: text for the customers' status page, appended.
    StatusPage(PathBuf),
}

/// What is said of a text that names no target.
const WRONG: &str = "write `slack:#channel`, `slack:new`, `pagerduty`, `https://…`, `webhook:VARIABLE`, `file:PATH` or `statuspage:PATH`";

impl ReadyTarget {
    /// Reads a target as it is written on the command line, with what the environment has for it.
    ///
    /// # Errors
    /// What is wrong with the text, or the variable that is missing, or what is wrong with that.
    pub fn read(text: &str, variable: impl Fn(&str) -> Option<String>) -> Result<ReadyTarget, String> {
        let secret = |name: &str| {
            let value = variable(name).filter(|value| !value.trim().is_empty());
            let value = value.ok_or_else(|| format!("the environment variable {name} is not set"))?;
            // It goes into a header, or into a message.
            match value.trim().bytes().all(|byte| byte.is_ascii_graphic()) {
                true => Ok(value.trim().to_string()),
                false => Err(format!("{name} has characters that no token has")),
            }
        };
        let address = |name: &str, usual: &str| {
            let url = variable(name).filter(|value| !value.is_empty()).unwrap_or_else(|| usual.into());
            web_address(&url).map_err(|why| format!("{name}: {why}"))?;
            Ok::<_, String>(url.trim_end_matches('/').to_string())
        };
        Ok(match text.split_once(':').unwrap_or((text, "")) {
            ("slack", channel) if channel.len() > 1 => ReadyTarget::Slack {
                api: address("SLACK_API_URL", SLACK)?,
                token: secret("SLACK_BOT_TOKEN")?,
                channel: (channel != "new").then(|| channel.to_string()),
            },
            ("pagerduty", "") => {
                let key = secret("PAGERDUTY_ROUTING_KEY")?;
                if key.len() != ROUTING_KEY {
                    return Err(format!("PAGERDUTY_ROUTING_KEY has {} characters, not {ROUTING_KEY}", key.len()));
                }
                ReadyTarget::PagerDuty { url: address("PAGERDUTY_EVENTS_URL", PAGERDUTY)?, key }
            }
            ("webhook", name) if is_variable(name) => {
                let url = secret(name)?;
                web_address(&url).map_err(|why| format!("{name}: {why}"))?;
                ReadyTarget::Webhook(url)
            }
            ("https" | "http", _) => {
                // The address may be a secret: it is not said again.
                web_address(text).map_err(|why| format!("the webhook's address: {why}"))?;
                ReadyTarget::Webhook(text.to_string())
            }
            ("file", path) if !path.is_empty() => ReadyTarget::File(in_a_directory(path)?),
            ("statuspage", path) if !path.is_empty() => ReadyTarget::StatusPage(in_a_directory(path)?),
            _ => return Err(WRONG.to_string()),
        })
    }

    /// What it is called in the log: never with a secret, as a webhook's address may be one.
    pub(super) fn name(&self) -> String {
        match self {
            ReadyTarget::Slack { channel, .. } => format!("slack:{}", channel.as_deref().unwrap_or("new")),
            ReadyTarget::PagerDuty { .. } => "pagerduty".into(),
            ReadyTarget::Webhook(url) => {
                let host = web_address(url).ok().and_then(|uri| uri.host().map(str::to_string));
                format!("webhook:{}", host.unwrap_or_default())
            }
            ReadyTarget::File(path) => format!("file:{}", path.display()),
            ReadyTarget::StatusPage(path) => format!("statuspage:{}", path.display()),
        }
    }
}

/// Whether this is the name of an environment variable, as they are usually written.
fn is_variable(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    name.starts_with(|c: char| c.is_ascii_uppercase()) && name.chars().all(fits)
}

fn in_a_directory(path: &str) -> Result<PathBuf, String> {
    let path = Path::new(path);
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if parent.is_dir() { Ok(path.to_path_buf()) } else { Err(format!("there is no directory {}", parent.display())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_and_want_their_secrets() {
        let given = |name: &str| match name {
            "SLACK_BOT_TOKEN" => Some("xoxb-1".to_string()),
            "PAGERDUTY_ROUTING_KEY" => Some("0123456789abcdef0123456789abcdef".to_string()),
            "HOOK_URL" => Some("https://hooks.x/T0".to_string()),
            _ => None,
        };
        let read = |text: &str| ReadyTarget::read(text, given).map(|target| target.name());
        let targets = [
            ("slack:#ops", "slack:#ops"),
            ("slack:new", "slack:new"),
            ("pagerduty", "pagerduty"),
            ("http://x/y", "webhook:x"),
            ("webhook:HOOK_URL", "webhook:hooks.x"),
            ("https://hooks.x/services/T0/secret", "webhook:hooks.x"),
            ("file:b", "file:b"),
            ("statuspage:b", "statuspage:b"),
        ];
        for (text, name) in targets {
            assert_eq!(read(text).as_deref(), Ok(name));
        }
        for wrong in ["", "slack:", "slack:#", "pagerduty:x", "file:", "statuspage:", "ftp://x", "mail:x"] {
            assert_eq!(read(wrong).as_deref(), Err(&WRONG.to_string()), "{wrong}");
        }
        assert!(read("https://").is_err() && read("file:/nowhere/at/all").is_err());
        let secret = read("https://u:pw@hooks.x/T0/secret").unwrap_err();
        assert!(secret.contains("password") && !secret.contains("secret"), "{secret}");
        let refused = |text: &str, value: Option<&str>| {
            let only = |name: &str| value.filter(|_| !name.ends_with("_URL")).map(str::to_string);
            ReadyTarget::read(text, only).err().unwrap()
        };
        assert!(refused("pagerduty", Some("short")).contains("5 characters"));
        assert_eq!(refused("pagerduty", None), "the environment variable PAGERDUTY_ROUTING_KEY is not set");
        assert!(refused("slack:new", Some("a b")).contains("SLACK_BOT_TOKEN"));
    }
}
