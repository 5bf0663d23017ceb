//! A third kind of stack, made of plain processes of this machine. It has no containers, images, networks or names: a service is
//! a process group, a place of steps is a directory. What it cannot do it leaves to what the traits say by default.

use async_trait::async_trait;
use firedrill::record::{MachineSample, Secret};
use firedrill::stack::{
    AgentRole, AttachError, Available, Capacity, Channel, CommandOutput, ContainerOp, ContainerState, Demand,
    DrillRoom, Fate, Finding, HostRequests, Place, Platform, Probe, ProbeState, ResolveError, ResolvedStack, Right,
    RunIdentity, RunningStack, ServiceFacts, SourceFiles, Stack, StackDown, StackError, StackOptions, StackRequest,
    StackUp, SweepOptions, SweepReport, SweptRun, ToolboxRequest,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

/// How long processes may take to listen, and to be gone.
const WITHIN: Duration = Duration::from_secs(45);
/// The file that says which directory a run of processes belongs to.
const FOLDER: &str = "processes";
const AGENT: &str = "fd-agent";

/// The specification: services by name.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Specification {
    services: BTreeMap<String, Service>,
}

#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Service {
    /// Its command line.
    command: Vec<String>,
    /// The port of this machine on which it listens.
    port: u16,
    #[serde(default)]
    environment: BTreeMap<String, String>,
}

fn broken(operation: impl Into<String>, cause: impl std::fmt::Display) -> StackError {
    StackError::Environment { operation: operation.into(), cause: cause.to_string(), hint: None }
}

/// Processes of this machine; `runs` is where their runs have directories.
#[derive(Debug)]
pub struct ProcessPlatform {
    pub runs: PathBuf,
}

impl ProcessPlatform {
    fn run(&self, run: &str) -> ProcessStack {
        ProcessStack::new(self.runs.join(run).join(FOLDER), Specification::default())
    }
}

#[async_trait]
impl Platform for ProcessPlatform {
    async fn connect(&self) -> Result<(), StackError> {
        Ok(())
    }

    async fn version(&self) -> Option<String> {
        Some(std::env::consts::OS.to_string())
    }

    async fn probe(&self) -> Vec<Probe> {
        vec![Probe { what: "processes", state: ProbeState::Ok, seen: "this machine".into(), fix: None }]
    }

    async fn resolve(&self, request: &StackRequest) -> Result<Arc<dyn ResolvedStack>, ResolveError> {
        let invalid = |message: String| ResolveError::Invalid { file: request.file.clone(), message };
        let text = fs::read_to_string(&request.file).map_err(|error| invalid(error.to_string()))?;
        let specification = serde_yaml::from_str(&text).map_err(|error| invalid(error.to_string()))?;
        Ok(Arc::new(ResolvedProcesses { request: request.clone(), specification }))
    }

    fn source_files(&self, request: &StackRequest) -> SourceFiles {
        SourceFiles { files: [request.file.clone()].into(), folders: BTreeSet::new() }
    }

    fn rejection(&self) -> (&'static str, &'static str) {
        ("these processes cannot be started", "write `services: { NAME: { command: […], port: … } }`")
    }

    fn rights(&self) -> Vec<Right> {
        Vec::new()
    }

    async fn room(&self, _: Option<&MachineSample>) -> Result<DrillRoom, StackError> {
        let capacity = Capacity { cpus: 1.0, memory_bytes: 1 << 30, free_networks: u32::MAX };
        let free = Available { memory_bytes: None, free_networks: u32::MAX, busy: None };
        Ok(DrillRoom { capacity, free, most: None })
    }

    async fn running(&self, name: &str) -> Result<RunningStack, AttachError> {
        let hint = "processes of others are not attached to".to_string();
        Err(AttachError::NotRunning { message: format!("there are no processes `{name}`"), hint })
    }

    async fn attach(
        &self,
        running: Option<&str>,
        _: ToolboxRequest,
        run: &RunIdentity,
        _: &StackOptions,
    ) -> Result<Arc<dyn Stack>, AttachError> {
        match running {
            Some(name) => self.running(name).await.map(|_| unreachable!("nothing is running")),
            None => Ok(Arc::new(ProcessStack::new(run.dir.join(FOLDER), Specification::default()))),
        }
    }

    async fn reopen(&self, run: &str) -> Result<Arc<dyn Stack>, StackError> {
        Ok(Arc::new(self.run(run)))
    }

    fn end_commands(&self, _: &str) {}

    async fn sweep(&self, options: SweepOptions, only: &[String]) -> Result<SweepReport, StackError> {
        let mut report = SweepReport::default();
        for entry in fs::read_dir(&self.runs).into_iter().flatten().flatten() {
            let run = entry.file_name().to_string_lossy().into_owned();
            let stack = self.run(&run);
            let things = stack.alive();
            // The newest run has a link as well.
            let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
            if is_link || things.is_empty() || !only.is_empty() && !only.contains(&run) {
                continue;
            }
            let fate = match options.dry_run {
                true => Fate::WouldRemove,
                false => Fate::Removed { left: stack.down().await?.left },
            };
            report.runs.push(SweptRun { run, dir: Some(entry.path()), things, fate });
        }
        Ok(report)
    }
}

#[derive(Debug)]
struct ResolvedProcesses {
    request: StackRequest,
    specification: Specification,
}

#[async_trait]
impl ResolvedStack for ResolvedProcesses {
    fn name(&self) -> &str {
        FOLDER
    }

    fn services(&self) -> Vec<String> {
        self.specification.services.keys().cloned().collect()
    }

    fn hosts(&self) -> Vec<String> {
        // Nothing gives a process a name.
        vec!["127.0.0.1".into()]
    }

    fn environment(&self, service: &str) -> BTreeMap<String, String> {
        self.specification.services.get(service).map(|service| service.environment.clone()).unwrap_or_default()
    }

    fn facts(&self) -> Vec<ServiceFacts> {
        let facts = |(name, service): (&String, &Service)| ServiceFacts {
            name: name.clone(),
            environment: service.environment.clone(),
            ports: [service.port].into(),
            published: true,
            ..ServiceFacts::default()
        };
        self.specification.services.iter().map(facts).collect()
    }

    fn findings(&self) -> Vec<Finding> {
        let names = self.request.interposed.keys().map(|service| {
            ("services", service, format!("nothing can be put in front of `{service}`: its clients know an address"))
        });
        let hosts = self.request.hosts.iter().map(|(host, service)| {
            ("hosts", service, format!("`{service}` cannot have the name `{host}`: processes have no names"))
        });
        let finding = |(key, service, message): (&str, &String, String)| Finding {
            service: Some(service.clone()),
            key: key.to_string(),
            message,
            help: None,
            error: true,
            right: None,
        };
        names.chain(hosts).map(finding).collect()
    }

    fn asked(&self) -> HostRequests {
        HostRequests::default()
    }

    fn variables(&self) -> Option<BTreeSet<String>> {
        Some(BTreeSet::new())
    }

    fn demand(&self) -> Demand {
        Demand::default()
    }

    fn images_key(&self) -> String {
        String::new()
    }

    async fn missing_programs(
        &self,
        _: &Place,
        wanted: &BTreeSet<String>,
    ) -> Result<Option<BTreeSet<String>>, StackError> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let is_there = |program: &String| std::env::split_paths(&path).any(|dir| dir.join(program).is_file());
        Ok(Some(wanted.iter().filter(|program| !is_there(program)).cloned().collect()))
    }

    async fn prepare(&self, _: &RunIdentity, _: &StackOptions, _: &CancellationToken) -> Result<(), StackError> {
        Ok(())
    }

    async fn stack(&self, run: &RunIdentity, options: &StackOptions) -> Result<Arc<dyn Stack>, StackError> {
        let stack = ProcessStack::new(run.dir.join(FOLDER), self.specification.clone());
        Ok(Arc::new(ProcessStack { secrets: options.secrets.clone(), ..stack }))
    }
}

/// The processes of one run. Each has a file with its process id, which is all that `reopen` has of them.
#[derive(Debug)]
struct ProcessStack {
    dir: PathBuf,
    specification: Specification,
    secrets: Vec<Secret>,
}

/// A process as `/proc` shows it: state, and start in clock ticks since boot.
fn look(pid: i32) -> Option<(char, String)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    Some((fields.first()?.chars().next()?, fields.get(19)?.to_string()))
}

fn signal(pid: i32, name: &str) -> Result<(), StackError> {
    use rustix::process::{Pid, Signal, kill_process_group};
    let signal = match name {
        "SIGKILL" => Signal::KILL,
        "SIGTERM" => Signal::TERM,
        "SIGSTOP" => Signal::STOP,
        "SIGCONT" => Signal::CONT,
        other => return Err(broken("sending a signal", format!("{other} is not known here"))),
    };
    let pid = Pid::from_raw(pid).ok_or_else(|| broken("sending a signal", "no process id"))?;
    kill_process_group(pid, signal).map_err(|error| broken(format!("sending {name}"), error))
}

impl ProcessStack {
    fn new(dir: PathBuf, specification: Specification) -> ProcessStack {
        ProcessStack { dir, specification, secrets: Vec::new() }
    }

    /// Starts a process of that name, in a group of its own.
    fn spawn(&self, name: &str, mut command: Command) -> Result<(), StackError> {
        let log = fs::File::create(self.dir.join(format!("{name}.log"))).map_err(|error| broken("a log", error))?;
        command.current_dir(&self.dir).stdin(Stdio::null()).stdout(log.try_clone().expect("a file")).stderr(log);
        let mut child = command.process_group(0).spawn().map_err(|error| broken(format!("starting {name}"), error))?;
        let pid = child.id().expect("it was not waited for") as i32;
        tokio::spawn(async move { child.wait().await });
        let started = look(pid).map(|(_, started)| started).unwrap_or_default();
        fs::write(self.dir.join(format!("{name}.started")), started).map_err(|error| broken("a file", error))?;
        fs::write(self.dir.join(format!("{name}.pid")), pid.to_string()).map_err(|error| broken("a file", error))
    }

    fn start(&self, name: &str) -> Result<(), StackError> {
        let Some(service) = self.specification.services.get(name) else {
            return Err(broken(format!("starting {name}"), "only its drill knows its command"));
        };
        let mut command = Command::new(&service.command[0]);
        command.args(&service.command[1..]).envs(&service.environment);
        self.spawn(name, command)
    }

    /// Process id and state; `None` when nothing of that name was started.
    fn state(&self, name: &str) -> Option<(i32, char, String)> {
        let read = |end: &str| fs::read_to_string(self.dir.join(format!("{name}.{end}"))).ok();
        let (pid, started) = (read("pid")?.trim().parse().ok()?, read("started")?);
        let state = look(pid).filter(|(_, now)| *now == started).map_or('X', |(state, _)| state);
        Some((pid, state, started))
    }

    fn names(&self) -> Vec<String> {
        let files = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let names = files.filter_map(|file| Some(file.file_name().to_str()?.strip_suffix(".pid")?.to_string()));
        names.collect()
    }

    /// `process db-1` for each that has not ended.
    fn alive(&self) -> Vec<String> {
        let is_alive = |name: &String| self.state(name).is_some_and(|(_, state, _)| !matches!(state, 'X' | 'Z'));
        self.names().into_iter().filter(is_alive).map(|name| format!("process {name}-1")).collect()
    }

    fn firedrill(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_firedrill"));
        command.args(args).env("FIREDRILL_SOCKET", self.dir.join("agent.sock")).current_dir(&self.dir);
        command
    }
}

/// A child's standard input and output as a channel; it ends with the channel.
fn channel(mut command: Command) -> Result<Channel, StackError> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| broken("starting a session", error))?;
    let (mut stdin, stdout) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
    let (near, mut far) = Channel::pair(256);
    tokio::spawn(async move {
        let mut lines = BufReader::new(stdout).lines();
        loop {
            tokio::select! {
                line = far.rx.recv() => match line {
                    Some(line) => {
                        if stdin.write_all(format!("{line}\n").as_bytes()).await.is_err() {
                            break;
                        }
                    }
                    None => break,
                },
                line = lines.next_line() => match line {
                    Ok(Some(line)) => {
                        if far.tx.send(line).await.is_err() {
                            break;
                        }
                    }
                    _ => break,
                },
            }
        }
        drop(stdin);
        let _ = tokio::time::timeout(WITHIN, child.wait()).await;
    });
    Ok(near)
}

#[async_trait]
impl Stack for ProcessStack {
    async fn up(&self, cancel: &CancellationToken) -> Result<StackUp, StackError> {
        let began = Instant::now();
        fs::create_dir_all(&self.dir).map_err(|error| broken("making a directory", error))?;
        self.spawn(AGENT, self.firedrill(&["agent", "serve"]))?;
        for (name, service) in &self.specification.services {
            self.start(name)?;
            while TcpStream::connect(("127.0.0.1", service.port)).is_err() {
                if cancel.is_cancelled() {
                    return Err(StackError::Cancelled);
                }
                if began.elapsed() > WITHIN {
                    let tail = fs::read_to_string(self.dir.join(format!("{name}.log"))).unwrap_or_default();
                    let reason = "it does not listen".to_string();
                    return Err(StackError::Unhealthy { service: name.clone(), reason, tail });
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        while !self.firedrill(&["agent", "ping"]).stderr(Stdio::null()).status().await.is_ok_and(|s| s.success()) {
            if began.elapsed() > WITHIN {
                return Err(broken("starting the agent", "it does not answer"));
            }
        }
        Ok(StackUp { project: FOLDER.into(), up_took: began.elapsed(), ..StackUp::default() })
    }

    async fn connect(&self, role: &AgentRole) -> Result<Channel, StackError> {
        match role {
            AgentRole::Drill => channel(self.firedrill(&["agent", "control"])),
            AgentRole::Monitoring | AgentRole::Proxy { .. } => {
                Err(broken(format!("reaching {}", role.name()), "there is none"))
            }
        }
    }

    async fn shell(&self, _: &Place) -> Result<Channel, StackError> {
        channel(self.firedrill(&["shell", "--docker", "none"]))
    }

    async fn containers(&self, service: &str) -> Result<Vec<ContainerState>, StackError> {
        let Some((_, state, started_at)) = self.state(service) else { return Ok(Vec::new()) };
        let status = match state {
            'T' | 't' => "paused",
            'X' | 'Z' => "exited",
            _ => "running",
        };
        let name = format!("{service}-1");
        let exit_code = (status == "exited").then_some(137);
        Ok(vec![ContainerState {
            id: name.clone(),
            name,
            status: status.into(),
            exit_code,
            started_at,
            ..Default::default()
        }])
    }

    async fn operate(&self, id: &str, op: &ContainerOp) -> Result<(), StackError> {
        let name = id.strip_suffix("-1").unwrap_or(id);
        let Some((pid, ..)) = self.state(name) else {
            return Err(broken(format!("finding {id}"), "it was not started"));
        };
        match op {
            ContainerOp::Pause => signal(pid, "SIGSTOP"),
            ContainerOp::Unpause => signal(pid, "SIGCONT"),
            ContainerOp::Kill { signal: name } => signal(pid, name),
            ContainerOp::Start => self.start(name),
            ContainerOp::Limit { .. } | ContainerOp::Connect { .. } => {
                Err(broken(format!("changing {id}"), "it is no container"))
            }
        }
    }

    async fn exec(&self, service: &str, command: &[String], within: Duration) -> Result<CommandOutput, StackError> {
        let operation = format!("running a command beside `{service}`");
        let mut run = Command::new(&command[0]);
        run.args(&command[1..]).current_dir(&self.dir).stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(within, run.output()).await;
        let output = output.map_err(|_| broken(&operation, "it did not end in time"))?;
        let output = output.map_err(|error| broken(&operation, error))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(CommandOutput {
            container: format!("{service}-1"),
            code: output.status.code().unwrap_or(137).into(),
            output: text,
        })
    }

    fn environment(&self, service: &str) -> BTreeMap<String, String> {
        self.specification.services.get(service).map(|service| service.environment.clone()).unwrap_or_default()
    }

    fn services(&self) -> Vec<String> {
        self.specification.services.keys().cloned().collect()
    }

    fn secrets(&self) -> Vec<Secret> {
        self.secrets.clone()
    }

    async fn down(&self) -> Result<StackDown, StackError> {
        let began = Instant::now();
        while !self.alive().is_empty() && began.elapsed() < WITHIN {
            for (pid, state, _) in self.names().iter().filter_map(|name| self.state(name)) {
                if !matches!(state, 'X' | 'Z') {
                    // One that has just ended has no group any more.
                    let _ = signal(pid, "SIGKILL");
                }
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(StackDown { took: began.elapsed(), left: self.alive() })
    }
}

/// The folder of a run's processes.
pub fn folder(run_dir: &Path) -> PathBuf {
    run_dir.join(FOLDER)
}
