//! The rules of one kind that are in force in a proxy, each under the id of its fault.

use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

/// A rule that says how often it acted.
pub trait CountedRule: Debug + Send + Sync + 'static {
    /// How often it acted, in words.
    fn counts(&self) -> String;
}

/// The rules in force. Without any, asking costs one load of an atomic.
#[derive(Debug)]
pub(super) struct RuleList<R> {
    any: AtomicBool,
    list: RwLock<Vec<(String, Arc<R>)>>,
}

impl<R> Default for RuleList<R> {
    fn default() -> Self {
        RuleList { any: AtomicBool::new(false), list: RwLock::default() }
    }
}

impl<R> RuleList<R> {
    /// Puts a rule in; the fault's id must not be taken.
    pub(super) fn add(self: &Arc<Self>, fault: &str, rule: R) -> Result<RuleHandle<R>, String> {
        let rule = Arc::new(rule);
        let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
        if list.iter().any(|(other, _)| other == fault) {
            return Err(format!("a rule for {fault} is in place already"));
        }
        list.push((fault.to_string(), rule.clone()));
        self.any.store(true, Ordering::Release);
        Ok(RuleHandle { rules: self.clone(), rule })
    }

    /// Whether any rule is in force.
    pub(super) fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// The first rule for which this holds.
    pub(super) fn find(&self, holds: impl Fn(&R) -> bool) -> Option<Arc<R>> {
        let found = || self.read().iter().map(|(_, rule)| rule).find(|rule| holds(rule)).cloned();
        self.any().then(found).flatten()
    }

    /// Whether any rule is in force for which this holds.
    pub(super) fn any_for(&self, holds: impl Fn(&R) -> bool) -> bool {
        self.any() && self.read().iter().any(|(_, rule)| holds(rule))
    }

    /// The sum over all rules.
    pub(super) fn sum<S: std::iter::Sum>(&self, of: impl Fn(&R) -> S) -> S {
        self.read().iter().map(|(_, rule)| of(rule)).sum()
    }

    fn read(&self) -> RwLockReadGuard<'_, Vec<(String, Arc<R>)>> {
        self.list.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A rule that is in a proxy, as a fault. Dropping it takes the rule out.
#[derive(Debug)]
pub struct RuleHandle<R> {
    rules: Arc<RuleList<R>>,
    rule: Arc<R>,
}

impl<R: CountedRule> RuleHandle<R> {
    /// Whether the rule is in the proxy: `Ok` or `Err`, both with the evidence.
    pub fn listed(&self) -> Result<String, String> {
        let counts = self.rule.counts();
        match self.rules.read().iter().any(|(_, other)| Arc::ptr_eq(other, &self.rule)) {
            true => Ok(format!("the rule is listed; {counts}")),
            false => Err(format!("the rule is not listed; {counts}")),
        }
    }

    /// Takes the rule out; idempotent. What is under way by it is ended as it was begun.
    pub fn take_out(&self) -> String {
        match self.remove() {
            true => format!("the rule was taken out; {}", self.rule.counts()),
            false => "the rule had been taken out already".into(),
        }
    }
}

impl<R> RuleHandle<R> {
    fn remove(&self) -> bool {
        let mut list = self.rules.list.write().unwrap_or_else(PoisonError::into_inner);
        let before = list.len();
        list.retain(|(_, other)| !Arc::ptr_eq(other, &self.rule));
        self.rules.any.store(!list.is_empty(), Ordering::Release);
        list.len() < before
    }
}

impl<R> Drop for RuleHandle<R> {
    fn drop(&mut self) {
        self.remove();
    }
}
