//! Whole drills by the built program on real Docker: every verdict, Ctrl-C and kill -9 in each phase, what a killed run
//! leaves behind, a stack that is not ours, and game days.

#[path = "../support/accepted.rs"]
mod accepted;
mod alerts;
mod dr;
mod drill;
mod foreign;
mod gamedays;
mod guards;
mod kills;
mod presets;
mod process;
mod releases;
mod sessions;
mod signals;
mod storefront;
mod tutorial;
mod verdicts;
