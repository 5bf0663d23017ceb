//! `firedrill proxy`: a server with Toxiproxy's API, for tests and by hand.

use super::Globals;
use crate::agent::toxiproxy::{ToxicProxies, listen, serve};
use crate::error::{Error, Exit};
use crate::output;
use std::path::{Path, PathBuf};

/// Serves the HTTP API of Toxiproxy: proxies for TCP and HTTP with latency, resets, statuses and more, for any Toxiproxy client.
#[derive(Debug, clap::Args)]
pub struct ProxyArgs {
    /// Where the API listens; without a host on every address.
    #[arg(long, value_name = "HOST:PORT", default_value = "localhost:8474")]
    listen: String,
    /// JSON file of proxies and toxics to begin with, as `POST /populate` takes them.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Seed of what toxics draw: jitter, sizes, and on which connections they act.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// Runs the command until it is stopped by Ctrl-C or SIGTERM.
pub async fn run(args: ProxyArgs, globals: &Globals) -> Result<Exit, Error> {
    let shutdown = super::conduct::listen()?;
    let mut proxies = ToxicProxies::new(args.seed);
    let (listener, address) = listen(&args.listen).await.map_err(|error| {
        Error::harness(format!("cannot listen on {}: {error}", args.listen))
            .hint("`--listen HOST:PORT` names another address; is another Toxiproxy running?")
    })?;
    let made = match &args.config {
        Some(path) => configure(&mut proxies, path).await?,
        None => 0,
    };
    globals.tell(&format!("the API of Toxiproxy listens on {address}; {made} proxies; Ctrl-C ends it\n"));
    if !address.ip().is_loopback() {
        globals.tell("whoever reaches that address can change the proxies: there is no password\n");
    }
    // Nobody is told who called.
    let (calls, _) = tokio::sync::mpsc::unbounded_channel();
    tokio::select! {
        never = serve(listener, proxies, calls) => match never {},
        () = shutdown.cancel.cancelled() => Ok(Exit::Passed),
    }
}

async fn configure(proxies: &mut ToxicProxies, path: &Path) -> Result<usize, Error> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Error::usage(format!("{} cannot be read: {error}", path.display())))?;
    let told = |mistakes: Vec<String>| {
        let lines: Vec<String> = mistakes.iter().map(|mistake| format!("{}{mistake}", path.display())).collect();
        Error::usage(output::visible(&lines.join("\n")).to_string())
    };
    proxies.configure(&text).await.map_err(told)
}
