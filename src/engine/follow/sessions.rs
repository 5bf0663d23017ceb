//! The sessions of a runbook: one for each place, opened when the first command needs it and kept until the runbook ends.
//! Where a step has restarted the container, the session is opened anew: what it held is lost, as in a real terminal.

use super::Opening;
use crate::engine::stop::Stop;
use crate::record::{Event, EventSink, Verdict};
use crate::shell::Shell;
use crate::stack::{Place, Stack};
use std::collections::BTreeMap;

pub(super) struct Sessions<'a, S: Stack> {
    stack: &'a S,
    sink: EventSink,
    opening: Option<(Place, Opening)>,
    open: Vec<Session>,
}

struct Session {
    place: Place,
    shell: Shell,
    /// Id and start of the container, where that is a service's.
    container: Option<Instance>,
}

/// A container as it was started once.
type Instance = (String, String);

/// What the containers of a service say.
enum Seen {
    /// The one in which commands run.
    Running(Instance),
    /// None runs, and how they stand.
    Down(String),
    /// The engine does not say, or it is no service.
    Unknown,
}

impl<'a, S: Stack> Sessions<'a, S> {
    pub(super) fn new(stack: &'a S, sink: EventSink) -> Sessions<'a, S> {
        Sessions { stack, sink, opening: None, open: Vec::new() }
    }

    pub(super) fn opening(&mut self, place: Place, opening: Opening) {
        self.opening = Some((place, opening));
    }

    /// What a place has in its environment by itself, as far as the stack says.
    pub(super) fn environment(&self, place: &Place) -> BTreeMap<String, String> {
        match place {
            Place::Toolbox => BTreeMap::new(),
            Place::Service(service) => self.stack.environment(service),
        }
    }

    /// Waits for the session that was being opened, if there is one.
    pub(super) async fn ready(&mut self, env: &[(String, String)]) -> Result<(), Stop> {
        let Some((place, opening)) = self.opening.take() else { return Ok(()) };
        let shell = match opening.await {
            Ok(shell) => shell?,
            Err(error) => return Err(Stop::harness(format!("the shell session could not be opened: {error}"))),
        };
        // It began with what was known then.
        shell.set(env).await?;
        let container = match self.look(&place).await {
            Seen::Running(instance) => Some(instance),
            Seen::Down(_) | Seen::Unknown => None,
        };
        self.open.push(Session { place, shell, container });
        Ok(())
    }

    /// The session of a place.
    pub(super) async fn at(&mut self, place: &Place, env: &[(String, String)]) -> Result<&mut Shell, Stop> {
        self.ready(env).await?;
        let seen = self.look(place).await;
        if let Seen::Down(how) = &seen {
            let reason = format!("nothing can run in {}: {how}", name(place));
            return Err(Stop::new(Verdict::StepFailed, reason));
        }
        let current = match seen {
            Seen::Running(instance) => Some(instance),
            _ => None,
        };
        let known = self.open.iter().position(|session| session.place == *place);
        let usable = known.filter(|index| {
            self.open.get(*index).is_some_and(|session| {
                let restarted = session.container.is_some() && current.is_some() && session.container != current;
                // The toolbox is the drill's own: when it is gone, that is no step's doing.
                *place == Place::Toolbox || (!restarted && !session.shell.is_closed())
            })
        });
        let index = match usable {
            Some(index) => index,
            None => {
                if let Some(lost) = known {
                    self.open.remove(lost);
                    let text = format!(
                        "the container of {} was restarted: its session begins anew, without the directory and the \
                         variables of the steps before",
                        name(place)
                    );
                    self.sink.emit(Event::Note { text });
                }
                let shell = self.fresh(place, env).await?;
                self.open.push(Session { place: place.clone(), shell, container: current });
                self.open.len() - 1
            }
        };
        let session = self.open.get_mut(index).ok_or_else(|| Stop::harness("a shell session was lost"))?;
        Ok(&mut session.shell)
    }

    /// A session that nobody else uses.
    pub(super) async fn fresh(&self, place: &Place, env: &[(String, String)]) -> Result<Shell, Stop> {
        let tools = self.stack.tools(place, &self.sink.secrets());
        Ok(Shell::open_with(self.stack.shell(place).await?, env, tools).await?)
    }

    /// Sets variables in every open session; one that is gone is opened with them.
    pub(super) async fn set(&self, vars: &[(String, String)]) {
        for session in &self.open {
            let _ = session.shell.set(vars).await;
        }
    }

    async fn look(&self, place: &Place) -> Seen {
        let Place::Service(service) = place else { return Seen::Unknown };
        let Ok(containers) = self.stack.containers(service).await else { return Seen::Unknown };
        match containers.iter().find(|container| container.status == "running") {
            Some(running) => Seen::Running((running.id.clone(), running.started_at.clone())),
            None if containers.is_empty() => Seen::Down("it has no container".into()),
            None => {
                let how = containers.iter().map(|container| format!("{} is {}", container.name, container.status));
                Seen::Down(how.collect::<Vec<_>>().join(", "))
            }
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
