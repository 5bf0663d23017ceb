//! The phases of a drill in order; the ledger of undos; shutdown; the reaper.
