//! Titles beside each other that name several ways, faults or places: told by their words alone. Used by
//! `alternatives.rs`, which holds the sections of such titles.

use super::{phase, verbs};

/// Nouns of trouble; in the singular.
pub(super) const TROUBLES: &[&str] = &[
    "attack",
    "breach",
    "compromise",
    "corruption",
    "exposure",
    "failure",
    "fault",
    "incident",
    "latency",
    "leak",
    "loss",
    "outage",
    "theft",
    "timeout",
    "vulnerability",
];

/// Words by which a heading says that what stands below it answers to trouble.
const ANSWERS: &[&str] = &["response", "responses", "procedures", "issues", "problems", "scenarios", "incidents"];

/// Tools and platforms of which a team uses one for a task.
const TOOLS: &[&str] = &[
    "alembic",
    "ansible",
    "argocd",
    "aws",
    "azure",
    "docker",
    "ec2",
    "ecs",
    "eks",
    "flyway",
    "gcp",
    "gke",
    "helm",
    "heroku",
    "k8s",
    "kubectl",
    "kubernetes",
    "lightsail",
    "linux",
    "liquibase",
    "macos",
    "netlify",
    "nomad",
    "podman",
    "prisma",
    "pulumi",
    "systemd",
    "terraform",
    "vercel",
    "windows",
];

/// Environments to which something is brought.
const ENVIRONMENTS: &[&str] = &["canary", "dev", "development", "prod", "production", "staging"];

/// Adjectives of which one excludes the others. Not *manual* and *automatic*: what happens by itself is nothing to choose.
const OPPOSITES: &[&[&str]] = &[
    &["planned", "unplanned", "emergency", "controlled"],
    &["full", "partial", "complete"],
    &["graceful", "forced", "force"],
    &["soft", "hard"],
];

/// The trouble that a title ends in: "API key compromise". What stands in brackets is not counted.
pub(super) fn trouble(title: &str) -> Option<&'static str> {
    let words = words(title);
    let last = singular(words.last()?);
    let alone = words.len() < 2 || phase::is_step(title) || verbs::is_imperative(title);
    TROUBLES.iter().copied().find(|trouble| last == *trouble && !alone)
}

/// Whether a heading is about this trouble, or about answering to trouble.
pub(super) fn answers(title: &str, trouble: &str) -> bool {
    words(title).iter().any(|word| singular(word) == trouble || ANSWERS.contains(&word.as_str()))
}

/// Whether a title is nothing but a tool or a platform, with an environment or at most one noun: "Docker Compose", "EC2
/// staging".
pub(super) fn is_place(title: &str) -> bool {
    let known = |word: &String| TOOLS.contains(&word.as_str()) || ENVIRONMENTS.contains(&word.as_str());
    let words = words(title);
    let others = words.iter().filter(|word| !known(word)).count();
    // Environments alone are gone through in order: "Staging", then "Production".
    let begins = words.first().is_some_and(|word| TOOLS.contains(&word.as_str()));
    begins && words.len() <= 3 && others <= 1 && !phase::is_step(title)
}

/// Whether a title says how something is taken back.
pub(super) fn goes_back(title: &str) -> bool {
    const BACK: &[&str] = &["back", "downgrade", "restore", "revert", "rollback", "undo"];
    let words = words(title);
    words.iter().any(|word| BACK.contains(&word.as_str())) && !verbs::asks(title) && !phase::is_step(title)
}

/// What a title is besides its first word, where that is an adjective with opposites: the set of these, and the rest.
/// Numbers of sections (`5.1`) are not counted, those of steps (`1.`) are.
pub(super) fn opposite(title: &str) -> Option<(usize, String)> {
    let counted = phase::is_step(title) && !is_section(title);
    let words = words(title);
    let (first, rest) = words.split_first().filter(|(_, rest)| !rest.is_empty() && !counted)?;
    let set = OPPOSITES.iter().position(|set| set.contains(&first.as_str()))?;
    Some((set, rest.join(" ")))
}

/// `5.1 …`, `5.1. …`
fn is_section(title: &str) -> bool {
    let start = title.trim_start_matches(|c: char| c.is_ascii_digit());
    start.len() < title.len()
        && start.strip_prefix('.').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn words(title: &str) -> Vec<String> {
    let bare = phase::strip_number(title).split(['(', '[']).next().unwrap_or_default();
    bare.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

pub(super) fn singular(word: &str) -> String {
    match word.strip_suffix("ies") {
        Some(stem) => format!("{stem}y"),
        None if word.ends_with("ss") => word.to_string(),
        None => word.strip_suffix('s').unwrap_or(word).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles() {
        assert_eq!(trouble("Session token leaks (web)"), Some("leak"));
        assert_eq!(trouble("Data loss"), Some("loss"));
        for text in ["Leak", "Stop the leak", "1. Token leak", "JWT signing keys"] {
            assert_eq!(trouble(text), None, "{text}");
        }
        assert!(answers("Leak handling", "leak") && answers("Recovery procedures", "leak"));
        assert!(!answers("Mitigation", "leak"));
        for text in ["Docker Compose", "Alembic (Python)", "Kubernetes job", "EC2 staging", "Vercel runtime (web)"] {
            assert!(is_place(text), "{text}");
        }
        for text in
            ["Restart Docker", "Staging", "Staging database", "1. Docker", "Docker image registry cleanup", "Redis"]
        {
            assert!(!is_place(text), "{text}");
        }
        assert!(goes_back("Alembic rollback") && goes_back("Restore from backup"));
        assert!(!goes_back("Verify the rollback") && !goes_back("Stop the app") && !goes_back("1. Roll back"));
        assert_eq!(opposite("5.1 Planned failover"), opposite("5.2 Emergency failover"));
        assert_ne!(opposite("Full backup"), opposite("Partial restore"));
        assert_eq!(opposite("1. Soft restart"), None);
        assert_eq!(opposite("Failover"), None);
        assert_eq!(opposite("Manual failover"), None);
    }
}
