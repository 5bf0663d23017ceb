//! Broken game days: every mistake of the file and of every scenario that it names.

use crate::{Project, SCENARIO};

fn project(day: &str) -> Project {
    Project::new().scenario(SCENARIO).file("gamedays/nightly.yaml", day)
}

fn mistakes(day: &str) -> String {
    project(day).mistakes()
}

#[test]
fn a_game_day_without_mistakes_passes() {
    let day = "title: Nightly\nscenarios: [slow]\n";
    let (code, out, err) = project(day).run(&["check"]);
    assert_eq!((code, out.as_str(), err.as_str()), (0, "1 scenario, 1 runbook, 1 game day: no mistakes\n", ""));
    let (code, out, err) = project(day).run(&["check", "nightly"]);
    assert_eq!((code, out.as_str(), err.as_str()), (0, "0 scenarios, 0 runbooks, 1 game day: no mistakes\n", ""));
}

#[test]
fn keys_and_values() {
    let day = "\
tilte: Nightly
scenario: [slow]
order: rondom
seed: -1
repeat: 0
budget: 30
parallel: many
on_failure: halt
retry: 11
flaky: passed
control: 2/7
";
    insta::assert_snapshot!(mistakes(day));
}

#[test]
fn selections_that_select_nothing_or_twice() {
    let day = "\
title: Nightly
scenarios:
  - slwo
  - ../scenarios/none.yaml
  - ./slow.yaml
  - slow
  - ../scenarios/slow.yaml
  - tags: [chekout]
  - tags: [checkout, redis]
  - tags: []
  - { scenario: slow, tags: [checkout] }
  - { repeat: 2 }
  - { tags: [checkout], control: true, repaet: 2 }
  - [slow]
";
    insta::assert_snapshot!(mistakes(day));
    let others = ["scenarios: []", "scenarios: slow", "scenarios: { slow: 1 }", "{}"];
    insta::assert_snapshot!(others.map(|line| mistakes(&format!("title: X\n{line}\n"))).join("\n"));
}

#[test]
fn a_control_needs_a_runbook() {
    insta::assert_snapshot!(mistakes("title: X\nscenarios: [{ scenario: slow, control: 1/2 }]\n"));
}

#[test]
fn mistakes_of_its_scenarios_are_told_once() {
    let broken = SCENARIO.replace("rate: 50/s", "rate: 50");
    let project = project("title: X\nscenarios: all\nretry: x\n").scenario(broken);
    let told = project.file("scenarios/torn.yaml", "title: [\n").mistakes();
    insta::assert_snapshot!(told);
}

#[test]
fn two_scenarios_of_one_name() {
    let project = project("title: X\nscenarios: [slow, ../other/slow.yaml]\n");
    insta::assert_snapshot!(project.file("other/slow.yaml", SCENARIO).mistakes());
}
