//! Wire protocol between runner and agent: JSON lines, one message a line.

use crate::load::LoadSpec;
use crate::record::MachineSample;
pub use crate::slis::MetricCondition;
use crate::slis::SliSpec;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// How often the runner sends a heartbeat.
pub const HEARTBEAT: Duration = Duration::from_millis(500);
/// After how much silence an agent lifts everything and refuses further work on this channel.
pub const LEASE: Duration = Duration::from_secs(6);

/// Runner → agent: a numbered request. Every request gets exactly one reply with its number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Number, unique on this channel.
    pub id: u64,
    /// What is asked.
    pub ask: Ask,
}

/// What a runner can ask of an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Ask {
    /// Renews the lease; the reply carries the agent's clock.
    Heartbeat,
    /// Starts loads; each slice is reported as `Message::Slice` once all of its requests have ended.
    StartLoad {
        /// The loads.
        loads: Vec<LoadSpec>,
        /// The SLIs over them.
        slis: Vec<SliSpec>,
        /// Seed for ids put into requests.
        seed: u64,
    },
    /// Stops all loads; what is under way still ends and is reported.
    StopLoad,
    /// Scrapes a metrics page until told to stop; each sample is reported as `Message::Sample`.
    Watch {
        /// The metrics page.
        url: String,
        /// Interval in milliseconds.
        every_ms: u64,
        /// The condition.
        when: MetricCondition,
    },
    /// Stops scraping.
    Unwatch,
    /// Opens database sessions and keeps them open, or changes what is in a database, as a fault that `Lift` ends.
    Hold {
        /// Id of the fault.
        fault: String,
        /// What to hold.
        hold: PgHold,
    },
    /// Puts an HTTP rule into this agent's proxy, as a fault that `Lift` ends.
    HttpRule {
        /// Id of the fault.
        fault: String,
        /// The rule.
        rule: HttpRule,
    },
    /// Sends more of the same requests as a load that runs, as a fault that `Lift` ends. They count for no SLI.
    Surge {
        /// Id of the fault.
        fault: String,
        /// The load.
        load: String,
        /// Requests per second on top of the load's own, above 0.
        rate: f64,
    },
    /// Asks whether a fault of this agent is in place.
    Confirm {
        /// Id of the fault.
        fault: String,
    },
    /// Ends a fault; idempotent, also for faults that it never had.
    Lift {
        /// Id of the fault.
        fault: String,
    },
}

/// A PostgreSQL server and who to be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PgTarget {
    /// Host as inside the stack.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Role with the right to create roles and terminate sessions.
    pub user: String,
    /// Its password, if it has one.
    pub password: Option<String>,
    /// Database.
    pub database: String,
}

/// What is done to a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "hold", rename_all = "snake_case")]
pub enum PgHold {
    /// A lock held by an idle transaction of a role of its own without superuser.
    Lock {
        /// The server.
        target: PgTarget,
        /// Statements after `BEGIN` that take the lock.
        statements: Vec<String>,
        /// The table, to confirm the lock in `pg_locks`, and to grant the role what it needs.
        table: String,
        /// How many sessions hold it or queue for it.
        sessions: u32,
        /// The session comes back this long after it was terminated.
        returns_ms: Option<u64>,
    },
    /// Clients that use the server's connection slots up, evicting the sessions that are there.
    Connections {
        /// The server.
        target: PgTarget,
        /// Slots to leave free for ordinary roles.
        leave: u32,
        /// The sessions come back this long after they were terminated.
        returns_ms: Option<u64>,
    },
    /// A change by SQL. No session is held for it; the agent keeps what undoes it, so that it is undone when the channel ends.
    Change {
        /// The server.
        target: PgTarget,
        /// Statements that make the change, in one transaction. The reply comes when it is committed.
        run: String,
        /// A query that returns one row with one boolean: whether the change is in place.
        confirm: String,
        /// Statements that undo it, in one transaction; `None` when nothing does.
        undo: Option<String>,
    },
}

/// Answers in the place of the service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HttpRule {
    /// Port of the service; `None` means every port that the proxy parses as HTTP.
    pub port: Option<u16>,
    /// Only this method.
    pub method: Option<String>,
    /// Only this path; a `*` at its end matches any rest.
    pub path: Option<String>,
    /// Share of matching requests in 0..=1, drawn per request.
    pub share: f64,
    /// Status to answer with.
    pub status: u16,
    /// Body to answer with.
    pub body: Option<String>,
    /// Seed of the draw.
    pub seed: u64,
}

/// Agent → runner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "msg", rename_all = "snake_case")]
pub enum Message {
    /// First message: the agent is there.
    Hello {
        /// Version of the tool.
        version: String,
        /// Agent's clock, microseconds since the Unix epoch.
        clock_us: u64,
    },
    /// The answer to a request.
    Reply {
        /// Number of the request.
        id: u64,
        /// Agent's clock, microseconds since the Unix epoch.
        clock_us: u64,
        /// How it went.
        answer: Answer,
    },
    /// A slice whose requests have all ended.
    Slice(WireSlice),
    /// A scrape.
    Sample {
        /// Agent's clock when the scrape ended.
        clock_us: u64,
        /// The value that decided, if the metric was there.
        value: Option<f64>,
        /// Whether the condition holds.
        holds: bool,
        /// Why there is no value.
        error: Option<String>,
        /// Whether the page could be read: a metric that is not on it (yet) is no alert, as in PromQL.
        readable: bool,
    },
    /// The generator woke late by more than allowed (`load::ALLOWED_LATE`).
    Late {
        /// The load.
        load: String,
        /// Worst lateness since the last report, in microseconds.
        worst_us: u64,
        /// Requests sent late since the last report.
        count: u64,
    },
    /// A write of the ledger has ended; sent at once, and before the slice in which it was due.
    Write {
        /// The load.
        load: String,
        /// Its number: the load's `{{counter}}`.
        write: u64,
        /// Agent's clock when its answer was complete, or it was given up.
        clock_us: u64,
        /// Whether the answer said that it is stored.
        acknowledged: bool,
    },
    /// How busy the machine is, once a second while loads run.
    Machine {
        /// What was seen.
        sample: MachineSample,
    },
    /// Something about a fault that people should know: `the session was terminated`, `came back`.
    Note {
        /// The text.
        text: String,
    },
    /// The lease ended (no heartbeat in time); everything was lifted and nothing more is taken.
    LeaseLost,
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// Done; the text is the evidence where there is any.
    Done {
        /// Evidence.
        detail: String,
    },
    /// Loads have started.
    LoadStarted {
        /// Agent's clock at t0.
        t0_us: u64,
    },
    /// The fault is in place.
    InPlace {
        /// Evidence.
        detail: String,
    },
    /// The fault is not in place (any more).
    Gone {
        /// Evidence.
        detail: String,
    },
    /// It could not be done.
    Failed {
        /// What failed, then why.
        reason: String,
    },
}

/// A slice as the agent sees it: times in the agent's clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireSlice {
    /// Name of the load.
    pub load: String,
    /// Number of the slice, from 0.
    pub index: u64,
    /// Start, agent's clock, microseconds since the Unix epoch.
    pub start_us: u64,
    /// Requests due in it.
    pub due: u64,
    /// SLI → good events.
    pub good: BTreeMap<String, u64>,
    /// Result → events.
    pub results: BTreeMap<String, u64>,
    /// SLI → when its earliest good event was complete, in microseconds from the start of the slice.
    pub first_good_us: BTreeMap<String, u64>,
    /// Median, 99th percentile, maximum of the latency in microseconds.
    pub latency_us: [u64; 3],
}
