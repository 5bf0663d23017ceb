//! The sessions of a runbook: one for each place, opened when the first command needs it and kept until the runbook ends.
//! Where the container was restarted or recreated, by a step perhaps that runs in it, the session is opened again in the
//! container that is there then, with what the earlier one knew: directory, variables, functions.

use super::Opening;
use crate::engine::context::{POLL, seconds};
use crate::engine::probe::states;
use crate::engine::stop::Stop;
use crate::record::{EventSink, Verdict};
use crate::shell::{EndedCall, SessionState, SessionVar, Shell};
use crate::stack::{Place, Stack};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// How long a container that was restarted may stay away.
const BACK_WITHIN: Duration = Duration::from_secs(15);
/// How long the engine may take to say that a container has ended in which a session was.
const SEEN_WITHIN: Duration = Duration::from_secs(3);
/// How long an EXIT trap may take.
const LEFT_WITHIN: Duration = Duration::from_secs(60);
/// How long the engine may take to say how the containers of a service stand.
const LOOK_WITHIN: Duration = Duration::from_secs(10);

pub(super) struct Sessions<'a> {
    stack: &'a dyn Stack,
    sink: EventSink,
    opening: Option<(Place, Opening)>,
    open: BTreeMap<Place, PlaceSession>,
    /// Those of other terminals, in which something may go on.
    others: Vec<PlaceSession>,
}

pub(super) struct PlaceSession {
    pub place: Place,
    pub shell: Shell,
    /// Id and start of the container, where that is a service's.
    container: Option<Instance>,
    /// What it knew after the last command, where that is a service's, and the variables that it was given since, or that were taken away.
    state: Option<SessionState>,
    since: Vec<SessionVar>,
}

impl PlaceSession {
    fn is_usable(&self, current: Option<&Instance>) -> bool {
        let restarted = current.is_some_and(|current| self.container.as_ref().is_some_and(|own| own != current));
        self.place == Place::Toolbox || (!restarted && !self.shell.is_closed())
    }
}

/// A container as it was started once.
type Instance = (String, String);

/// The container of a service in which commands run, `None` where the engine does not say or it is no service; or how they stand where none
/// runs.
type RunningInstance = Result<Option<Instance>, String>;

impl<'a> Sessions<'a> {
    pub(super) fn new(stack: &'a dyn Stack, sink: EventSink, opening: Option<(Place, Opening)>) -> Sessions<'a> {
        Sessions { stack, sink, opening, open: BTreeMap::new(), others: Vec::new() }
    }

    /// Another terminal is opened, in which nothing is known of this one: what is given back is for `close_other`.
    pub(super) fn open_other(&mut self) -> BTreeMap<Place, PlaceSession> {
        std::mem::take(&mut self.open)
    }

    /// Goes on in the terminal from which another one was opened.
    pub(super) fn close_other(&mut self, first: BTreeMap<Place, PlaceSession>) {
        self.others.extend(std::mem::replace(&mut self.open, first).into_values());
    }

    /// What a place has in its environment by itself, as far as the stack says.
    pub(super) fn environment(&self, place: &Place) -> BTreeMap<String, String> {
        if let Place::Service(service) = place { self.stack.environment(service) } else { BTreeMap::new() }
    }

    /// Waits for the session that was being opened, if there is one.
    pub(super) async fn ready(&mut self, env: &[SessionVar]) -> Result<(), Stop> {
        let Some((place, opening)) = self.opening.take() else { return Ok(()) };
        let broke = |error| Stop::harness(format!("the shell session could not be opened: {error}"));
        let shell = opening.await.map_err(broke)??;
        // It began with what was known then. One that has lost its container is opened again when it is needed.
        let _ = shell.set(env).await;
        let container = self.look(&place).await.ok().flatten();
        let session = PlaceSession { place: place.clone(), shell, container, state: None, since: Vec::new() };
        self.open.insert(place, session);
        Ok(())
    }

    /// The session of a place, opened again where its container was restarted.
    pub(super) async fn at(&mut self, place: &Place, env: &[SessionVar]) -> Result<&mut Shell, Stop> {
        self.ready(env).await?;
        let deadline = Instant::now() + BACK_WITHIN;
        loop {
            let (seen, known) = (self.look(place).await, self.open.get(place));
            // The toolbox is the drill's own: when it is gone, that is no step's doing.
            let wait = known.is_some() && *place != Place::Toolbox && Instant::now() < deadline;
            let opened = match seen {
                Ok(current) if known.is_some_and(|known| known.is_usable(current.as_ref())) => Ok(()),
                Ok(current) => self.reopen(place, env, current).await,
                Err(how) => {
                    let away = || format!("its container has not come back within {}: ", seconds(BACK_WITHIN));
                    let away = known.map_or_else(String::new, |_| away());
                    let reason = format!("nothing can run in {}: {away}{how}", name(place));
                    Err(Stop::new(Verdict::StepFailed, reason))
                }
            };
            match opened {
                // It may be about to come back, or to restart once more.
                Err(_) if wait => tokio::time::sleep(POLL).await,
                opened => break opened?,
            }
        }
        let session = self.open.get_mut(place).ok_or_else(|| Stop::harness("a shell session was lost"))?;
        Ok(&mut session.shell)
    }

    /// Opens a session again, with the state of the one that was lost, if there was one.
    async fn reopen(&mut self, place: &Place, env: &[SessionVar], container: Option<Instance>) -> Result<(), Stop> {
        let shell = self.fresh(place, env).await?;
        let (mut state, mut since) = (None, Vec::new());
        if let Some(lost) = self.open.get(place) {
            (state, since) = (lost.state.clone(), lost.since.clone());
            let with = match &state {
                Some(state) => {
                    shell.import(state).await?;
                    shell.set(&since).await?;
                    "with the directory, the variables and the functions of the steps before"
                }
                None => "without the directory and the variables of the steps before",
            };
            let text = format!("the container of {} was restarted: its session was opened again, {with}", name(place));
            self.sink.note(text);
        }
        self.open.insert(place.clone(), PlaceSession { place: place.clone(), shell, container, state, since });
        Ok(())
    }

    /// Keeps what the session of a service knows now, for the case that its container is restarted. A session that does not
    /// answer keeps what was known before.
    pub(super) async fn remember(&mut self, place: &Place) {
        let Some(session) = self.open.get_mut(place).filter(|_| *place != Place::Toolbox) else { return };
        if let Ok(Some(state)) = session.shell.export().await {
            session.state = Some(state);
            session.since.clear();
        }
    }

    /// The session of a place, if it has one.
    pub(super) fn of(&self, place: &Place) -> Option<&PlaceSession> {
        self.open.get(place)
    }

    /// Whether a session was lost with its container; then what steps had called and what went on without it.
    pub(super) async fn lost_container(&self, session: &PlaceSession) -> Option<Vec<EndedCall>> {
        let deadline = Instant::now() + SEEN_WITHIN;
        loop {
            match self.look(&session.place).await {
                // Of one whose container nobody could tell when it was opened, the end of the session says it.
                Ok(Some(now)) if session.container.as_ref().map_or(!session.shell.is_closed(), |was| now == *was) => {}
                Ok(None) => {}
                Ok(Some(_)) | Err(_) => return Some(session.shell.ended_calls()),
            }
            if Instant::now() >= deadline {
                return None;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// A session beside that of a place, in the same container.
    pub(super) async fn beside(&self, place: &Place) -> Result<PlaceSession, Stop> {
        let (shell, container) = (self.fresh(place, &[]).await?, self.of(place).and_then(|own| own.container.clone()));
        Ok(PlaceSession { place: place.clone(), shell, container, state: None, since: Vec::new() })
    }

    async fn fresh(&self, place: &Place, env: &[SessionVar]) -> Result<Shell, Stop> {
        let tools = self.stack.tools(place, &self.sink.secrets);
        Ok(Shell::open(self.stack.shell(place).await?, env, tools).await?)
    }

    /// Sets variables in every open session, or takes them away; one that is gone is opened with them.
    pub(super) async fn set(&mut self, vars: &[SessionVar]) {
        for session in self.open.values_mut() {
            let _ = session.shell.set(vars).await;
            session.since.extend_from_slice(vars);
        }
    }

    /// Leaves each session as a person closes a terminal: its EXIT trap runs, while users are still looked at.
    pub(super) async fn leave(&mut self) {
        let mut ended = Vec::new();
        for session in self.open.values().chain(&self.others) {
            ended.push(self.look(&session.place).await.is_err());
        }
        // In a container that does not run, or is paused, no trap runs either.
        for (session, _) in self.open.values_mut().chain(&mut self.others).zip(ended).filter(|(_, ended)| !ended) {
            let _ = session.shell.run("exit", false, LEFT_WITHIN, |_, _| {}).await;
        }
    }

    async fn look(&self, place: &Place) -> RunningInstance {
        let Place::Service(service) = place else { return Ok(None) };
        let containers = tokio::time::timeout(LOOK_WITHIN, self.stack.containers(service)).await;
        let Ok(Ok(containers)) = containers else { return Ok(None) };
        match containers.iter().find(|container| container.status == "running") {
            Some(running) => Ok(Some((running.id.clone(), running.started_at.clone()))),
            None => Err(states(&containers)),
        }
    }
}

/// A place as people read it.
pub(super) fn name(place: &Place) -> String {
    match place {
        Place::Toolbox => "the toolbox".into(),
        Place::Service(service) => format!("`{service}`"),
    }
}
