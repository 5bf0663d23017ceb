//! Whole drills by the built program on real Docker: every verdict, Ctrl-C and kill -9 in each phase, what a killed run
//! leaves behind, and a stack that is not ours.

mod drill;
mod foreign;
mod kills;
mod sessions;
mod signals;
mod verdicts;
