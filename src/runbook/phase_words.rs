//! The words of headings by which `phase.rs` knows their phases, from public runbooks.

use super::RunbookPhase;
use RunbookPhase::{Detect, Diagnose, Escalate, Mitigate, Reference, Rollback, Verify};

/// Synonyms, most active first: a heading that names two phases ("Diagnosis and resolution") is the more active one,
/// because commands of that one must not run as the other.
pub(super) const SYNONYMS: &[(RunbookPhase, &[&str])] = &[
    (Escalate, &["escalation", "escalations", "escalate", "escalating", "contacts", "contact"]),
    (
        Rollback,
        &[
            "rollback", "rollbacks", "roll back", "rolling back", "revert", "reverting", "backout", "back out", "undo",
            "failback",
        ],
    ),
    (
        Mitigate,
        &[
            "mitigation", "mitigations", "mitigate", "mitigating", "resolution", "resolutions", "resolve", "resolving",
            "remediation", "remediations", "remediate", "fix", "fixes", "fixing", "recovery", "recover", "procedure",
            "procedures", "playbook", "recommended actions", "immediate actions", "immediate action", "solution",
            "solutions", "workaround", "workarounds", "what to do",
        ],
    ),
    (
        Verify,
        &[
            "verification", "verify", "verifying", "validation", "validate", "validating", "post check", "post checks",
            "postchecks", "exit criteria", "success criteria", "acceptance criteria", "completion criteria",
            "closing criteria", "confirm recovery", "confirm the recovery", "confirm the fix",
        ],
    ),
    (
        Diagnose,
        &[
            "diagnosis", "diagnose", "diagnosing", "diagnostic", "diagnostics", "triage", "investigation",
            "investigations", "investigate", "investigating", "troubleshooting", "troubleshoot", "possible checks",
            "root cause", "root causes", "possible causes", "common causes", "likely causes", "causes", "assessment",
            "debugging",
        ],
    ),
    (Detect, &["detection", "detect", "detecting", "alert", "alerts", "symptom", "symptoms", "trigger", "triggers"]),
    (
        Reference,
        &[
            "meaning", "impact", "background", "overview", "links", "prevention", "preventive measures", "dashboard",
            "dashboards", "reference", "references", "related", "see also", "table of contents", "contents",
            "appendix", "summary", "description", "purpose", "scope", "architecture", "further reading", "resources",
            "post incident", "postmortem", "post mortem", "lessons learned", "action items", "changelog",
            "revision history", "glossary", "why", "context", "cheat sheet", "cheatsheet", "useful commands",
            "common commands", "quick commands", "handy commands", "command reference",
        ],
    ),
];

/// Words that change nothing about what a heading names.
pub(super) const FILLERS: &[&str] = &[
    "a", "an", "and", "action", "actions", "basic", "common", "details", "first", "for", "full", "further", "general",
    "guide", "guidelines", "how", "immediate", "information", "initial", "instructions", "manual", "matrix", "of",
    "or", "path", "plan", "policy", "possible", "procedure", "procedures", "process", "quick", "recommended",
    "response", "section", "step", "steps", "the", "this", "to", "when", "your",
];

/// Headings above what is looked at first, or looked through.
pub(super) const COMING_FIRST: &[&str] = &[
    "pre flight", "preflight", "pre flight check", "pre flight checks", "preflight checks", "pre flight checklist",
    "pre check", "pre checks", "prechecks", "before you start", "common issues", "common problems", "common errors",
    "common failures", "known issues", "known problems",
];

/// Ordinary work: its procedure helps nobody whose service is down.
pub(super) const WORK: &[&str] =
    &["backup", "deploy", "deployment", "maintenance", "migration", "onboarding", "release", "setup", "upgrade"];

/// Headings that say what is so, wherever they stand.
pub(super) const TOLD: &[&str] = &[
    "severity", "severity levels", "severity classification", "incident severity levels", "communication channels",
    "roles and responsibilities",
];

/// Headings of single checks.
pub(super) const CHECKS: &[&str] = &[
    "health check", "health checks", "check status", "status check", "status checks", "initial check",
    "initial checks", "quick check", "quick checks", "quick health check",
];

/// Last words that make a noun before them their adjective: a recovery setup recovers nothing.
pub(super) const HEADS: &[&str] = &[
    "automation", "config", "configuration", "conflicts", "drill", "drills", "endpoint", "endpoints", "metrics",
    "objectives", "requirements", "rules", "schedule", "script", "scripts", "setup", "strategy", "test", "testing",
    "tests", "thresholds", "version",
];

/// Verbs of the table: what stands behind them is their object.
pub(super) const VERBS: &[&str] = &[
    "back", "detect", "diagnose", "escalate", "fix", "investigate", "mitigate", "recover", "remediate", "resolve",
    "revert", "roll", "rollback", "triage", "troubleshoot", "undo", "validate", "verify",
];

/// What follows on "See" where that is something to do and not another page: "See what is left".
pub(super) const QUESTIONS: [&str; 9] = ["how", "if", "what", "when", "where", "whether", "which", "who", "why"];

/// Things that are looked up when they are resolved.
pub(super) const LOOKED_UP: &[&str] = &[
    "address", "dependencies", "dependency", "digest", "digests", "dns", "host", "hostname", "hostnames", "ip", "name",
    "names", "reference", "references", "version", "versions",
];
