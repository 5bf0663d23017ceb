//! The rules of one kind that are in force in a proxy, each under the id of its fault.

use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::watch;

/// A rule that says how often it acted.
pub trait CountedRule: Debug + Send + Sync + 'static {
    /// What asks for it.
    type Asked: DeserializeOwned + Send;

    /// The id of its fault.
    fn id(&self) -> &str;

    /// The rule that a fault asks for; says why that cannot be.
    fn of_rule(fault: &str, asked: Self::Asked) -> impl Future<Output = Result<Self, String>> + Send
    where
        Self: Sized;

    /// The rule counts on where that one is, in whose place it is put.
    fn counting_on(self, before: &Self) -> Self
    where
        Self: Sized;

    /// Whether the other one is this rule, as it is or as it was before it was changed.
    fn is_same(&self, other: &Self) -> bool;

    /// How often it acted, in words.
    fn counts(&self) -> String;

    /// How often it acted: on requests, or on connections.
    fn acted(&self) -> u64;

    /// Whether it has done all that it was asked for, and acts no more.
    fn has_run_out(&self) -> bool {
        false
    }
}

/// Rules, in the order in which they were put in.
pub(in crate::agent) type Rules<R> = Arc<Vec<Arc<R>>>;

/// The rules in force.
#[derive(Debug)]
pub(in crate::agent) struct RuleList<R>(watch::Sender<Rules<R>>);

impl<R> Default for RuleList<R> {
    fn default() -> Self {
        RuleList(watch::Sender::new(Arc::default()))
    }
}

impl<R: CountedRule> RuleList<R> {
    /// Puts a rule in; the fault's id must not be taken.
    pub(super) fn add(self: &Arc<Self>, rule: R) -> Result<RuleHandle<R>, String> {
        let rule = Arc::new(rule);
        let added = self.0.send_if_modified(|list| {
            let free = list.iter().all(|other| other.id() != rule.id());
            if free {
                Arc::make_mut(list).push(rule.clone());
            }
            free
        });
        match added {
            true => Ok(RuleHandle { rules: self.clone(), rule, looked: AtomicBool::new(false) }),
            false => Err(format!("a rule for {} is in place already", rule.id())),
        }
    }

    /// The rules whose ids begin with `prefix` are these from now on. One that is there already, which `same` says, stays; one that was
    /// changed counts on.
    pub(in crate::agent) fn set(&self, prefix: &str, rules: Vec<R>, same: impl Fn(&R, &R) -> bool) {
        self.0.send_modify(|list| {
            let known = |rule: R| match list.iter().find(|old| old.id() == rule.id()) {
                Some(old) if same(old, &rule) => old.clone(),
                Some(old) => Arc::new(rule.counting_on(old)),
                None => Arc::new(rule),
            };
            let others = list.iter().filter(|old| !old.id().starts_with(prefix)).cloned();
            *list = Arc::new(others.chain(rules.into_iter().map(known)).collect());
        });
    }

    /// The rules, as they are now.
    pub(in crate::agent) fn now(&self) -> Rules<R> {
        self.0.borrow().clone()
    }

    /// Waits until a rule is in force no more.
    pub(super) async fn until_gone(&self, rule: &Arc<R>) {
        // The list outlives whoever asks it.
        let _ = self.watch().wait_for(|list| !list.iter().any(|other| other.is_same(rule))).await;
    }

    /// The rules, as they are and will be.
    pub(super) fn watch(&self) -> watch::Receiver<Rules<R>> {
        self.0.subscribe()
    }
}

/// A rule that is in a proxy, as a fault. Dropping it takes the rule out.
#[derive(Debug)]
pub struct RuleHandle<R: CountedRule> {
    rules: Arc<RuleList<R>>,
    rule: Arc<R>,
    looked: AtomicBool,
}

impl<R: CountedRule> RuleHandle<R> {
    /// Whether the rule is in the proxy: `Ok` or `Err`, both with the evidence.
    pub fn listed(&self) -> Result<String, String> {
        let counts = self.rule.counts();
        match self.rules.now().iter().any(|other| other.is_same(&self.rule)) {
            true => Ok(format!("the rule is listed; {counts}")),
            false => Err(format!("the rule is not listed; {counts}")),
        }
    }

    /// Whether it acts no more though nobody took it out. Not where this is asked for the first time: that is the look which
    /// sees that it was put in, and a few requests are soon over.
    pub fn has_run_out(&self) -> bool {
        self.looked.swap(true, Ordering::Relaxed) && self.rule.has_run_out()
    }

    /// How often it acted.
    pub fn acted(&self) -> u64 {
        self.rule.acted()
    }

    /// Puts what is asked for in the place of the rule, at once.
    pub async fn replace(&self, asked: R::Asked) -> Result<(), String> {
        let changed = Arc::new(R::of_rule(self.rule.id(), asked).await?.counting_on(&self.rule));
        let replaced = self.rules.0.send_if_modified(|list| {
            let rule = Arc::make_mut(list).iter_mut().find(|rule| rule.is_same(&self.rule));
            rule.map(|rule| *rule = changed).is_some()
        });
        if replaced { Ok(()) } else { Err("the rule is not listed".into()) }
    }

    /// Takes the rule out; idempotent. What is under way by it is ended as it was begun.
    pub fn take_out(&self) -> String {
        match self.remove() {
            true => format!("the rule was taken out; {}", self.rule.counts()),
            false => "the rule had been taken out already".into(),
        }
    }

    fn remove(&self) -> bool {
        self.rules.0.send_if_modified(|list| {
            let before = list.len();
            Arc::make_mut(list).retain(|other| !other.is_same(&self.rule));
            list.len() < before
        })
    }
}

impl<R: CountedRule> Drop for RuleHandle<R> {
    fn drop(&mut self) {
        self.remove();
    }
}
