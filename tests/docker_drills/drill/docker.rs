//! The engine, asked with the `docker` command: by other means than the program under test.

use std::fmt;
use std::process::Command;

/// Runs `docker`; its standard output, or what it said on standard error.
pub fn try_docker(args: &[&str]) -> Result<String, String> {
    let output = Command::new("docker").args(args).output().expect("docker can be run");
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_string()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_string()),
    }
}

/// Runs `docker`, which must succeed.
pub fn docker(args: &[&str]) -> String {
    try_docker(args).unwrap_or_else(|error| panic!("docker {args:?}: {error}"))
}

/// Ids of the containers of a run that belong to a service, running or not.
pub fn containers(run: &str, service: &str) -> Vec<String> {
    let (run, service) =
        (format!("label=dev.firedrill.run={run}"), format!("label=com.docker.compose.service={service}"));
    docker(&["ps", "--all", "--quiet", "--filter", &run, "--filter", &service]).lines().map(str::to_string).collect()
}

/// The one container of a service.
pub fn container(run: &str, service: &str) -> String {
    let all = containers(run, service);
    assert_eq!(all.len(), 1, "containers of {service} in {run}: {all:?}");
    all.into_iter().next().unwrap_or_default()
}

/// SQL in the shop's database, as its superuser.
pub fn psql(run: &str, sql: &str) -> Result<String, String> {
    let db = container(run, "db");
    try_docker(&["exec", &db, "psql", "-X", "-At", "-U", "postgres", "-d", "shop", "-c", sql])
}

/// What there is of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftovers(pub Vec<String>);

impl Leftovers {
    /// Containers, networks and volumes with the run's label or, once its name is known, of its Compose project; and
    /// the processes on this machine that were started for it.
    pub fn of(run: &str, project: Option<&str>) -> Leftovers {
        let mut labels = vec![format!("label=dev.firedrill.run={run}")];
        labels.extend(project.map(|project| format!("label=com.docker.compose.project={project}")));
        let mut left = Vec::new();
        for label in &labels {
            let lists: [(&str, &[&str]); 3] = [
                ("container", &["ps", "--all", "--format", "{{.Names}} ({{.Status}})", "--filter", label]),
                ("network", &["network", "ls", "--format", "{{.Name}}", "--filter", label]),
                ("volume", &["volume", "ls", "--format", "{{.Name}}", "--filter", label]),
            ];
            for (kind, list) in lists {
                left.extend(docker(list).lines().map(|name| format!("{kind} {name}")));
            }
        }
        left.extend(processes(run));
        left.sort();
        left.dedup();
        Leftovers(left)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Leftovers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}

/// Processes whose command line names the run, such as its reaper.
fn processes(run: &str) -> Vec<String> {
    let all = commands().into_iter().filter(|(_, command)| command.contains("firedrill") && command.contains(run));
    all.map(|(pid, command)| format!("process {pid} ({command})")).collect()
}

/// The processes of this machine. None where there is no `/proc`, and none of the engine's where that runs elsewhere.
fn commands() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(command) = std::fs::read(entry.path().join("cmdline")) else { continue };
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        found.push((entry.file_name().to_string_lossy().into_owned(), command.trim().to_string()));
    }
    found
}

/// Whether a `RUN` of a Dockerfile is under way.
pub fn building(run: &str) -> Result<(), String> {
    commands().iter().any(|(_, command)| command == run).then_some(()).ok_or("it is not being built".into())
}

/// Whether it is not, or no longer.
pub fn built(run: &str) -> Result<(), String> {
    building(run).map_or(Ok(()), |()| Err("it still is being built".into()))
}
