//! `firedrill doctor`: says what is there, what is missing and how to fix it.

use crate::error::{Error, Exit};
use crate::output::{print, visible};
use crate::stack::{Probe, ProbeState, platform};
use crate::view::many;

/// Says what is there, what is missing and how to fix it.
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {}

/// Runs the command: exit 0 when drills can run here, else 3.
pub async fn run(_args: DoctorArgs, _globals: &super::Globals) -> Result<Exit, Error> {
    let probes = platform().probe().await;
    print(&text(&probes))?;
    let missing = probes.iter().any(|probe| probe.state == ProbeState::Missing);
    Ok(if missing { Exit::Harness } else { Exit::Passed })
}

fn text(probes: &[Probe]) -> String {
    let mut text = String::new();
    for probe in probes {
        text.push_str(&format!("{:<8} {:<15} {}\n", probe.state.name(), probe.what, visible(&probe.seen)));
        if let Some(fix) = &probe.fix {
            text.push_str(&format!("{:<24} help: {fix}\n", ""));
        }
    }
    match probes.iter().filter(|probe| probe.state == ProbeState::Missing).count() {
        0 => text + "drills can run here\n",
        missing => text + &format!("drills cannot run here: {} missing\n", many(missing, "thing")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_is_missing_and_how_to_mend_it() {
        let mut probes = vec![
            Probe { what: "engine", state: ProbeState::Ok, seen: "28.0.1".into(), fix: None },
            Probe {
                what: "compose",
                state: ProbeState::Missing,
                seen: "1.29".into(),
                fix: Some("install Compose 2.20".into()),
            },
        ];
        insta::assert_snapshot!(text(&probes), @r"
        ok       engine          28.0.1
        missing  compose         1.29
                                 help: install Compose 2.20
        drills cannot run here: 1 thing missing
        ");
        probes.truncate(1);
        assert!(text(&probes).ends_with("drills can run here\n"));
    }
}
