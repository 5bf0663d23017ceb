//! Wire protocol between runner and shell supervisor: JSON lines, one message a line. Once the supervisor is ready it is told a
//! token, with which each of its lines begins from then on: other processes of its container that reach its standard output do not
//! know it.

use crate::record::Stream;
use crate::stack::ToolCall;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::mpsc;

/// Of the environment of a session: the certificates of an authority that its programs trust, in PEM. The supervisor makes it a
/// file, and [`TRUST_VARIABLES`] name that.
pub const TRUSTED: &str = "FIREDRILL_TRUSTED";
/// Where OpenSSL, curl, Python's requests, Node and Git look for certificates of authorities.
pub const TRUST_VARIABLES: [&str; 5] =
    ["SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO"];

/// A variable of a session.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SessionVar {
    /// Its name.
    pub name: String,
    /// Its value; `None` where it is to go.
    pub value: Option<String>,
    /// Whether programs have it in their environment, as behind `export`.
    pub exported: bool,
}

impl SessionVar {
    /// What `export NAME=VALUE` sets, or `unset NAME` takes away.
    pub fn exported(name: &str, value: Option<&str>) -> SessionVar {
        SessionVar { name: name.to_string(), value: value.map(str::to_string), exported: true }
    }
}

/// Runner → supervisor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToShell {
    /// The first message: the token with which every line of the supervisor begins from now on.
    Token(String),
    /// Changes variables of the session, before any command.
    Vars(Vec<SessionVar>),
    /// Runs one command (bash source text) in the session.
    Run {
        /// Number of the command in this session.
        id: u64,
        /// The text.
        text: String,
        /// Deadline in milliseconds; past it the whole process group gets TERM, then KILL.
        timeout_ms: u64,
        /// Whether it is noted which simple commands its shell runs.
        watched: bool,
    },
    /// Kills the command that runs now.
    Cancel,
    /// Writes down the state of the session, for another one in the same container.
    Save,
    /// Takes over the state that another session has saved at this path, before any command.
    Restore(String),
    /// Hands the state of the session over, for one in another container.
    Export,
    /// Takes over a state that was handed over, before any command.
    Import(Blob),
    /// Something of a program that a step called, by the number of the call in this session.
    Call(u64, ToCall),
}

/// The longest line that a program that a step called and the supervisor say to each other over the socket between them, in bytes: a call
/// with its environment.
pub(super) const LONGEST_LINE: usize = 4 << 20;
/// So many calls of a session are carried out at once, each by processes of the runner's machine; the others wait.
pub(super) const CALLS_AT_ONCE: usize = 64;

/// Runner → a program that a step called; also the lines that the supervisor writes to the program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToCall {
    /// So many more bytes of its standard input are wanted; none are read before.
    Want(u32),
    /// Output of it.
    Output(Stream, Blob),
    /// It has ended, with this exit code.
    Ended(i32),
}

/// A program that a step called → runner; also the lines that the program writes to the supervisor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromCall {
    /// It was called.
    Begun(ToolCall),
    /// Bytes of its standard input.
    Input(Blob),
    /// The end of its standard input.
    InputEnd,
    /// So many bytes of output were taken; as many more may come.
    Took(u32),
    /// It was killed, or nobody reads its output any more.
    Gone,
}

/// Bytes as base64.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Blob<T = bytes::Bytes>(pub T);

impl<T: AsRef<[u8]>> Serialize for Blob<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(&self.0))
    }
}

impl<'de, T: From<Vec<u8>>> Deserialize<'de> for Blob<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Blob<T>, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        BASE64.decode(text.as_bytes()).map(|bytes| Blob(bytes.into())).map_err(serde::de::Error::custom)
    }
}

/// How one command ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandResult {
    /// Exit code, 128 + n for signal n.
    pub exit: i32,
    /// How long it took, measured beside it.
    pub took: Duration,
    /// Whether its deadline killed it.
    pub timed_out: bool,
    /// Bytes of output left out.
    pub omitted: u64,
    /// The exit codes of its last pipeline, program by program.
    pub pipe: Vec<i32>,
    /// Whether the command ended its bash itself: `exit`, `exec`, a failure under `set -e`. A terminal would be closed.
    pub left_shell: bool,
    /// Why it was not run: the variable that it reads, and that has no value.
    pub lacks: Option<String>,
    /// The simple commands that its shell itself came to, as bash writes them, each where it came to it last; `f ()` stands for the calls of
    /// a function, and an empty text for those that were too many. `None`: it was not watched, or nobody knows.
    pub ran: Option<Vec<String>>,
    /// What was called meanwhile of the runner's programs, as shell text, where it was watched: the runner knows it by itself.
    #[serde(skip)]
    pub calls: Vec<String>,
}

/// Supervisor → runner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromShell {
    /// The supervisor is ready.
    Ready {},
    /// Output of the running command; bytes that are not UTF-8 arrive as U+FFFD.
    Output {
        /// Number of the command.
        id: u64,
        /// Which stream.
        stream: Stream,
        /// The text.
        text: String,
    },
    /// The command with this number ended.
    Ended(u64, CommandResult),
    /// The state was written down, at this path.
    Saved(String),
    /// The state of the session; `None` when it is too large to be carried about.
    Exported(Option<Blob>),
    /// Something of a program that a step called, by the number of the call in this session.
    Call(u64, FromCall),
    /// The supervisor cannot work, for this reason; the session is over.
    Failed(String),
}

/// The line of a message. Each of ours can be written.
pub(super) fn line_of(message: &impl Serialize) -> String {
    serde_json::to_string(message).unwrap_or_default()
}

/// Where the supervisor says what it has to say: each line begins with the token as soon as there is one.
#[derive(Debug, Clone)]
pub(super) struct ToRunner {
    /// The lines.
    pub tx: mpsc::Sender<String>,
    /// The first one that it is told counts.
    pub token: Arc<OnceLock<String>>,
}

impl ToRunner {
    /// Says something; `None` where nobody hears it any more.
    pub(super) async fn say(&self, message: &FromShell) -> Option<()> {
        let token = self.token.get().map_or("", String::as_str);
        self.tx.send(format!("{token}{}", line_of(message))).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sudo_in_the_toolbox_keeps_the_certificates() {
        let toolbox = include_str!("../../toolbox/Dockerfile");
        assert!(toolbox.contains(&format!("{}) ;;", TRUST_VARIABLES.join(" | "))));
    }

    #[test]
    fn messages_of_calls_carry_any_bytes() {
        let data = Blob(bytes::Bytes::from((0..=255_u8).collect::<Vec<_>>()));
        let to = ToShell::Call(7, ToCall::Output(Stream::Stdout, data.clone()));
        let line = serde_json::to_string(&to).unwrap();
        assert_eq!(serde_json::from_str::<ToShell>(&line).unwrap(), to);
        let from = FromShell::Call(7, FromCall::Input(data));
        let line = serde_json::to_string(&from).unwrap();
        assert_eq!(serde_json::from_str::<FromShell>(&line).unwrap(), from);
        let call =
            ToolCall { program: "docker".into(), args: vec!["ps".into()], cwd: "/é".into(), ..ToolCall::default() };
        let line = serde_json::to_string(&FromCall::Begun(call.clone())).unwrap();
        assert_eq!(
            line,
            r#"{"begun":{"program":"docker","args":["ps"],"cwd":"/é","begins":"","no_input":false,"env":[]}}"#
        );
        assert_eq!(serde_json::from_str::<FromCall>(&line).unwrap(), FromCall::Begun(call));
    }
}
