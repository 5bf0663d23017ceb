//! The engine without Docker: each verdict of the design has a drill here that produces it, on a fake of the one
//! `Stack` trait. `support::rules` holds each of these drills to what is true of every drill.

#[path = "../support/mod.rs"]
mod support;

mod accepted;
mod alone;
mod contention;
mod control;
mod disturbed;
mod harness;
mod impact;
mod invariants;
mod irreversible;
mod killed;
mod parsed;
mod passes;
mod person;
mod process;
mod recover;
mod restore;
mod revert;
mod settings;
mod steady;
mod steps;
mod stop;
mod stop_when;
mod timing;
