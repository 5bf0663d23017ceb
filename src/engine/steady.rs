//! Steady: load runs, every SLI meets its objective over `steady.for`, and the alert condition does not hold.

use super::drill::{Drill, seconds};
use super::monitor::shown;
use super::stop::Stop;
use crate::agent::ability::Ability;
use crate::agent::machine::MachineWatch;
use crate::agent::watch::MetricWatch;
use crate::load::{Ca, LoadSpec, check_ca};
use crate::record::{Check, CheckOutcome, Event, InvariantTime, Phase};
use crate::shell::Shell;
use crate::slis::window::{Answer, Level};
use crate::spec::sources;
use crate::stack::Place;
use std::time::Duration;

/// How often the metrics page of the alert condition is scraped.
const SCRAPE_EVERY: Duration = Duration::from_millis(500);

impl Drill<'_> {
    pub(super) async fn steady(&mut self) -> Result<(), Stop> {
        let started = self.sink.now();
        self.start_load().await?;
        self.open_shell().await?;
        let within = self.plan.steady_for + self.plan.steady_within + self.longest_request();
        let window = self.plan.steady_for;
        let detect = self.plan.detect.is_some();
        let met = self
            .monitor
            .until(started.plus(within), |monitor| {
                let alert = monitor.condition();
                // A page that could not be asked is no quiet alert.
                let quiet = !detect || (alert.sampled.is_some() && !alert.holds && alert.readable);
                match monitor.timeline(|timeline| timeline.steady(window, started)) {
                    Answer::Yes(levels) if quiet => Some(levels),
                    _ => None,
                }
            })
            .await?;
        let what = format!("every SLI to meet its objective over {}", seconds(window));
        self.waited(what, started, within, met.is_some());
        if let Some(levels) = met {
            self.window_held(Phase::Steady, &levels);
            let evidence = shown(&levels);
            if let Err(stop) = self.before_restore().await {
                return Err(self.failed(Check::Steady, started, stop));
            }
            if let Err(stop) = self.ask_invariants(InvariantTime::Steady).await {
                return Err(self.failed(Check::Steady, started, stop));
            }
            self.decided(Check::Steady, started, CheckOutcome::Passed { evidence });
            return Ok(());
        }
        let stop = Stop::new(crate::record::Verdict::Unsteady, self.why_unsteady())
            .at(self.in_scenario(self.plan.line_of("steady")));
        Err(self.failed(Check::Steady, started, stop))
    }

    async fn start_load(&mut self) -> Result<(), Stop> {
        let agent = self.agent()?.clone();
        let mut loads = self.trusting().await?;
        // A control restores nothing, and keeps no ledger.
        if let Some(restore) = self.restoring() {
            let ledger = &restore.ledger;
            for load in loads.iter_mut().filter(|load| load.name == ledger.load) {
                load.acknowledged = Some(ledger.acknowledged.clone());
            }
        }
        agent.ask(MachineWatch {}.ask("machine")).await?;
        for source in sources(&loads, &self.plan.own_sources) {
            let ask = source.ask(&self.plan.slis, self.seed, &|service| self.stack.environment(service));
            agent.ask(ask.map_err(Stop::harness)?).await?;
        }
        if let Some(detect) = &self.plan.detect {
            let watch = MetricWatch { url: detect.url.clone(), every: SCRAPE_EVERY, when: detect.when.clone() };
            agent.ask(watch.ask("alert")).await?;
        }
        Ok(())
    }

    /// The loads, each with the certificate authority that it trusts: one that the stack made at its start is read now.
    async fn trusting(&self) -> Result<Vec<LoadSpec>, Stop> {
        let mut loads = self.plan.loads.clone();
        for load in &mut loads {
            let Some(Ca::Service { service, path }) = &load.ca else { continue };
            let at = self.in_scenario(self.plan.line_of("load"));
            let bytes = self.stack.read_file(service, path).await.map_err(|error| Stop::from(error).at(at.clone()))?;
            let pem = String::from_utf8_lossy(&bytes).into_owned();
            check_ca(&pem).map_err(|reason| {
                let what = format!("load `{}`: `{path}` of `{service}` is no certificate authority", load.name);
                Stop::harness(format!("{what}: {reason}")).at(at)
            })?;
            load.ca = Some(Ca::Pem { pem });
        }
        Ok(loads)
    }

    async fn open_shell(&mut self) -> Result<(), Stop> {
        let Some(runbook) = self.plan.runbook.as_ref().filter(|_| !self.control) else { return Ok(()) };
        let place = match &self.plan.respond.service {
            Some(service) => Place::Service(service.clone()),
            None => Place::Toolbox,
        };
        let channel = self.stack.shell(&place).await?;
        let tools = self.stack.tools(&place, &self.sink.secrets());
        let vars = super::follow::Inputs::new(runbook, &self.plan.respond).env();
        self.shell = Some(tokio::spawn(async move { Shell::open_with(channel, &vars, tools).await }));
        Ok(())
    }

    fn why_unsteady(&self) -> String {
        let alert = self.monitor.condition();
        if let Some(detect) = &self.plan.detect {
            if alert.holds {
                // An alert that fires with good reason, and one that always does: the SLIs tell them apart.
                let levels = self.shown_with_answers(&self.latest(self.plan.steady_for));
                return format!(
                    "the alert condition `{}` holds before anything was broken; {levels}",
                    detect.when.text
                );
            }
            if let (false, Some(error)) = (alert.readable, &alert.error) {
                return format!("the alert condition `{}` cannot be asked: {error}", detect.when.text);
            }
        }
        self.shown_with_answers(&self.latest(self.plan.steady_for))
    }

    /// Tells of a window over which every SLI met its objective.
    pub(super) fn window_held(&self, phase: Phase, levels: &[Level]) {
        let from_us = levels.iter().map(|level| level.from).min().unwrap_or_default();
        let to_us = levels.iter().map(|level| level.to).max().unwrap_or_default();
        self.sink.emit(Event::WindowHeld { phase, from_us, to_us });
    }

    /// SLIs that miss their objectives, with the most frequent answers in the window that says so.
    pub(super) fn shown_with_answers(&self, levels: &[Level]) -> String {
        let answers = self.monitor.timeline(|timeline| timeline.answers(levels));
        match answers.is_empty() {
            true => shown(levels),
            false => format!("{}; answers: {answers}", shown(levels)),
        }
    }

    /// Every SLI over the last window of this length.
    pub(super) fn latest(&self, window: Duration) -> Vec<Level> {
        self.monitor.timeline(|timeline| timeline.latest(window))
    }
}
