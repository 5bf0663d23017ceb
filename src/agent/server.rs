//! The agent itself: `firedrill agent serve` (the container) and `firedrill agent control` (the exec session).
