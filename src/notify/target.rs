//! Where messages go: how a target is written, and the secret that it needs.

use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where Slack's Web API is, unless `SLACK_API_URL` says otherwise.
const SLACK: &str = "https://slack.com/api";
/// Where PagerDuty takes events, unless `PAGERDUTY_EVENTS_URL` says otherwise.
const PAGERDUTY: &str = "https://events.pagerduty.com/v2/enqueue";
/// Characters of a routing key of PagerDuty.
const ROUTING_KEY: usize = 32;

/// A target as it is written on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotifyTarget {
    /// `slack:#incidents`: a channel that exists; `slack:new`: one that is made for the incident.
    Slack(Option<String>),
    /// `pagerduty`: an incident of the service to which the routing key belongs.
    PagerDuty,
    /// `https://…` or `webhook:https://…`: JSON, posted; `webhook:NAME`: the address is in that environment variable.
    Webhook(String),
    /// `file:PATH`: a line of JSON for each message, appended.
    File(PathBuf),
    /// `statuspage:PATH`: text for the customers' status page, appended.
    StatusPage(PathBuf),
}

/// A target with what it needs.
#[derive(Clone)]
pub enum ReadyTarget {
    /// The API's address, the bot's token, the channel (`None`: make one).
    Slack { api: String, token: String, channel: Option<String> },
    /// Where events go, and the routing key.
    PagerDuty { url: String, key: String },
    /// Where JSON is posted.
    Webhook(String),
    /// Where lines of JSON are appended.
    File(PathBuf),
    /// Where text is appended.
    StatusPage(PathBuf),
}

impl FromStr for NotifyTarget {
    type Err = String;

    fn from_str(text: &str) -> Result<NotifyTarget, String> {
        let wrong = || {
            "write `slack:#channel`, `slack:new`, `pagerduty`, `https://…`, `webhook:VARIABLE`, `file:PATH` or `statuspage:PATH`"
                .to_string()
        };
        let path = |path: &str| if path.is_empty() { Err(wrong()) } else { Ok(PathBuf::from(path)) };
        let url = text.strip_prefix("webhook:").unwrap_or(text);
        match text.split_once(':').unwrap_or((text, "")) {
            ("slack", "new") => Ok(NotifyTarget::Slack(None)),
            ("slack", channel) if channel.len() > 1 => Ok(NotifyTarget::Slack(Some(channel.into()))),
            ("pagerduty", "") => Ok(NotifyTarget::PagerDuty),
            ("file", rest) => path(rest).map(NotifyTarget::File),
            ("statuspage", rest) => path(rest).map(NotifyTarget::StatusPage),
            ("webhook", name) if is_variable(name) => Ok(NotifyTarget::Webhook(name.into())),
            ("https" | "http" | "webhook", _) => {
                // The address may be a secret: it is not said again.
                let parsed = super::http::WebAddress::parse(url).map_err(|why| format!("the webhook's address: {why}"));
                parsed.map(|_| NotifyTarget::Webhook(url.into()))
            }
            _ => Err(wrong()),
        }
    }
}

impl NotifyTarget {
    /// The target with what the environment has for it.
    ///
    /// # Errors
    /// The variable that is missing, or what is wrong with it.
    pub fn ready(&self, variable: impl Fn(&str) -> Option<String>) -> Result<ReadyTarget, String> {
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
            super::http::WebAddress::parse(&url).map_err(|why| format!("{name}: {why}"))?;
            Ok::<_, String>(url.trim_end_matches('/').to_string())
        };
        Ok(match self {
            NotifyTarget::Slack(channel) => ReadyTarget::Slack {
                api: address("SLACK_API_URL", SLACK)?,
                token: secret("SLACK_BOT_TOKEN")?,
                channel: channel.clone(),
            },
            NotifyTarget::PagerDuty => {
                let key = secret("PAGERDUTY_ROUTING_KEY")?;
                if key.len() != ROUTING_KEY {
                    return Err(format!("PAGERDUTY_ROUTING_KEY has {} characters, not {ROUTING_KEY}", key.len()));
                }
                ReadyTarget::PagerDuty { url: address("PAGERDUTY_EVENTS_URL", PAGERDUTY)?, key }
            }
            NotifyTarget::Webhook(name) if is_variable(name) => {
                let url = secret(name)?;
                super::http::WebAddress::parse(&url).map_err(|why| format!("{name}: {why}"))?;
                ReadyTarget::Webhook(url)
            }
            NotifyTarget::Webhook(url) => ReadyTarget::Webhook(url.clone()),
            NotifyTarget::File(path) => ReadyTarget::File(in_a_directory(path)?),
            NotifyTarget::StatusPage(path) => ReadyTarget::StatusPage(in_a_directory(path)?),
        })
    }
}

/// Whether this is the name of an environment variable, as they are usually written.
fn is_variable(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    name.starts_with(|c: char| c.is_ascii_uppercase()) && name.chars().all(fits)
}

fn in_a_directory(path: &Path) -> Result<PathBuf, String> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match parent.is_dir() {
        true => Ok(path.to_path_buf()),
        false => Err(format!("there is no directory {}", parent.display())),
    }
}

impl ReadyTarget {
    /// What it is called in the log: never with a secret, as a webhook's address may be one.
    pub(super) fn name(&self) -> String {
        match self {
            ReadyTarget::Slack { channel, .. } => format!("slack:{}", channel.as_deref().unwrap_or("new")),
            ReadyTarget::PagerDuty { .. } => "pagerduty".into(),
            ReadyTarget::Webhook(url) => {
                let host = super::http::WebAddress::parse(url).map(|address| address.host).unwrap_or_default();
                format!("webhook:{host}")
            }
            ReadyTarget::File(path) => format!("file:{}", path.display()),
            ReadyTarget::StatusPage(path) => format!("statuspage:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_and_want_their_secrets() {
        let read = |text: &str| text.parse::<NotifyTarget>();
        assert_eq!(read("slack:#ops"), Ok(NotifyTarget::Slack(Some("#ops".into()))));
        assert_eq!(read("slack:new"), Ok(NotifyTarget::Slack(None)));
        assert_eq!(read("pagerduty"), Ok(NotifyTarget::PagerDuty));
        assert_eq!(read("webhook:http://x/y"), Ok(NotifyTarget::Webhook("http://x/y".into())));
        assert_eq!(read("file:a/b"), Ok(NotifyTarget::File("a/b".into())));
        for wrong in ["", "slack:", "slack:#", "pagerduty:x", "file:", "ftp://x", "https://", "mail:x"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert_eq!(read("webhook:HOOK_URL"), Ok(NotifyTarget::Webhook("HOOK_URL".into())));
        let secret = read("https://u:pw@hooks.x/T0/secret").unwrap_err();
        assert!(secret.contains("password") && !secret.contains("secret"), "{secret}");
        let named = NotifyTarget::Webhook("HOOK_URL".into());
        assert_eq!(named.ready(|_| Some("https://hooks.x/T0".into())).ok().unwrap().name(), "webhook:hooks.x");
        assert!(NotifyTarget::PagerDuty.ready(|_| Some("short".into())).err().unwrap().contains("5 characters"));
        assert!(NotifyTarget::File("/nowhere/at/all".into()).ready(|_| None).is_err());
        let ready = NotifyTarget::PagerDuty.ready(|_| None).err().unwrap();
        assert_eq!(ready, "the environment variable PAGERDUTY_ROUTING_KEY is not set");
        let broken = NotifyTarget::Slack(None).ready(|name| (name == "SLACK_BOT_TOKEN").then(|| "a b".into()));
        assert!(broken.err().unwrap().contains("SLACK_BOT_TOKEN"));
        let hook = NotifyTarget::Webhook("https://hooks.x/services/T0/secret".into()).ready(|_| None).ok().unwrap();
        assert_eq!(hook.name(), "webhook:hooks.x");
    }
}
