//! A drill that is fit to run.

use crate::agent::proxy::unit;
use crate::agent::source::SliSource;
use crate::faults::Fault;
use crate::load::{Ca, LoadSpec, url_secrets};
use crate::record::{BudgetInfo, PageExpectation, RestoreLevel, Secret, Verdict, script_secrets, url_password};
use crate::runbook::{Runbook, RunbookInput, RunbookPhase, Step};
use crate::slis::window::{ImpactSize, TimeSpan};
use crate::slis::{Comparison, Good, MetricCondition, Ratio, SliSpec};
use crate::source::{Mention, Node, Show, Source, Span, beside, host_of, shorten};
use crate::stack::{Allowed, ServiceScript, StackRequest};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How often a fault grows by its `ramp`, where that is at least ten times and at most a hundred.
const A_STEP: Duration = Duration::from_millis(500);

/// A scenario with everything that it names, read and checked.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// File name without `.yaml`.
    pub name: String,
    /// The scenario file.
    pub source: Arc<Source>,
    /// Title.
    pub title: String,
    /// `SEV1` …
    pub severity: Option<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// Why it is severe and plausible, in its author's words.
    pub description: Option<String>,
    /// Who owns it.
    pub owner: Option<String>,
    /// The stack.
    pub stack: StackRequest,
    /// The user's Compose file as text, for the record.
    pub stack_source: Arc<Source>,
    /// The runbook; without one the scenario tests that the system heals by itself.
    pub runbook: Option<Runbook>,
    /// What it says in a section that is not followed, and that changes something; where its phase is not known, after the mitigation first,
    /// where it counts as well that it may.
    pub left_out: Option<Step>,
    /// The loads.
    pub loads: Vec<LoadSpec>,
    /// Sources that SLIs name instead of a load.
    pub own_sources: Vec<Arc<SliSource>>,
    /// The SLIs.
    pub slis: Vec<SliSpec>,
    /// `steady.for`.
    pub steady_for: Duration,
    /// `steady.within`: how long the load may take to become steady at first (warm-up), 30 s by default.
    pub steady_within: Duration,
    /// What ends the drill at once.
    pub stop_when: Vec<StopCondition>,
    /// How long the drill may take until its verdict.
    pub max_duration: Option<Duration>,
    /// The faults, in order.
    pub faults: Vec<PlannedFault>,
    /// Who is on call, and what makes an incident how severe, where the scenario names the file.
    pub oncall: Option<super::OnCall>,
    /// The production error budget in terms of which the drill has its price.
    pub budget: Option<BudgetInfo>,
    /// What the impact must be.
    pub impact: Impact,
    /// The team's own alerts.
    pub alerts: Option<super::AlertsSpec>,
    /// How the fault must be detected.
    pub detect: Detect,
    /// How the runbook is followed.
    pub respond: Respond,
    /// `recover.within`.
    pub recover_within: Duration,
    /// `recover.hold`.
    pub recover_hold: Duration,
    /// `recover.cleared`: at the end of the hold every fault must be gone.
    pub recover_cleared: bool,
    /// How long every SLI must hold after the revert: `revert.hold`, or longer where its events are few.
    pub revert_hold: Duration,
    /// Recovery time objective: first confirmed fault → recovered. The stricter one of [`Plan::objectives`].
    /// `None`: no limit on the time to recover.
    pub rto: Option<Duration>,
    /// What must not be destroyed.
    pub invariants: Vec<super::Invariant>,
    /// The objectives that hold, and where they come from: the scenario, or `services.yaml`.
    pub objectives: super::DrillObjectives,
    /// What a DR drill asserts beyond that; `None` for drills of other kinds.
    pub restore: Option<super::RestoreSpec>,
    /// The verdict that must come out; `passed` unless the scenario exists to fail.
    pub expect: Verdict,
    /// The scenario file as it was parsed, for the places of its keys.
    pub root: Arc<Node>,
    /// The services that it names.
    pub mentions: Vec<Mention>,
}

impl Plan {
    /// Whether the impact may show in this SLI.
    pub fn must_breach(&self, sli: &str) -> bool {
        self.impact.breaches.is_empty() || self.impact.breaches.iter().any(|name| name == sli)
    }

    /// Everything that the plan itself holds and that must never reach a record: values of inputs, credentials that the
    /// load sends, parameters of faults, what probes of a restore say in their scripts. The stack has secrets of its own.
    pub fn secrets(&self) -> Vec<Secret> {
        let sources = self.sources().flat_map(|source| source.secrets.clone());
        let metrics = self.detect.condition.iter().flat_map(|(url, _)| url_secrets(url));
        let alerts = self.alerts.iter().flat_map(super::AlertsSpec::secrets);
        let faults = self.faults.iter().flat_map(|planned| planned.fault.facts.secrets.clone());
        let restore = self.restore.iter().flat_map(super::RestoreSpec::secrets);
        let invariants = self.invariants.iter().flat_map(|invariant| script_secrets(&invariant.probe.run));
        let stops = self.stop_when.iter().flat_map(|condition| match &condition.what {
            StopWhen::Answer { url, .. } => url_secrets(url),
            StopWhen::Probe { probe, .. } => script_secrets(&probe.run),
            _ => Vec::new(),
        });
        let guessed = sources.chain(stops).chain(metrics).chain(alerts).chain(faults).chain(restore).chain(invariants);
        self.respond.secrets().into_iter().chain(guessed.map(Secret::from)).collect()
    }

    /// The files that a drill of it is made from, beside those of its stack, its loads and its faults.
    pub fn made_from(&self) -> impl Iterator<Item = &Source> {
        let runbook = self.runbook.as_ref().map(|runbook| &*runbook.source);
        let accepted = self.runbook.as_ref().and_then(|runbook| runbook.accepted.as_ref());
        let reading = accepted.map(|accepted| &*accepted.source);
        let oncall = self.oncall.as_ref().map(|oncall| &*oncall.source);
        let programs = crate::programs::own_file().map(|source| &**source);
        let alerts = self.alerts.iter().flat_map(super::AlertsSpec::files).map(|(_, source)| &**source);
        let own = [&*self.source, &*self.stack_source].into_iter();
        own.chain(runbook).chain(reading).chain(programs).chain(oncall).chain(alerts)
    }

    /// The files that its loads, SLIs and faults are made from beside these: certificate authorities, SLOs, presets of the project.
    pub fn named_files(&self) -> Vec<PathBuf> {
        let of_each = |key: &str, path: &'static [&'static str]| {
            let entries = self.root.get(&[key]).map_or(&[][..], Node::entries);
            entries.iter().filter_map(move |entry| entry.value.text_at(path))
        };
        let slos = of_each("slis", &["slo"]).map(|slo| slo.split_once('#').map_or(slo, |(file, _)| file));
        let trusted = of_each("load", &["tls", "ca"]).chain(self.root.text_at(&["respond", "trust"]));
        let named = slos.chain(trusted).map(|file| beside(&self.source.path, file));
        let presets = self.faults.iter().filter_map(|planned| planned.fault.preset_file());
        named.chain(presets.map(Path::to_path_buf)).collect()
    }

    /// Where the events of the SLIs come from.
    pub fn sources(&self) -> impl Iterator<Item = Arc<SliSource>> {
        sources(&self.loads, &self.own_sources)
    }

    /// The longest time of which a source tells at once: what it tells first after an event is mostly of the time before, so that windows which
    /// begin with an event begin so much later.
    pub fn told_every(&self) -> Duration {
        self.sources().map(|source| source.interval).max().unwrap_or_default()
    }

    /// Sends at most so many requests a second, as a machine that many drills share asks for. Every window in which requests
    /// are judged becomes longer by the same factor, so that it holds as many of them as its author meant.
    pub fn calm(&mut self, most: f64) {
        let busiest = self.loads.iter().map(|load| load.rate).fold(0.0, f64::max);
        if most <= 0.0 || busiest <= most {
            return;
        }
        let factor = busiest / most;
        for load in &mut self.loads {
            load.rate = load.rate.min(most);
        }
        // Whole slices, rounded up.
        let longer = |time: Duration| Duration::from_millis((time.as_secs_f64() * factor * 10.0).ceil() as u64 * 100);
        self.steady_for = longer(self.steady_for);
        self.steady_within = longer(self.steady_within);
        self.impact.window = longer(self.impact.window);
        // What is judged without an impact is judged with the fault in place.
        let ends = self.faults.iter().filter(|planned| !planned.timing.noise && planned.ends_in_time());
        let most = ends.filter_map(|planned| planned.timing.lasts).min().filter(|_| self.impact.none);
        let most = most.map(|lasts| lasts.saturating_sub(self.told_every()));
        self.impact.within = longer(self.impact.within).min(most.unwrap_or(Duration::MAX));
        for condition in &mut self.stop_when {
            if let StopWhen::Below { window, .. } = &mut condition.what {
                *window = longer(*window);
            }
        }
        self.recover_hold = longer(self.recover_hold);
        self.revert_hold = longer(self.revert_hold);
    }

    /// The fault that takes longest to come back, after it was ended or by its `every`, with that time. Noise that comes and goes as well: it
    /// may hurt after all, and its going away is no recovery.
    pub fn returning(&self) -> Option<(&str, Duration)> {
        let returning = self.faults.iter().filter_map(|planned| {
            let returns = planned.fault.facts.returns.filter(|_| !planned.timing.noise);
            Some((planned.id.as_str(), returns.max(planned.period())?))
        });
        returning.max_by_key(|(_, after)| *after)
    }

    /// The service of the stack that a load calls.
    pub fn service_of(&self, load: &LoadSpec) -> Option<String> {
        let host = host_of(&load.url)?;
        Some(self.stack.hosts.get(host).cloned().unwrap_or_else(|| host.to_string()))
    }

    /// Line of a key of the scenario, from 1; the first one when the scenario leaves it out.
    pub fn line_of(&self, key: &str) -> usize {
        let entry = self.root.entries().iter().find(|entry| entry.key == key);
        entry.map_or(1, |entry| self.source.pos(entry.key_span.start).line)
    }

    /// Where the value stands to which these keys of the scenario lead.
    pub(super) fn place(&self, path: &[&str]) -> Span {
        self.root.get(path).map_or(Span::default(), |node| node.span)
    }

    /// Where the value of a key of the scenario within another one stands, or the nearest thing that stands for it when it was left out.
    pub(super) fn near(&self, outer: &str, inner: &str) -> Span {
        let entry = |key: &str| self.root.entries().iter().find(|entry| entry.key == key);
        match entry(outer) {
            Some(outer) => outer.value.get(&[inner]).map_or(outer.key_span, |inner| inner.span),
            // Left out altogether: the objective is what it cannot hold.
            None => entry("slis").map_or(self.root.span, |slis| slis.key_span),
        }
    }
}

/// Loads, and what SLIs name instead of one.
pub(crate) fn sources(loads: &[LoadSpec], own: &[Arc<SliSource>]) -> impl Iterator<Item = Arc<SliSource>> {
    loads.iter().map(|load| Arc::new(load.source())).chain(own.iter().cloned())
}

/// A condition of `stop_when`.
#[derive(Debug, Clone, PartialEq)]
pub struct StopCondition {
    /// When the drill ends.
    pub what: StopWhen,
    /// Line in the scenario, from 1.
    pub line: usize,
    /// Where it stands there.
    pub span: Span,
}

/// When a drill ends at once.
#[derive(Debug, Clone, PartialEq)]
pub enum StopWhen {
    /// An SLI is below a floor over a trailing window (`for`).
    Below { sli: String, below: Ratio, window: Duration },
    /// A file is there, on the machine of the runner.
    File(PathBuf),
    /// A page inside the stack has this status.
    Answer { url: String, status: u16 },
    /// A script in a service does, or writes, what is expected.
    Probe { probe: ServiceScript, expected: Expectation },
}

impl fmt::Display for StopWhen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StopWhen::Below { sli, below, window } => write!(f, "{sli} is below {below} for {}", Show(*window)),
            StopWhen::File(path) => write!(f, "the file {} is there", path.display()),
            StopWhen::Answer { url, status } => write!(f, "{url} answers {status}"),
            StopWhen::Probe { probe, expected } => {
                write!(f, "in {}: {} ({expected})", probe.service, probe.run.lines().next().unwrap_or_default())
            }
        }
    }
}

/// A fault with its id and its place in the scenario.
#[derive(Debug, Clone)]
pub struct PlannedFault {
    /// Its kind, with an ordinal if taken.
    pub id: String,
    /// What it is.
    pub fault: Fault,
    /// Line in the scenario, from 1.
    pub line: usize,
    /// The key that is its kind.
    pub span: Span,
    /// When it acts.
    pub timing: FaultTiming,
}

/// When a fault acts, and whether it counts: what every kind may have beside it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FaultTiming {
    /// `lasts`: it is undone so long after it was confirmed, and the drill goes on.
    pub lasts: Option<Duration>,
    /// `after`: it is injected so long after the fault before it was confirmed.
    pub after: Option<Duration>,
    /// `every`: it begins again so long after it began, each time for `lasts`.
    pub every: Option<Duration>,
    /// `jitter`: each begin comes up to so much later, drawn from the drill's seed.
    pub jitter: Duration,
    /// `ramp`: it grows to its full strength in so long after it began.
    pub ramp: Option<Duration>,
    /// `noise`: it harms nobody. Nobody asks what the runbook made of it, and no time counts from it.
    pub noise: bool,
}

impl PlannedFault {
    /// What it does and when, in one line.
    pub fn summary(&self) -> String {
        let FaultTiming { lasts, after, every, jitter, ramp, noise } = &self.timing;
        let noise = if *noise { "noise: " } else { "" };
        let after = after.map_or_else(String::new, |after| format!(", {} after the fault before it", Show(after)));
        let lasts = lasts.map_or_else(String::new, |lasts| format!(", for {}", Show(lasts)));
        let every = every.map_or_else(String::new, |every| format!(", again every {}", Show(every)));
        let jitter = if jitter.is_zero() { String::new() } else { format!(", up to {} later", Show(*jitter)) };
        let ramp = ramp.map_or_else(String::new, |ramp| format!(", growing for {}", Show(ramp)));
        format!("{noise}{}{ramp}{after}{lasts}{every}{jitter}", self.fault.facts.summary)
    }

    /// From when after it began on it is how strong, in parts of 1: at once, and by its `ramp` in at least ten steps until it is
    /// whole.
    pub fn steps(&self) -> impl Iterator<Item = (Duration, f64)> {
        let ramp = self.timing.ramp.unwrap_or_default();
        let most = (ramp.as_millis() / A_STEP.as_millis()).clamp(10, 100) as u32;
        let last = if ramp.is_zero() { 0 } else { most };
        (0..=last).map(move |step| (ramp * step / last.max(1), f64::from(step + 1) / f64::from(last + 1)))
    }

    /// Whether it ends by its `lasts`, and for good.
    pub fn ends_in_time(&self) -> bool {
        self.timing.lasts.is_some() && self.timing.every.is_none()
    }

    /// How long at most from one begin to the next one, where it comes again.
    pub fn period(&self) -> Option<Duration> {
        self.timing.every.map(|every| every.saturating_add(self.timing.jitter))
    }

    /// When it begins, each time, counted from when it could begin first without `jitter`: a function of the plan and the seed
    /// alone. Once where it does not come again.
    pub fn begins(&self, seed: u64) -> impl Iterator<Item = Duration> {
        // FNV-1a, so that two faults of a drill draw differently.
        let own = self.id.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let FaultTiming { every, jitter, .. } = self.timing;
        let times = if every.is_some() { u32::MAX } else { 1 };
        (0..times).map(move |n| {
            every.unwrap_or_default().saturating_mul(n).saturating_add(jitter.mul_f64(unit(own, n.into())))
        })
    }
}

/// What the impact must be.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Impact {
    /// `impact: none`: every SLI must keep its objective instead.
    pub none: bool,
    /// The SLIs one of which must fall; all of them when the scenario names none.
    pub breaches: Vec<String>,
    /// Below this ratio.
    pub below: Ratio,
    /// Within this time of the confirmed injection.
    pub within: Duration,
    /// Trailing window.
    pub window: Duration,
}

impl Impact {
    /// How much is one, beyond what was bad while `steady`.
    pub fn size(&self, steady: Option<TimeSpan>) -> ImpactSize {
        ImpactSize { below: self.below, window: self.window, steady }
    }
}

/// How the fault must be detected: by a condition, by a page, or by both; by neither where the scenario does not say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Detect {
    /// A metrics page, and the condition on a metric of it that must hold.
    pub condition: Option<(String, MetricCondition)>,
    /// What is asserted of the pages of the team's own alerts.
    pub page: Option<PageExpectation>,
    /// Deadline from the confirmed injection; zero where nothing must come.
    pub within: Duration,
}

impl Detect {
    /// The condition as it was written, and the page that must come in words; `None` where neither must.
    pub fn text(&self) -> Option<String> {
        let condition = self.condition.iter().map(|(_, when)| when.text.clone());
        let page = self.page.iter().filter(|page| page.alert.is_some()).map(PageExpectation::text);
        let both: Vec<String> = condition.chain(page).collect();
        (!both.is_empty()).then(|| both.join(", and "))
    }
}

/// How the runbook is followed.
#[derive(Debug, Clone, Default)]
pub struct Respond {
    /// Phases to follow.
    pub phases: Vec<RunbookPhase>,
    /// Values of inputs, by unified name as well as as written.
    pub vars: BTreeMap<String, Var>,
    /// What every session has in its environment: `env_files`, and `env` over them.
    pub env: BTreeMap<String, Var>,
    /// The files of `env_files`.
    pub env_files: Vec<PathBuf>,
    /// Id of a step → what its sessions have in their environment while it is followed.
    pub env_of_steps: BTreeMap<String, BTreeMap<String, Var>>,
    /// Which way is taken where the reading of the runbook names several: name of the choice → way.
    pub choose: BTreeMap<String, String>,
    /// Deadline of a command, unless the step says otherwise.
    pub timeout: Duration,
    /// Where commands run; `None` is the toolbox.
    pub service: Option<String>,
    /// The certificate authority that the programs of the steps trust beside a service's own.
    pub trust: Option<Ca>,
    /// Language of a block → the client that runs it (`clients: { sql: … }`).
    pub clients: BTreeMap<String, BlockClient>,
}

/// The client that runs the blocks of a language which is no shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockClient {
    /// The service in whose container it runs; `None` is the toolbox.
    pub service: Option<String>,
    /// The command; a block's text is its standard input.
    pub command: String,
}

impl Respond {
    /// What a step is given for an input, the closest word first: the step's own environment, `vars`, `env`. The last two
    /// are asked by the exact name of a variable.
    pub fn given(&self, step: &str, input: &RunbookInput) -> Option<&Var> {
        let of_step = input.variable().and_then(|name| self.env_of_steps.get(step)?.get(name));
        of_step.or_else(|| self.vars.get(&input.name)).or_else(|| self.env.get(input.variable()?))
    }

    /// Values that must never be shown, and the passwords inside of those that are URLs.
    pub fn secrets(&self) -> Vec<Secret> {
        let all =
            self.vars.values().chain(self.env.values()).chain(self.env_of_steps.values().flat_map(BTreeMap::values));
        let mut found = Vec::new();
        for var in all.filter(|var| var.secret) {
            let kind = if var.declared == Some(true) { Secret::Declared } else { Secret::Guessed };
            let values = [Some(var.value.as_str()), url_password(&var.value)];
            found.extend(values.into_iter().flatten().map(|value| kind(value.to_string())));
        }
        found.sort();
        found.dedup();
        found
    }
}

/// A value of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Var {
    /// The value.
    pub value: String,
    /// Whether it must never be shown.
    pub secret: bool,
    /// What the scenario itself says about that; otherwise its name and its value do.
    pub declared: Option<bool>,
    /// Whether it may be empty; an input that is empty otherwise blocks its step as one without a value does.
    pub may_be_empty: bool,
}

impl Var {
    /// Whether a step can do with it.
    pub fn is_usable(&self) -> bool {
        self.may_be_empty || !self.value.trim().is_empty()
    }
}

/// The files of a project from which all of its scenarios are made, where it has them.
pub fn shared_files(project: &Path) -> [PathBuf; 2] {
    [crate::assurance::services::FILE, crate::programs::FILE].map(|name| project.join(name))
}

/// What the command line adds to a scenario.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Overrides {
    /// `--var K=V`.
    pub vars: BTreeMap<String, String>,
    /// The directory from which names of scenarios are looked up.
    pub project: PathBuf,
    /// `--root`: the directory from outside of which nothing is read, where it is not the Git work tree.
    pub root: Option<PathBuf>,
    /// `--allow-host`: a consent that holds on this machine alone.
    #[serde(skip)]
    pub allowed: Allowed,
}

/// `rpo`, `ledger` and `restore` of a scenario of the kind `dr`.
#[derive(Debug, Clone)]
pub struct RestoreSpec {
    /// Recovery point objective: how old the oldest lost write may be that was acknowledged before the fault.
    pub rpo: Duration,
    /// The ledger of acknowledged writes.
    pub ledger: LedgerSpec,
    /// The backup.
    pub backup: Option<BackupSpec>,
    /// How much production has to restore, in bytes, in the measure of the backup's `bytes`.
    pub production_bytes: Option<u64>,
    /// What each level is seen by: one for each of L1 to L3, at least one for L4, in the order of the levels.
    pub probes: Vec<LevelProbe>,
    /// The level that must be reached and not passed; L5 unless the scenario exists to fail.
    pub expect: RestoreLevel,
}

impl RestoreSpec {
    /// Secrets that its scripts hold, which records have word for word otherwise.
    pub fn secrets(&self) -> Vec<String> {
        let own = [Some(&self.ledger.survivors), self.backup.as_ref().map(|backup| &backup.probe)];
        let probes = own.into_iter().flatten().chain(self.probes.iter().map(|level| &level.probe));
        probes.flat_map(|probe| script_secrets(&probe.run)).collect()
    }
}

/// The ledger: which requests are writes, what acknowledges one, and how the survivors are read back.
#[derive(Debug, Clone)]
pub struct LedgerSpec {
    /// The load whose requests are the writes; `{{counter}}` numbers them.
    pub load: String,
    /// The answer that says that the write is stored.
    pub acknowledged: Good,
    /// Writes the number of every row that is there, one a line.
    pub survivors: ServiceScript,
}

/// The backup of a DR drill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupSpec {
    /// Tells of it, as `key=value` lines: `id`, `taken` (RFC 3339), `bytes`, and whatever else it knows.
    pub probe: ServiceScript,
    /// How old it may be before the fault, by its own time `taken`.
    pub max_age: Option<Duration>,
}

/// What a level is seen by.
#[derive(Debug, Clone, PartialEq)]
pub struct LevelProbe {
    /// The level, L1 to L4.
    pub level: RestoreLevel,
    /// `readable`, `restored`, `replayed`, or the name of a check of the content.
    pub name: String,
    /// The script; exit code 0 is asked for.
    pub probe: ServiceScript,
    /// What it must write; nothing in particular for L1 to L3.
    pub expected: Expectation,
}

/// What a probe must write. Its exit code must be 0 in any case; white space at the end of its output counts for nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum Expectation {
    /// Nothing in particular.
    Success,
    /// This text.
    Output(String),
    /// What it wrote before the fault.
    AsBefore,
    /// A number that fulfils a comparison: `>= 100`.
    Number(Comparison, f64),
    /// A number that is not below the one before the fault, and that still grows: what is written must go on being written.
    Increases,
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expectation::Success => write!(f, "exit code 0"),
            Expectation::Output(text) => write!(f, "`{}`", shorten(text)),
            Expectation::AsBefore => write!(f, "as before the fault"),
            Expectation::Number(op, value) => write!(f, "{op} {value}"),
            Expectation::Increases => write!(f, "increases"),
        }
    }
}

/// What must not be destroyed, by the fault or by the cure: asked while everything is steady, after the recovery, and after the
/// revert.
#[derive(Debug, Clone, PartialEq)]
pub struct Invariant {
    /// Its name.
    pub name: String,
    /// The script.
    pub probe: ServiceScript,
    /// What it must write.
    pub expected: Expectation,
}
