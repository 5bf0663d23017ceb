//! Clients that use the server's connection slots up, as an application that leaks connections would.
//!
//! An ordinary role may take a slot while more than `superuser_reserved_connections` (and, from PostgreSQL 16 on,
//! `reserved_connections`) are free, so with `clients` sessions there are
//! `max_connections − reserved − clients` slots for ordinary roles. The fault fills them. A pool that
//! is already connected would not notice, so the sessions of ordinary roles are ended while the slots are being filled; those of
//! superusers and replication are left alone, and the reserved slots stay free for people on call.

use super::session::{Admin, FaultRole, PgError, PgSession, PgTarget, role_name};
use crate::agent::ability::{Ability, AgentContext, HeldResult, Holding, Tell};
use crate::agent::locked;
use crate::agent::protocol::{AgentAnswer, Told};
use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

/// The name that people on call see in `pg_stat_activity`.
const ROLE: &str = "firedrill_clients";
const APPLICATION: &str = "firedrill";
/// How often the slots are looked at while they are being filled: a pool reconnects within milliseconds.
const FILLING: Duration = Duration::from_millis(20);
/// How often they are looked at from then on.
const HOLDING: Duration = Duration::from_millis(200);
/// Sessions that are opened at the same time.
const AT_ONCE: usize = 16;

/// Clients that use the server's connection slots up, evicting the sessions that are there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PgConnections {
    /// The server.
    pub target: PgTarget,
    /// The sessions come back this long after they were terminated.
    pub returns: Option<Duration>,
}

/// Sessions that use the slots up.
struct HeldConnections {
    fill: Arc<SharedFill>,
    task: Mutex<Option<AbortOnDropHandle<()>>>,
}

/// What who fills the slots and who holds it share.
struct SharedFill {
    role: FaultRole,
    returns: Option<Duration>,
    state: Mutex<FillState>,
    tell: Tell,
}

#[derive(Debug, Clone, Default)]
struct FillState {
    held: usize,
    /// All slots were taken at some time.
    once: bool,
    /// Sessions ended; they come back unless this says why they cannot.
    ended: Option<String>,
    /// One of them by a limit that the server has.
    by_itself: bool,
    cannot: Option<String>,
    /// A login of its own was refused otherwise than by these limits, and none has worked since.
    refused: bool,
    coming_back: bool,
    /// The last error of looking at the slots or filling them.
    error: Option<String>,
}

/// The server's slots, as its catalogue has them.
#[derive(Debug, Clone, Copy)]
struct Slots {
    /// For ordinary roles, below 0 when superusers have taken some of the reserved ones.
    free: i64,
    /// Sessions of ordinary roles that are not the fault's.
    others: i64,
    /// Sessions of superusers.
    superusers: i64,
    may_log_in: bool,
    /// `ALTER ROLE … CONNECTION LIMIT`, −1 for none.
    limit: i64,
}

impl Ability for PgConnections {
    const NAME: &'static str = "pg_connections";

    /// Makes the role and begins to fill the slots.
    async fn begin(self, id: &str, _: &AgentContext, tell: Tell) -> HeldResult {
        let admin = Admin::connect(self.target).await?;
        let role = FaultRole::create(admin, role_name(ROLE, id), &[]).await?;
        let fill = Arc::new(SharedFill { role, returns: self.returns, state: Mutex::default(), tell });
        let task = Mutex::new(Some(AbortOnDropHandle::new(tokio::spawn(fill.clone().run()))));
        Ok(Box::new(HeldConnections { fill, task }))
    }
}

#[async_trait]
impl Holding for HeldConnections {
    /// In place when no slot is free for ordinary roles, as the connection held since before sees them, and a new connection is
    /// refused. Sessions that were ended and come back soon
    /// are in place as well: nothing lasting was done about them.
    async fn look(&self) -> AgentAnswer {
        let SharedFill { role, state, .. } = &*self.fill;
        let state = locked(state).clone();
        let slots = match slots(role).await {
            Ok(slots) => slots,
            Err(error) if state.held == 0 => {
                let why = state.ended.unwrap_or_else(|| "no session is held".into());
                return AgentAnswer::gone(format!("{why}; the database cannot be asked: {error}"));
            }
            Err(error) => return AgentAnswer::Failed { reason: format!("look at the connection slots: {error}") },
        };
        let (held, user, free) = (state.held, &role.target.user, slots.free.max(0));
        let others = format!("{} sessions of others, {} of superusers", slots.others, slots.superusers);
        let facts = format!("{held} sessions of {user}, {free} slots free for ordinary roles, {others}");
        // Who may not come any more still has the slots that are held.
        if let Some(why) = state.cannot.filter(|_| state.held == 0 || slots.free > 0) {
            return AgentAnswer::gone(format!("{why}; {facts}"));
        }
        if state.once && state.coming_back {
            let why = state.ended.unwrap_or_default();
            return AgentAnswer::in_place(format!("{why}; they are coming back; {facts}"));
        }
        if state.held == 0 || !state.once || slots.free > 0 {
            let why = state.ended.or(state.error).map_or_else(String::new, |why| format!("{why}; "));
            return AgentAnswer::Gone { detail: format!("{why}{facts}"), by_itself: state.by_itself, acted: None };
        }
        match PgSession::open(&role.target, APPLICATION).await {
            Ok(_) => AgentAnswer::gone(format!("a new connection was let in; {facts}")),
            Err(error) if error.is_full() || error.is_refused() => AgentAnswer::in_place(format!("{error}; {facts}")),
            Err(error) => AgentAnswer::gone(format!("a new connection: {error}; {facts}")),
        }
    }

    async fn lift(&self) -> Result<String, String> {
        self.fill.role.lift(&self.task).await
    }
}

async fn slots(role: &FaultRole) -> Result<Slots, PgError> {
    let sql = "SELECT current_setting('max_connections')::int8
                      - current_setting('superuser_reserved_connections')::int8
                      - coalesce(current_setting('reserved_connections', true), '0')::int8
                      - count(*),
                      count(*) FILTER (WHERE NOT u.rolsuper AND u.rolname <> $1 AND a.pid <> pg_backend_pid()
                                         AND a.application_name NOT LIKE 'firedrill%'),
                      count(*) FILTER (WHERE u.rolsuper),
                      (SELECT rolcanlogin FROM pg_roles WHERE rolname = $1),
                      (SELECT rolconnlimit::int8 FROM pg_roles WHERE rolname = $1)
               FROM pg_stat_activity a JOIN pg_roles u ON u.oid = a.usesysid
               WHERE a.backend_type = 'client backend'";
    let rows = role.admin.query(sql, &[&role.target.user]).await?;
    let row = rows.first().ok_or_else(|| PgError::new("no answer"))?;
    Ok(Slots {
        free: row.try_get(0)?,
        others: row.try_get(1)?,
        superusers: row.try_get(2)?,
        may_log_in: row.try_get::<_, Option<bool>>(3)?.unwrap_or(false),
        limit: row.try_get::<_, Option<i64>>(4)?.unwrap_or(0),
    })
}

/// What the sessions are about to do.
#[derive(Clone, Copy, PartialEq)]
enum FillMode {
    /// Taking every slot, whoever has it.
    Filling,
    /// Taking slots that become free.
    Holding,
    /// Some were ended by somebody: what that freed stays free.
    Cleared,
    /// Some were ended by somebody, and come back then.
    Away(Instant),
}

impl SharedFill {
    async fn run(self: Arc<Self>) {
        let mut held: JoinSet<PgError> = JoinSet::new();
        let mut mode = FillMode::Filling;
        let mut ending = None;
        loop {
            while let Some(ended) = held.try_join_next() {
                ending = ended.ok();
            }
            self.state(|state| state.held = held.len());
            if let Some(ending) = ending.take() {
                let why = self.role.admin.explain(&ending).await;
                mode = self.driven_back(format!("{why}, {} sessions are left", held.len()), |state, why| {
                    state.by_itself |= ending.by_itself;
                    state.coming_back = self.returns.is_some();
                    state.ended.replace(why)
                });
            }
            if matches!(mode, FillMode::Away(until) if Instant::now() >= until) {
                mode = FillMode::Filling;
            }
            if matches!(mode, FillMode::Filling | FillMode::Holding) {
                match self.fill(&mut held, mode).await {
                    Ok(next) => mode = next,
                    Err(error) => self.state(|state| state.error = Some(error.text)),
                }
                self.state(|state| state.held = held.len());
            }
            let pause = if mode == FillMode::Filling { FILLING } else { HOLDING };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                Some(ended) = held.join_next() => ending = ended.ok(),
            }
        }
    }

    /// How it goes on when somebody has taken slots away; why is told where `before` finds that it was not known.
    fn driven_back(&self, why: String, before: impl FnOnce(&mut FillState, String) -> Option<String>) -> FillMode {
        if self.state(|state| before(state, why.clone())).is_none() {
            (self.tell)(Told::Note { text: why });
        }
        self.returns.map_or(FillMode::Cleared, |after| FillMode::Away(Instant::now() + after))
    }

    /// The fault stays as far back as it was driven, and looks again later.
    fn barred(&self, why: String) -> FillMode {
        self.driven_back(why, |state, why| {
            state.coming_back = false;
            state.cannot.replace(why)
        })
    }

    /// Takes the slots that are to be taken; says how it goes on.
    async fn fill(&self, held: &mut JoinSet<PgError>, mode: FillMode) -> Result<FillMode, PgError> {
        let slots = slots(&self.role).await?;
        let room = if slots.limit < 0 { i64::MAX } else { slots.limit - i64::try_from(held.len()).unwrap_or(i64::MAX) };
        if !slots.may_log_in || room <= 0 {
            let user = &self.role.target.user;
            let why = match slots.may_log_in {
                true => format!("the role {user} may have no more than {} connections", slots.limit),
                false => format!("the role {user} may not log in any more"),
            };
            return Ok(self.barred(why));
        }
        // Slots that others have count as left to them.
        let open = slots.free.saturating_add(slots.others);
        let want = usize::try_from(open.min(slots.free).min(room)).unwrap_or(0);
        let refused = self.state(|state| state.refused);
        // Where no slot is free, one login tells whether it would be let in again.
        let opening =
            stream::iter(0..want.max(usize::from(refused))).map(|_| PgSession::hold(&self.role.target, APPLICATION));
        let mut opened = opening.buffer_unordered(AT_ONCE);
        while let Some(session) = opened.next().await {
            match session {
                Ok(session) => {
                    self.state(|state| state.refused = false);
                    drop(held.spawn(session.ended()));
                }
                // Somebody else was faster; the next look at the slots says what is to be done.
                Err(error) if error.is_full() => self.state(|state| state.refused = false),
                Err(error) if error.is_refused() && self.state(|state| state.once) => {
                    self.state(|state| state.refused = true);
                    return Ok(self.barred(format!("{} cannot come back: {error}", self.role.target.user)));
                }
                Err(error) => return Err(error),
            }
        }
        self.state(|state| state.cannot = None);
        // The sessions of ordinary roles that are no fault's own; who cannot log in drives nobody out.
        if mode == FillMode::Filling && slots.others > 0 {
            let evict = "SELECT pg_terminate_backend(a.pid)
                         FROM pg_stat_activity a JOIN pg_roles u ON u.oid = a.usesysid
                         WHERE a.backend_type = 'client backend' AND NOT u.rolsuper AND u.rolname <> $1
                           AND a.pid <> pg_backend_pid() AND a.application_name NOT LIKE 'firedrill%'";
            self.role.admin.query(evict, &[&self.role.target.user]).await?;
        }
        let full = want == 0 && open <= 0;
        if mode == FillMode::Filling && !full {
            return Ok(FillMode::Filling);
        }
        let came_back = self.state(|state| {
            let held = state.held;
            std::mem::replace(state, FillState { held, once: true, ..FillState::default() }).coming_back
        });
        if came_back {
            let text = format!("{} came back: {} sessions", self.role.target.user, held.len());
            (self.tell)(Told::Note { text });
        }
        Ok(FillMode::Holding)
    }

    fn state<T>(&self, change: impl FnOnce(&mut FillState) -> T) -> T {
        change(&mut locked(&self.state))
    }
}
