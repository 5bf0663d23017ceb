//! The secrets that are known by now. A runbook finds out more while it is followed, and everybody who writes has to
//! hide those as well.

use super::{Redactor, Secret};
use std::sync::{Arc, Mutex, PoisonError};

/// The secrets of a run. Cheap to clone; what one clone learns, all of them know.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    known: Arc<Mutex<Redactor>>,
}

impl Secrets {
    /// Those that a redactor hides.
    pub fn new(redactor: Redactor) -> Secrets {
        Secrets { known: Arc::new(Mutex::new(redactor)) }
    }

    /// What hides those that are known now.
    pub fn redactor(&self) -> Redactor {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on these values are hidden as well.
    pub fn hide(&self, secrets: impl IntoIterator<Item = impl Into<Secret>>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        *known = known.with(secrets);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_clone_learns_all_of_them_know() {
        let secrets = Secrets::new(Redactor::new(["first-secret".to_string()]));
        let other = secrets.clone();
        secrets.hide(["second-secret".to_string()]);
        assert_eq!(other.redactor().text("first-secret, second-secret"), "***, ***");
    }
}
