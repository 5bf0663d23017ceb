//! A stack that is not there: the one trait, implemented on a scripted world.

use super::agent::Agent;
use super::log::Happening;
use super::shell::Supervisor;
use super::shop::real_agent;
use super::world::World;
use async_trait::async_trait;
use firedrill::record::{Redactor, Secrets};
use firedrill::stack::{
    AgentRole, CallIo, Channel, CommandOutput, ContainerOp, ContainerState, Damage, Ending, FileAnswer, FileAsk,
    FileDeed, FullOutput, NetworkNames, Place, ProxyBypass, Stack, StackDown, StackError, StackUp, ToolCall, Tools,
};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The container of a service, and at the same time the id of the fault that freezes or kills it.
pub const DB_CONTAINER: &str = "c0ffee-db";

/// The one process that can be started, its fault, and its container.
const WORKER: &str = "worker";
const PROCESS: &str = "process";
const WORKER_CONTAINER: &str = "fake-worker-1";

/// A fake stack with the services `web` and `db`.
pub struct FakeStack {
    world: Arc<World>,
    /// Status of the container of `db`, and how often it had been restarted by then.
    db: Mutex<(&'static str, u32)>,
}

impl FakeStack {
    /// A stack that shows this world.
    pub fn new(world: Arc<World>) -> FakeStack {
        FakeStack { world, db: Mutex::new(("running", 0)) }
    }

    fn maybe_panic(&self, method: &str) {
        if self.world.switches.panics_in == Some(method) {
            panic!("the fake panics in {method}");
        }
    }

    /// A client that is there from `come` to `go`, as `there` says, where its scripts have no exit codes of their own; whether a script
    /// succeeds.
    fn client(&self, script: &str) -> bool {
        match script {
            "come" => self.world.break_it("command"),
            "go" => return self.world.lift("command").is_ok(),
            "there" => return self.world.in_place("command"),
            _ => {}
        }
        true
    }
}

#[async_trait]
impl Stack for FakeStack {
    async fn up(&self, cancel: &CancellationToken) -> Result<StackUp, StackError> {
        self.world.log.done(Happening::Up);
        self.maybe_panic("up");
        if self.world.switches.up_hangs {
            cancel.cancelled().await;
            return Err(StackError::Cancelled);
        }
        if let Some(error) = &self.world.switches.up {
            return Err(error.clone());
        }
        Ok(StackUp {
            project: "fake".into(),
            images: BTreeMap::from([("web".to_string(), "sha256:00".to_string())]),
            localhost: BTreeMap::new(),
            build_took: Duration::ZERO,
            pull_took: Duration::ZERO,
            up_took: Duration::from_millis(1),
            healthy_took: Duration::from_millis(1),
        })
    }

    async fn connect(&self, role: &AgentRole) -> Result<Channel, StackError> {
        self.maybe_panic("connect");
        if self.world.switches.shop.is_some() {
            self.world.log.done(Happening::Connected { agent: role.name() });
            return Ok(real_agent().await);
        }
        let (near, far) = Channel::pair(256);
        let (orders, taken) = mpsc::unbounded_channel();
        self.world.enlist(&role.name(), orders);
        self.world.log.done(Happening::Connected { agent: role.name() });
        tokio::spawn(Agent::new(role.name(), far, self.world.clone(), taken).serve());
        Ok(near)
    }

    async fn shell(&self, place: &Place) -> Result<Channel, StackError> {
        self.maybe_panic("shell");
        if *place != Place::Toolbox {
            tokio::time::sleep(self.world.switches.service_shells_take).await;
        }
        self.world.log.done(Happening::Opened { place: place.clone() });
        let (near, far) = Channel::pair(256);
        tokio::spawn(Supervisor::new(far, self.world.clone()).serve());
        Ok(near)
    }

    fn tools(&self, _: &Place, _: &Secrets) -> Arc<dyn Tools> {
        Arc::new(DoneCalls)
    }

    async fn proxy_is_bypassed(&self, _service: &str) -> Result<ProxyBypass, StackError> {
        let unseen = self.world.switches.unseen.iter().map(|name| name.to_string()).collect();
        let bypassed = self.world.switches.bypassed;
        Ok(bypassed.map_or(ProxyBypass::NoneSeen(unseen), |by| ProxyBypass::By(by.into())))
    }

    async fn network_names(&self) -> Result<NetworkNames, StackError> {
        let lost = self.world.switches.lost_name.filter(|_| self.world.count("network-names") > 1);
        let left = ["db", "web"].into_iter().filter(|name| lost != Some(*name));
        Ok(left.map(|name| ("front".to_string(), name.to_string())).collect())
    }

    async fn containers(&self, service: &str) -> Result<Vec<ContainerState>, StackError> {
        // The first two looks are at the two services of the steady stack.
        if self.world.count("containers") > 2 {
            self.maybe_panic("containers");
        }
        if service == WORKER {
            let worker = self.world.worker();
            return Ok(worker.into_iter().map(|status| worker_state(status, &self.world)).collect());
        }
        if service == "db" && self.world.count("look-db") <= self.world.switches.cannot_look {
            return Err(refused("the engine does not answer".into()));
        }
        if service == "web" && self.world.web_is_lost() {
            return Ok(Vec::new());
        }
        let restarts = self.world.counted("restart-db");
        let vanished = self.world.switches.shop.as_ref().is_some_and(|shop| shop.vanished());
        if vanished && service == "db" {
            let name = "fake-db-1".to_string();
            let status = "exited".to_string();
            return Ok(vec![ContainerState {
                id: name.clone(),
                name,
                status,
                exit_code: Some(1),
                started_at: String::new(),
                ..Default::default()
            }]);
        }
        let status = match (service, *self.db.lock().expect("no panic while locked")) {
            ("db", (status, before)) if before == restarts => status,
            _ => "running",
        };
        Ok(vec![ContainerState {
            id: if service == "db" { DB_CONTAINER.into() } else { format!("c0ffee-{service}") },
            name: format!("fake-{service}-1"),
            status: status.into(),
            exit_code: (status == "exited").then_some(137),
            started_at: format!("2026-01-01T00:00:0{restarts}Z"),
            ..Default::default()
        }])
    }

    async fn operate(&self, container: &str, op: &ContainerOp) -> Result<(), StackError> {
        let ledger = self.world.ledger_text();
        self.world.log.done(Happening::Operated { container: container.into(), op: op.clone(), ledger });
        let status = match op {
            ContainerOp::Pause => "paused",
            ContainerOp::Kill { .. } => "exited",
            ContainerOp::Unpause | ContainerOp::Start => {
                self.maybe_panic("operate (revert)");
                "running"
            }
            ContainerOp::Limit { .. } | ContainerOp::Connect { .. } => return Ok(()),
        };
        *self.db.lock().expect("no panic while locked") = (status, self.world.counted("restart-db"));
        match status {
            "running" => self.world.end(container),
            _ => self.world.break_it(container),
        }
        Ok(())
    }

    async fn exec(&self, service: &str, command: &[String], _: Duration) -> Result<CommandOutput, StackError> {
        if let Some(shop) = &self.world.switches.shop {
            let whole = shop.script(&command[2]).map_err(refused)?;
            let output = String::from_utf8(whole.stdout).expect("text");
            return Ok(CommandOutput { container: whole.container, code: whole.code.expect("an end"), output });
        }
        if command[2].contains("hurt-users") {
            self.world.break_it("command");
        }
        let exits = self.world.switches.exits.iter().find(|(known, _)| command[2].contains(**known));
        let scripted = exits.map(|(known, codes)| {
            let asked = self.world.count(known) as usize - 1;
            codes[asked.min(codes.len() - 1)]
        });
        let code = scripted.unwrap_or_else(|| i64::from(!self.client(&command[2])));
        Ok(CommandOutput { container: format!("fake-{service}-1"), code, output: String::new() })
    }

    async fn exec_full(
        &self,
        service: &str,
        command: &[String],
        _: bool,
        _: Duration,
    ) -> Result<FullOutput, StackError> {
        assert_eq!((service, &command[..2]), ("db", &["sh".to_string(), "-c".to_string()][..]));
        let script = &command[2];
        let Some(shop) = &self.world.switches.shop else {
            tokio::time::sleep(self.world.switches.probes_take).await;
            let key = self.world.switches.probes.keys().find(|known| script.contains(**known));
            let known = key.unwrap_or_else(|| panic!("nobody knows what `{script}` writes"));
            let answers = &self.world.switches.probes[known];
            let asked = self.world.count(known) as usize - 1;
            let stdout = answers[asked.min(answers.len() - 1)].into();
            let exits = self.world.switches.exits.get(known).map_or(&[0][..], Vec::as_slice);
            let code = Some(exits[asked.min(exits.len() - 1)]);
            return Ok(FullOutput { container: "fake-db-1".into(), code, stdout, stderr: String::new() });
        };
        shop.script(script).map_err(refused)
    }

    async fn files(&self, service: &str, ask: &FileAsk) -> Result<FileAnswer, StackError> {
        self.maybe_panic("files");
        let FileAsk { path, what } = ask;
        Ok(match what {
            FileDeed::Measure(_) => FileAnswer::Would(Damage::Flipped { offset: 3, original: 0 }),
            FileDeed::Damage(_) => {
                self.world.break_it("files");
                FileAnswer::Done(format!("{path} of {service} is damaged"))
            }
            FileDeed::Look(_) if self.world.in_place("files") => FileAnswer::InPlace(format!("{path} is damaged")),
            FileDeed::Look(_) => FileAnswer::Gone(format!("{path} is not damaged")),
            FileDeed::Repair(_) => match self.world.lift("files") {
                Ok(done) => FileAnswer::Done(done),
                Err(cause) => {
                    let operation = format!("repairing {path}");
                    return Err(StackError::Environment { operation, cause, hint: None });
                }
            },
        })
    }

    async fn start_process(&self, name: &str) -> Result<(), StackError> {
        assert_eq!(name, WORKER);
        self.world.break_it(PROCESS);
        Ok(())
    }

    async fn remove_process(&self, _: &str) -> Result<Vec<String>, StackError> {
        self.world.lift(PROCESS).map(|_| vec![WORKER_CONTAINER.to_string()]).map_err(refused)
    }

    async fn endings(&self, _: &str) -> Vec<Ending> {
        let after = self.world.switches.ends_after.unwrap_or_default();
        let by_itself = !self.world.cleared(PROCESS);
        let exit_code = self.world.switches.exits_with;
        let ended = self.world.worker() == Some("exited");
        let ago = self.world.ended_ago(PROCESS);
        let ending = Ending { container: WORKER_CONTAINER.into(), exit_code, after, ago, by_itself };
        ended.then_some(ending).into_iter().collect()
    }

    async fn read_file(&self, _: &str, _: &str) -> Result<Vec<u8>, StackError> {
        Ok(Vec::new())
    }

    fn environment(&self, service: &str) -> BTreeMap<String, String> {
        let variables: &[(&str, &str)] = match service {
            "db" => &[("POSTGRES_USER", "shop"), ("POSTGRES_PASSWORD", "not-a-secret"), ("POSTGRES_DB", "shop")],
            _ => &[],
        };
        variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    fn how_to_look(&self) -> Vec<String> {
        vec!["look: at the fake".into()]
    }

    fn services(&self) -> Vec<String> {
        vec!["db".into(), "web".into()]
    }

    async fn save_logs(&self, _dir: &Path, _redactor: &Redactor) -> Result<(), StackError> {
        self.world.log.done(Happening::LogsSaved);
        self.maybe_panic("save_logs");
        tokio::time::sleep(self.world.switches.logs_take).await;
        Ok(())
    }

    async fn down(&self) -> Result<StackDown, StackError> {
        self.world.log.done(Happening::Down);
        // What a trigger of this entry does must come before the removal's end.
        tokio::task::yield_now().await;
        self.maybe_panic("down");
        if self.world.switches.down_fails {
            return Err(StackError::Environment {
                operation: "docker compose down".into(),
                cause: "the engine does not answer".into(),
                hint: None,
            });
        }
        Ok(StackDown { took: Duration::from_millis(1), left: self.world.switches.leaves.clone() })
    }
}

/// Every call ends well at once.
struct DoneCalls;

impl Tools for DoneCalls {
    fn call(&self, _: ToolCall, _: CallIo, _: CancellationToken) -> BoxFuture<'static, i32> {
        async { 0 }.boxed()
    }
}

fn worker_state(status: &str, world: &World) -> ContainerState {
    ContainerState {
        id: WORKER_CONTAINER.into(),
        name: WORKER_CONTAINER.into(),
        status: status.into(),
        exit_code: (status == "exited").then_some(world.switches.exits_with),
        started_at: String::new(),
        ..Default::default()
    }
}

fn refused(cause: String) -> StackError {
    StackError::Environment { operation: "running a command in `db`".into(), cause, hint: None }
}
