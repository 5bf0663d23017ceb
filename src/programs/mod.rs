//! What Firedrill knows about the programs that runbooks call, as data (`programs.yaml`): what an error of one looks like,
//! whether its exit code tells, which ones only run another. Whoever splits shell text into calls brings them here.

mod answer;
mod call;
mod status;
mod table;

pub use answer::{Answer, error_among, missing_among, says_nothing};
pub use call::{Call, Code, Sink};
pub use table::{Script, Wrapper, is_transparent, script, wrapper};
