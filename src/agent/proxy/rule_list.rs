//! The rules of one kind that are in force in a proxy, each under the id of its fault, and the one client on whose connections one acts.

use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::watch;

/// What is asked of a proxy.
pub trait ProxyRule: Debug + PartialEq + DeserializeOwned + Send + Sync + 'static {
    /// The client on whose connections alone it acts, by the name under which the agent finds its addresses.
    fn from(&self) -> Option<&str>;

    /// Says why it cannot be a rule.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// How often it acted, in words.
    fn counted(&self, counts: &RuleCounts) -> String;

    /// Whether it has done all that it was asked for, and acts no more.
    fn has_run_out(&self, _: &RuleCounts) -> bool {
        false
    }
}

/// What a rule has done.
#[derive(Debug, Default)]
pub struct RuleCounts {
    /// Requests, or connections, on which it acted.
    pub acted: AtomicU64,
    /// Requests that matched, or bytes on which it acted.
    pub seen: AtomicU64,
    /// Connections that are open, which it counts as long as it acts.
    pub open: AtomicU64,
}

/// A rule in force, with its counters.
pub struct ActiveRule<R> {
    pub(in crate::agent) id: String,
    pub(super) rule: R,
    /// The client on whose connections alone it acts.
    pub(super) from: Option<ProxyClient>,
    pub(super) counts: Arc<RuleCounts>,
}

impl<R: ProxyRule> ActiveRule<R> {
    /// Takes a rule as it was asked for, on the connections of every client; says why it cannot be one.
    pub(in crate::agent) fn new(id: &str, rule: R) -> Result<ActiveRule<R>, String> {
        rule.check()?;
        Ok(ActiveRule { id: id.to_string(), rule, from: None, counts: Arc::default() })
    }

    /// The rule that a fault asks for, on the connections of its client; says why that cannot be.
    pub(super) async fn of_fault(fault: &str, rule: R) -> Result<ActiveRule<R>, String> {
        let from = ProxyClient::find(rule.from()).await?;
        Ok(ActiveRule { from, ..ActiveRule::new(fault, rule)? })
    }

    /// Whether it acts on the connections of this client.
    pub(super) fn is_from(&self, client: IpAddr) -> bool {
        self.from.as_ref().is_none_or(|from| from.has(client))
    }

    /// Whether the other one is this rule, as it is or as it was before it was changed.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.counts, &other.counts)
    }
}

/// Rules, in the order in which they were put in.
pub(in crate::agent) type Rules<R> = Arc<Vec<Arc<ActiveRule<R>>>>;

/// The rules in force.
pub(in crate::agent) struct RuleList<R>(watch::Sender<Rules<R>>);

impl<R> Default for RuleList<R> {
    fn default() -> Self {
        RuleList(watch::Sender::new(Arc::default()))
    }
}

impl<R: ProxyRule> RuleList<R> {
    /// Puts a rule in; the fault's id must not be taken.
    pub(super) fn add(self: &Arc<Self>, rule: ActiveRule<R>) -> Result<RuleHandle<R>, String> {
        let rule = Arc::new(rule);
        let added = self.0.send_if_modified(|list| {
            let free = list.iter().all(|other| other.id != rule.id);
            if free {
                Arc::make_mut(list).push(rule.clone());
            }
            free
        });
        match added {
            true => Ok(RuleHandle { rules: self.clone(), rule, looked: AtomicBool::new(false) }),
            false => Err(format!("a rule for {} is in place already", rule.id)),
        }
    }

    /// The rules whose ids begin with `prefix` are these from now on. One that is there already stays; one that was changed counts on.
    pub(in crate::agent) fn set(&self, prefix: &str, rules: Vec<ActiveRule<R>>) {
        self.0.send_modify(|list| {
            let known = |new: ActiveRule<R>| match list.iter().find(|old| old.id == new.id) {
                Some(old) if old.rule == new.rule => old.clone(),
                Some(old) => Arc::new(ActiveRule { counts: old.counts.clone(), ..new }),
                None => Arc::new(new),
            };
            let others = list.iter().filter(|old| !old.id.starts_with(prefix)).cloned();
            *list = Arc::new(others.chain(rules.into_iter().map(known)).collect());
        });
    }

    /// The rules, as they are now.
    pub(in crate::agent) fn now(&self) -> Rules<R> {
        self.0.borrow().clone()
    }

    /// Waits until a rule is in force no more.
    pub(super) async fn until_gone(&self, rule: &ActiveRule<R>) {
        // The list outlives whoever asks it.
        let _ = self.watch().wait_for(|list| !list.iter().any(|other| other.is_same(rule))).await;
    }

    /// The rules, as they are and will be.
    pub(super) fn watch(&self) -> watch::Receiver<Rules<R>> {
        self.0.subscribe()
    }
}

/// A rule that is in a proxy, as a fault. Dropping it takes the rule out.
pub struct RuleHandle<R: ProxyRule> {
    rules: Arc<RuleList<R>>,
    rule: Arc<ActiveRule<R>>,
    looked: AtomicBool,
}

impl<R: ProxyRule> RuleHandle<R> {
    /// Whether the rule is in the proxy: `Ok` or `Err`, both with the evidence.
    pub fn listed(&self) -> Result<String, String> {
        let counts = self.rule.rule.counted(&self.rule.counts);
        match self.rules.now().iter().any(|other| other.is_same(&self.rule)) {
            true => Ok(format!("the rule is listed; {counts}")),
            false => Err(format!("the rule is not listed; {counts}")),
        }
    }

    /// How often it acted.
    pub fn acted(&self) -> u64 {
        self.rule.counts.acted.load(Ordering::Relaxed)
    }

    /// Whether it acts on nothing more. Not where this is asked for the first time: that is the look which sees that the rule was put in, and
    /// a few requests are soon over.
    pub fn has_run_out(&self) -> bool {
        self.looked.swap(true, Ordering::Relaxed) && self.rule.rule.has_run_out(&self.rule.counts)
    }

    /// Puts what is asked for in the place of the rule, at once.
    pub async fn replace(&self, asked: R) -> Result<(), String> {
        let changed = ActiveRule::of_fault(&self.rule.id, asked).await?;
        let changed = Arc::new(ActiveRule { counts: self.rule.counts.clone(), ..changed });
        let replaced = self.rules.0.send_if_modified(|list| {
            let rule = Arc::make_mut(list).iter_mut().find(|rule| rule.is_same(&self.rule));
            rule.map(|rule| *rule = changed).is_some()
        });
        if replaced { Ok(()) } else { Err("the rule is not listed".into()) }
    }

    /// Takes the rule out; idempotent. What is under way by it is ended as it was begun.
    pub fn take_out(&self) -> String {
        let taken_out = self.rules.0.send_if_modified(|list| {
            let before = list.len();
            Arc::make_mut(list).retain(|other| !other.is_same(&self.rule));
            list.len() < before
        });
        match taken_out {
            true => format!("the rule was taken out; {}", self.rule.rule.counted(&self.rule.counts)),
            false => "the rule had been taken out already".into(),
        }
    }
}

impl<R: ProxyRule> Drop for RuleHandle<R> {
    fn drop(&mut self) {
        self.take_out();
    }
}

/// How long looking a client's addresses up may take.
const LOOKED_UP_WITHIN: Duration = Duration::from_secs(1);

/// A client's name, and its addresses as they were last.
pub(in crate::agent) struct ProxyClient {
    name: String,
    addresses: RwLock<Vec<IpAddr>>,
}

impl ProxyClient {
    /// The client of this name, if there is one; says why its addresses cannot be looked up.
    pub(in crate::agent) async fn find(name: Option<&str>) -> Result<Option<ProxyClient>, String> {
        let Some(name) = name else { return Ok(None) };
        let client = ProxyClient { name: name.into(), addresses: RwLock::default() };
        let looked_up = client.refresh().await;
        looked_up.map_err(|error| format!("the addresses of {} cannot be looked up: {error}", client.name))?;
        Ok(Some(client))
    }

    /// Looks up again which addresses it has.
    pub(in crate::agent) async fn refresh(&self) -> io::Result<()> {
        let lookup = tokio::net::lookup_host((self.name.as_str(), 0));
        let found = tokio::time::timeout(LOOKED_UP_WITHIN, lookup).await??;
        *self.addresses.write().unwrap_or_else(PoisonError::into_inner) = found.map(|found| found.ip()).collect();
        Ok(())
    }

    /// Whether a connection from this address is one of its own.
    pub(in crate::agent) fn has(&self, address: IpAddr) -> bool {
        self.addresses.read().unwrap_or_else(PoisonError::into_inner).contains(&address.to_canonical())
    }
}
