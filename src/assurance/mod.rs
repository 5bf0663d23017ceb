//! What a quarter of drills proves: the critical services and what they promise (`services.yaml`), which of their failures were
//! drilled, and what people note about DR drills (`drill-notes/*.yaml`).

pub mod actions;
pub mod coverage;
pub mod notes;
pub mod services;
