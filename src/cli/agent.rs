//! `firedrill agent`: what the agent container runs.

use crate::agent::files;
use crate::agent::proxy::{self, ProxyConfig};
use crate::agent::server;
use crate::error::{Error, Exit};
use crate::output::{pipe, print, print_json, say_line};
use std::path::PathBuf;

/// What the agent container runs.
#[derive(Debug, clap::Args)]
pub struct AgentArgs {
    #[command(subcommand)]
    command: AgentCommand,
    /// The unix socket on which the agent is controlled.
    #[arg(long, global = true, env = "FIREDRILL_SOCKET", default_value = "/firedrill.sock", value_name = "PATH")]
    socket: PathBuf,
}

#[derive(Debug, clap::Subcommand)]
enum AgentCommand {
    /// Runs the agent: the container's main process.
    Serve {
        /// The service to stand in front of, as JSON: `{"service":"payments","ports":[{"port":8000,"http":true}]}`.
        #[arg(long, env = "FIREDRILL_PROXY", value_name = "JSON")]
        proxy: Option<String>,
    },
    /// Makes ports of `localhost` lead to services, for as long as the container lives: the toolbox's main process.
    Forward {
        /// The ports, each with its service and the port there: `8080=web:80`.
        #[arg(value_name = "PORT=SERVICE:PORT", value_parser = forwarded)]
        ports: Vec<(u16, String, u16)>,
    },
    /// Connects standard input and output to the agent: the exec session of the runner.
    Control,
    /// Looks at a file on a service's volumes, damages or repairs it: in a container of its own that has them.
    Files {
        /// What is to be done, as JSON.
        #[arg(long, env = "FIREDRILL_ASK", value_name = "JSON")]
        ask: String,
        /// The mounts below which it must stay, as a list in JSON.
        #[arg(long, value_name = "JSON")]
        mounts: String,
    },
    /// Shows the TCP connections of the network that it is in: in a container of its own that has that of another one.
    Connections,
    /// Checks that the agent answers: exit 0, otherwise 1.
    Ping,
}

/// Runs the command.
pub async fn run(args: AgentArgs, _globals: &super::Globals) -> Result<Exit, Error> {
    match args.command {
        AgentCommand::Serve { proxy } => serve(args.socket, proxy).await,
        AgentCommand::Forward { ports } => {
            for (port, service, target) in ports {
                if let Err(error) = proxy::forward(port, &service, target).await {
                    say_line(&format!("localhost:{port} does not lead to {service}:{target}: {error}"));
                }
            }
            std::future::pending().await
        }
        AgentCommand::Control => server::control(&args.socket, tokio::io::stdin(), pipe::async_stdout())
            .await
            .map(|()| Exit::Passed)
            .map_err(|error| Error::harness(format!("the session with the agent broke: {error}"))),
        AgentCommand::Files { ask, mounts } => {
            let broken = |what: &str, error| Error::usage(format!("`{what}` cannot be read: {error}"));
            let ask = serde_json::from_str(&ask).map_err(|error| broken("--ask", error))?;
            let mounts: Vec<PathBuf> = serde_json::from_str(&mounts).map_err(|error| broken("--mounts", error))?;
            let answer = files::carry_out(&ask, &mounts).map_err(Error::harness)?;
            let answer = serde_json::to_string(&answer).map_err(|error| Error::harness(error.to_string()))?;
            print_json(&format!("{answer}\n")).map(|()| Exit::Passed)
        }
        AgentCommand::Connections => {
            let table = std::fs::read_to_string("/proc/net/tcp");
            let table = table.map_err(|error| Error::harness(format!("/proc/net/tcp: {error}")))?;
            // There is none where the kernel has no IPv6.
            let table6 = std::fs::read_to_string("/proc/net/tcp6").unwrap_or_default();
            print(&(table + &table6)).map(|()| Exit::Passed)
        }
        AgentCommand::Ping => match server::ping(&args.socket).await {
            Ok(()) => Ok(Exit::Passed),
            Err(error) => {
                say_line(&format!("the agent does not answer on {}: {error}", args.socket.display()));
                Ok(Exit::Failed)
            }
        },
    }
}

/// `8080=web:80`.
fn forwarded(text: &str) -> Result<(u16, String, u16), String> {
    let (port, leads_to) = text.split_once('=').ok_or("expected PORT=SERVICE:PORT")?;
    let (service, target) = leads_to.rsplit_once(':').ok_or("expected PORT=SERVICE:PORT")?;
    let number = |text: &str| text.parse::<u16>().map_err(|error| format!("`{text}`: {error}"));
    Ok((number(port)?, service.to_string(), number(target)?))
}

async fn serve(socket: PathBuf, proxy: Option<String>) -> Result<Exit, Error> {
    let proxy = proxy.filter(|json| !json.trim().is_empty()).map(|json| serde_json::from_str::<ProxyConfig>(&json));
    let proxy =
        proxy.transpose().map_err(|error| Error::usage(format!("`FIREDRILL_PROXY` cannot be read: {error}")))?;
    // The first process of a container gets no signal that it does not handle.
    let shutdown = super::conduct::listen()?;
    server::serve(socket, proxy, shutdown.cancel).await.map(|()| Exit::Passed).map_err(Error::harness)
}
