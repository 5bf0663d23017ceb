//! What a session can be asked: each request finds its way to what carries it out.

use super::HeldFault;
use super::holdings::Holdings;
use super::loads::Loads;
use super::surge::Surge;
use crate::agent::protocol::{Answer, Ask, HttpRule, Message};
use crate::agent::proxy::Proxy;
use crate::agent::{Clock, pg, scrape};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::task::AbortOnDropHandle;

/// The abilities of one session, with everything that it started.
#[derive(Debug)]
pub(super) struct Abilities {
    clock: Clock,
    proxy: Option<Proxy>,
    messages: UnboundedSender<Message>,
    holdings: Holdings,
    loads: Loads,
    watch: Mutex<Option<AbortOnDropHandle<()>>>,
}

impl Abilities {
    pub(super) fn new(clock: Clock, proxy: Option<Proxy>, messages: UnboundedSender<Message>) -> Abilities {
        Abilities {
            clock,
            proxy,
            messages,
            holdings: Holdings::default(),
            loads: Loads::default(),
            watch: Mutex::new(None),
        }
    }

    /// Does what is asked.
    pub(super) async fn answer(&self, ask: Ask) -> Answer {
        match ask {
            Ask::Heartbeat => done(""),
            Ask::StartLoad { loads, slis, seed } => self.loads.start(&loads, &slis, seed, self.clock, &self.messages),
            Ask::StopLoad => self.loads.stop().await,
            Ask::Watch { url, every_ms, when } => {
                let every = Duration::from_millis(every_ms.max(1));
                match scrape::watch(&url, every, when, self.messages.clone(), self.clock) {
                    Ok(watch) => {
                        self.set_watch(Some(watch));
                        done(&format!("scraping {url}"))
                    }
                    Err(reason) => Answer::Failed { reason },
                }
            }
            Ask::Unwatch => {
                self.set_watch(None);
                done("")
            }
            Ask::Hold { fault, hold } => {
                let held = pg::hold(&fault, hold, self.messages.clone());
                begun(self.holdings.begin(&fault, async { held.await.map(|held| HeldFault::Pg(Box::new(held))) }).await)
            }
            Ask::HttpRule { fault, rule } => begun(self.holdings.begin(&fault, self.rule(&fault, rule)).await),
            Ask::Surge { fault, load, rate } => {
                let surge = async { self.surge(&fault, &load, rate) };
                begun(self.holdings.begin(&fault, surge).await)
            }
            Ask::Confirm { fault } => self.holdings.confirm(&fault).await,
            Ask::Lift { fault } => self.holdings.lift(&fault).await,
        }
    }

    async fn rule(&self, fault: &str, rule: HttpRule) -> Result<HeldFault, String> {
        let proxy = self.proxy.as_ref().ok_or("this agent is not in front of a service")?;
        proxy.add_rule(fault, rule).map(HeldFault::Http)
    }

    fn surge(&self, fault: &str, load: &str, rate: f64) -> Result<HeldFault, String> {
        let (like, seed) = self.loads.running(load).ok_or_else(|| format!("no load `{load}` is running"))?;
        Surge::begin(fault, &like, rate, seed).map(HeldFault::Surge)
    }

    fn set_watch(&self, watch: Option<AbortOnDropHandle<()>>) {
        *self.watch.lock().unwrap_or_else(PoisonError::into_inner) = watch;
    }

    /// Ends everything that the session started. Fault → why it could not be lifted.
    pub(super) async fn end(&self) -> BTreeMap<String, String> {
        self.loads.abort();
        self.set_watch(None);
        self.holdings.lift_all().await
    }
}

fn done(detail: &str) -> Answer {
    Answer::Done { detail: detail.into() }
}

fn begun(result: Result<(), String>) -> Answer {
    match result {
        Ok(()) => done(""),
        Err(reason) => Answer::Failed { reason },
    }
}
