//! Which section of the report supports which requirement. It supports an audit; whether a requirement is met is for the
//! auditor to say.

use serde::Serialize;

/// A requirement and the sections that support it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standard {
    /// The requirement.
    pub requirement: &'static str,
    /// What it asks for, in a few words.
    pub asks: &'static str,
    /// The sections that support it.
    pub sections: &'static str,
}

/// Every requirement.
pub fn supports() -> Vec<Standard> {
    let all = [
        (
            "SOC 2 (AICPA TSC) A1.2",
            "environmental protections, backup and recovery infrastructure are maintained and monitored",
            "3 (configuration, backup and restore, data integrity of each drill), 5 (coverage), 6 (evidence)",
        ),
        (
            "SOC 2 (AICPA TSC) A1.3",
            "recovery plan procedures are tested",
            "2 (summary), 3 (objectives, timeline, steps, verdict of each drill), 4 (findings, actions, retests)",
        ),
        (
            "ISO 22301:2019 8.5",
            "exercise programme: planned, realistic scenarios, aims, reports with outcomes and actions, at planned intervals",
            "1 (plan, frequency), 2 (summary), 3 (objectives, scope, roles, results), 4 (follow-up, trend)",
        ),
        (
            "ISO/IEC 27001:2022 A.5.30",
            "ICT readiness is planned, implemented, maintained and tested against continuity objectives",
            "3 (recovery time and point: target and actual), 4 (trend), 5 (coverage)",
        ),
        (
            "NIST SP 800-34 Rev. 1, 3.5; SP 800-53 Rev. 5 CP-4",
            "the contingency plan is tested, results are reviewed, corrective actions are initiated",
            "2 (summary), 3 (type, success criteria, results), 4 (actions with verifying run), 7 (attestation)",
        ),
        (
            "DORA RTS (EU) 2024/1774 Art. 25",
            "ICT business continuity plans are tested with severe but plausible scenarios; results are documented, \
             deficiencies are analysed, addressed and reported",
            "3 (severe but plausible, restore from backup, data integrity), 4 (deficiencies and their follow-up), 5 (coverage)",
        ),
    ];
    all.map(|(requirement, asks, sections)| Standard { requirement, asks, sections }).to_vec()
}
