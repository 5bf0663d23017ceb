//! `process`: a bad client, a runaway job, a stuck consumer: a command in containers of its own, beside the services that it
//! harms, so that restarting these does not end it. Steps find it as a service of the stack under the name that it is given.
//!
//! ```yaml
//! - process:
//!     name: exporter                   # docker compose ps, logs, stop exporter
//!     service: redis                   # its image, user, environment, files and networks; the toolbox when left out
//!     run: redis-cli -h redis --scan | while read key; do redis-cli -h redis GET "$key"; done
//!     replicas: 2
//!     returns: 2s                      # started again this long after it has ended by itself
//!     confirm: { service: redis, run: "test $(redis-cli CLIENT LIST | grep -c name=exporter) -ge 2" }
//!     cleared_when: { service: redis, run: "redis-cli ACL DRYRUN exporter GET x | grep -q permissions" }
//! ```

use super::command::{ask, read_question, read_script};
use super::{
    EndedByItself, FaultContext, FaultError, FaultFacts, FaultResult, Inject, Presence, ReadFault, Undo, containers,
    read_covers, read_returns,
};
use crate::record::{Parts, script_secrets};
use crate::source::{At, MapReader, TextForm, TextPattern};
use crate::stack::{Ending, Process, ServiceScript, Stack, TOOLBOX};
use async_trait::async_trait;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long a probe may take, and does unless it says less: two of them are asked at once.
const PROBE_WITHIN: Duration = Duration::from_secs(10);
/// How long after the last mitigating step a process may take to fail by it: that a session of a database was ended is noticed with
/// the next statement.
const NOTICED_WITHIN: Duration = Duration::from_secs(2);
/// More containers would be a drill of the machine.
const MOST_REPLICAS: u16 = 20;

const A_NAME: TextForm = TextForm::new("a name like `worker`", || {
    let pattern = r"^\s*(?!fd-)[a-z0-9][a-z0-9_-]*\s*$";
    serde_json::json!({ "type": ["string", "number", "boolean"], "pattern": pattern })
});

/// A process of its own.
pub struct ProcessFault {
    process: Process,
    confirm: Option<ServiceScript>,
    cleared_when: Option<ServiceScript>,
    /// Whether it was started before: what it did may still be there when it comes again.
    has_run: AtomicBool,
}

fn name(text: &str) -> Result<String, String> {
    static NAME: TextPattern = TextPattern::new("^[a-z0-9][a-z0-9_-]*$");
    let fits = NAME.is_match(text) && !text.starts_with("fd-");
    let wrong = || format!("`{text}` is not a name for a service: small letters, digits, `-` and `_`, and not `fd-…`");
    fits.then(|| text.to_string()).ok_or_else(wrong)
}

fn read_probe(at: &mut At<'_>) -> Option<ServiceScript> {
    let (what, line) = (format!("`{}`", at.key), at.line());
    let mut map = at.map(what)?.of_section("Probes");
    let service = map.require("service");
    let run = map.require_by("run", read_question);
    let within = map.optional_by("within", |at| at.within(PROBE_WITHIN)).unwrap_or(PROBE_WITHIN);
    map.finish_with(|| Some(ServiceScript { service: service?, run: run?, within, line }))
}

/// Whether a probe holds, and what it wrote.
async fn holds(probe: &ServiceScript, key: &str, stack: &dyn Stack) -> FaultResult<(bool, String)> {
    let executed = ask(key, &probe.service, &probe.run, probe.within, stack).await?;
    Ok((executed.code == 0, format!("`{key}`: {}", super::ended(&executed))))
}

/// Reads its parameters; `None` when there were mistakes, which are noted.
pub(super) fn process(map: &mut MapReader<'_>) -> ReadFault<ProcessFault> {
    let name = map.require_with("name", A_NAME, name);
    let service: Option<String> = map.optional("service");
    let run = map.require_by("run", read_script);
    let not = format!("a number from 1 to {MOST_REPLICAS}");
    let replicas = map.optional_by("replicas", |at| at.number(1..=MOST_REPLICAS, "a number from 1 on", &not));
    let returns = read_returns(map);
    let [confirm, cleared_when] = ["confirm", "cleared_when"].map(|key| map.optional_by(key, read_probe));
    let summary: Option<String> = map.optional("summary");
    let covers = read_covers(map);
    let (name, run, replicas) = (name?, run?, replicas.unwrap_or(1));
    let like = service.as_ref().map_or_else(|| "the toolbox".into(), |service| format!("`{service}`"));
    let times = if replicas == 1 { String::new() } else { format!(", {replicas} times") };
    let again = returns.map_or_else(String::new, |after| format!(", started again {after:?} after it has ended"));
    let what = summary.unwrap_or_else(|| format!("runs `{}`", super::command::first_line(&run)));
    let probes = || [&confirm, &cleared_when].into_iter().flatten();
    let mut services: Vec<String> = service.iter().chain(probes().map(|probe| &probe.service)).cloned().collect();
    services.retain(|service| *service != name && service != TOOLBOX);
    services.sort();
    services.dedup();
    let says_when_it_ends = returns.is_some() || cleared_when.is_some();
    let message = "the process has neither `returns` nor `cleared_when`: if it ends, the drill is `self_healed`";
    let help = "give it `returns`, or the probe `cleared_when` that holds once the runbook has cleared it";
    let scripts = std::iter::once(&run).chain(probes().map(|probe| &probe.run));
    let secrets = scripts.flat_map(|script| script_secrets(script)).collect();
    let summary = format!("{what} (the process `{name}` in the image of {like}{times}{again})");
    let process = Process { name, service, run, replicas, returns };
    let facts = FaultFacts {
        summary,
        services,
        covers,
        warning: (!says_when_it_ends).then(|| ("run", message.into(), help)),
        process: Some(process.clone()),
        returns,
        unproven: returns.is_some() && confirm.is_none(),
        secrets,
        ..FaultFacts::default()
    };
    Some((facts, ProcessFault { process, confirm, cleared_when, has_run: AtomicBool::new(false) }))
}

#[async_trait]
impl Inject for ProcessFault {
    /// What another service says before the process runs would prove nothing of it. That it has no answer yet is none.
    async fn prepare(&self, context: &FaultContext<'_>) -> FaultResult<Undo> {
        let name = &self.process.name;
        if let Some(probe) = self.confirm.as_ref().filter(|probe| probe.service != *name)
            && !self.has_run.load(Ordering::Relaxed)
            && let Ok((true, said)) = holds(probe, "confirm", context.stack).await
        {
            let operation = format!("before `{name}` is started");
            return Err(FaultError::new(operation, format!("it is in place already: {said}")));
        }
        Ok(Undo::Process { name: name.clone() })
    }

    async fn inject(&self, _undo: &Undo, context: &FaultContext<'_>) -> FaultResult {
        let name = &self.process.name;
        self.has_run.store(true, Ordering::Relaxed);
        context.stack.start_process(name).await.map_err(FaultError::of(format!("start the process `{name}`")))
    }

    /// What runs is asked first: with no container left the fault is gone whatever a probe says, and without one that says so
    /// a process that runs is not gone, although it may be waiting to be started again. Of one that is paused `confirm` says it.
    async fn confirm(&self, _undo: &Undo, context: &FaultContext<'_>) -> FaultResult<Presence> {
        let all = containers::states(&self.process.name, context.stack).await?;
        // A paused one does nothing; what it still holds (a lock), users feel: that a probe tells.
        let elsewhere = |probe: &ServiceScript| probe.service != self.process.name;
        let told = self.confirm.as_ref().is_some_and(elsewhere) && self.cleared_when.as_ref().is_none_or(elsewhere);
        let paused = all.iter().any(|state| state.status == "paused");
        let up = all.iter().filter(|state| containers::is_up(state) && state.status != "paused").count();
        let seen: Vec<_> = all.into_iter().map(|state| (state.id.clone(), Some(state))).collect();
        let mut evidence = containers::describe(&seen, containers::status);
        if seen.is_empty() {
            evidence = format!("`{}` has no container", self.process.name);
        }
        if up == 0 && !(paused && told) {
            return Ok(Presence::Gone(evidence));
        }
        if let Some(probe) = &self.cleared_when {
            let (holds, said) = holds(probe, "cleared_when", context.stack).await?;
            if holds {
                return Ok(Presence::Gone(format!("{evidence}; {said}")));
            }
        }
        if up > 0 && up < usize::from(self.process.replicas) {
            return Ok(Presence::Partly(evidence, Parts::new(up, usize::from(self.process.replicas))));
        }
        let Some(probe) = &self.confirm else { return Ok(Presence::InPlace(evidence)) };
        let (holds, said) = holds(probe, "confirm", context.stack).await?;
        let evidence = format!("{evidence}; {said}");
        Ok(match holds {
            true => Presence::InPlace(evidence),
            false if up == 0 => Presence::Gone(evidence),
            false => Presence::Partly(evidence, Parts::HALF),
        })
    }

    /// Before the first mitigating command whatever its exit code, and so once [`NOTICED_WITHIN`] after the last one. In between a
    /// command of the runbook may have made it fail, but not succeed. That it did all the same, only a probe can say.
    async fn ended_by_itself(&self, context: &FaultContext<'_>, mitigated: Option<Duration>) -> EndedByItself {
        let stack = context.stack;
        let mut endings = stack.endings(&self.process.name).await;
        if mitigated.is_none() && endings.iter().all(|ending| !ending.by_itself) {
            return Ok(None);
        }
        let states = containers::states(&self.process.name, stack).await?;
        if states.iter().any(containers::is_up) {
            return Ok(None);
        }
        // One of which no end was seen counts as one that nobody stopped, and that ended only now.
        for state in states {
            let known = endings.iter().any(|ending| ending.container == state.name);
            if let (false, Some(exit_code)) = (known, state.exit_code) {
                let (container, [after, ago]) = (state.name, [Duration::ZERO; 2]);
                endings.push(Ending { container, exit_code, after, ago, by_itself: true });
            }
        }
        let is_late = |ending: &Ending| mitigated.is_none_or(|ago| ending.ago.saturating_add(NOTICED_WITHIN) < ago);
        let ended = endings.iter().find(|ending| ending.by_itself && (ending.exit_code == 0 || is_late(ending)));
        let Some(ended) = ended else { return Ok(None) };
        if let Some(probe) = &self.cleared_when
            && (mitigated.is_none() || holds(probe, "cleared_when", stack).await?.0)
        {
            return Ok(None);
        }
        let Ending { container, exit_code, after, .. } = ended;
        let after =
            if after.is_zero() { String::new() } else { format!(" {:.1} s after it began", after.as_secs_f64()) };
        let before = match mitigated {
            None => ", before the first mitigating command",
            Some(_) if *exit_code != 0 => ", when the last mitigating step was over",
            Some(_) => "",
        };
        Ok(Some(format!(
            "the process `{}` ended by itself with exit code {exit_code}{after}{before} ({container}); the drill cannot say that \
             the runbook helped; give it `returns` or `cleared_when`",
            self.process.name
        )))
    }
}
