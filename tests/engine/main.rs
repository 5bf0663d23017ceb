//! The engine without Docker: each verdict of the design has a drill here that produces it, on a fake of the one
//! `Stack` trait. `support::rules` holds each of these drills to what is true of every drill.

#[path = "../support/mod.rs"]
mod support;

mod accepted;
mod alone;
mod contention;
mod control;
mod cured;
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

/// Makes it known that `stubborn` and `grow` only look: what may do more is not asked again by itself.
fn let_them_look() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let text = "programs:\n  - { names: [stubborn, grow], looks: ['1', '2', pods] }\n";
        let mut diags = firedrill::source::Diagnostics::default();
        firedrill::programs::add(&firedrill::source::Source::new("programs.yaml", text), &mut diags);
        assert!(diags.all.is_empty(), "{diags:?}");
    });
}
