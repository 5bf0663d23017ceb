//! What of `docker` and `docker compose` a step may call, flag by flag. Everything else is refused.

use super::arguments::{Flag, on, with};

/// How a command of Compose is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compose {
    /// On services of the team's; without names, on all of them.
    Services,
    /// `up`, `create`, `pull`: the same with the model as the step's environment makes it.
    Up,
    /// `scale web=3`: the same.
    Scale,
    /// `run web command …`: the same.
    Run,
    /// `exec web command …`.
    Exec,
    /// `port web 8080`.
    Port,
    /// Between a service and where the step runs.
    Copy,
    /// On the team's own file.
    Config,
}

/// How a command of Docker is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Docker {
    /// Lists the team's containers.
    List,
    /// On one or more of them.
    Containers,
    /// On one of them; what follows is checked by the engine.
    One,
    /// On those that are named, or on all that run.
    Stats,
    /// `exec web command …`.
    Exec,
    /// Between a container and where the step runs.
    Copy,
}

const HOST: &str = "it reaches the host";
const PORTS: &str = "a drill publishes no ports on the host";
const PLACE: &str = "another engine or another configuration is no part of the drill";

/// Flags before the subcommand of `docker compose`.
pub(super) const COMPOSE_GLOBAL: &[Flag] = &[
    with("file", 'f').kept(),
    with("project-name", 'p').kept(),
    with("profile", '\0').kept(),
    with("project-directory", '\0').kept(),
    with("ansi", '\0').kept(),
    with("progress", '\0').kept(),
    with("parallel", '\0').kept(),
    on("verbose", '\0').kept(),
    on("no-ansi", '\0').kept(),
    on("version", 'v').kept(),
    on("help", 'h').kept(),
    with("env-file", '\0').refused("the scenario says which env files there are (`stack: { env_files: … }`)"),
    with("host", 'H').refused(PLACE),
    with("context", 'c').refused(PLACE),
];

/// Flags before the subcommand of `docker`.
pub(super) const DOCKER_GLOBAL: &[Flag] = &[
    on("version", 'v').kept(),
    on("help", 'h').kept(),
    with("host", 'H').refused(PLACE),
    with("context", 'c').refused(PLACE),
    with("config", '\0').refused(PLACE),
    on("tls", '\0').refused(PLACE),
    on("tlsverify", '\0').refused(PLACE),
    with("tlscacert", '\0').refused(PLACE),
    with("tlscert", '\0').refused(PLACE),
    with("tlskey", '\0').refused(PLACE),
];

const HELP: Flag = on("help", '\0').kept();
const ORPHANS: Flag = on("remove-orphans", '\0').kept();
const TIMEOUT: Flag = with("timeout", 't');
const NO_DEPS: Flag = on("no-deps", '\0');
const PULL: Flag = with("pull", '\0');

/// Subcommands of `docker compose`.
pub(super) const COMPOSE: &[(&str, Compose, &[Flag])] = &[
    ("restart", Compose::Services, &[TIMEOUT, NO_DEPS, HELP]),
    ("stop", Compose::Services, &[TIMEOUT, HELP]),
    ("start", Compose::Services, &[HELP]),
    ("kill", Compose::Services, &[with("signal", 's'), ORPHANS, HELP]),
    ("pause", Compose::Services, &[HELP]),
    ("unpause", Compose::Services, &[HELP]),
    ("top", Compose::Services, &[HELP]),
    ("images", Compose::Services, &[with("format", '\0'), on("quiet", 'q'), HELP]),
    ("rm", Compose::Services, &[on("force", 'f'), on("stop", 's'), on("volumes", 'v'), HELP]),
    (
        "down",
        Compose::Services,
        &[
            TIMEOUT,
            ORPHANS,
            on("volumes", 'v'),
            with("rmi", '\0').refused("images are shared with other drills and with the developer"),
            HELP,
        ],
    ),
    (
        "ps",
        Compose::Services,
        &[
            on("all", 'a'),
            with("filter", '\0'),
            with("format", '\0'),
            on("no-trunc", '\0'),
            on("quiet", 'q'),
            on("services", '\0'),
            with("status", '\0'),
            on("orphans", '\0').kept(),
            HELP,
        ],
    ),
    (
        "logs",
        Compose::Services,
        &[
            on("follow", 'f'),
            with("index", '\0'),
            on("no-color", '\0'),
            on("no-log-prefix", '\0'),
            with("since", '\0'),
            with("tail", 'n'),
            on("timestamps", 't'),
            with("until", '\0'),
            HELP,
        ],
    ),
    (
        "up",
        Compose::Up,
        &[
            on("detach", 'd'),
            on("always-recreate-deps", '\0').refused("it would recreate the drill's own containers as well"),
            on("build", '\0').kept(),
            on("force-recreate", '\0'),
            on("no-build", '\0').kept(),
            NO_DEPS,
            on("no-recreate", '\0'),
            on("no-start", '\0'),
            PULL,
            on("quiet-pull", '\0'),
            ORPHANS,
            on("renew-anon-volumes", 'V'),
            with("scale", '\0'),
            TIMEOUT,
            on("wait", '\0'),
            with("wait-timeout", '\0'),
            on("no-color", '\0').kept(),
            HELP,
        ],
    ),
    (
        "create",
        Compose::Up,
        &[
            on("build", '\0').kept(),
            on("force-recreate", '\0'),
            on("no-build", '\0').kept(),
            on("no-recreate", '\0'),
            PULL,
            on("quiet-pull", '\0'),
            ORPHANS,
            with("scale", '\0'),
            HELP,
        ],
    ),
    (
        "pull",
        Compose::Up,
        &[
            on("ignore-buildable", '\0'),
            on("ignore-pull-failures", '\0'),
            on("quiet", 'q'),
            with("policy", '\0').kept(),
            on("include-deps", '\0').kept(),
            HELP,
        ],
    ),
    ("scale", Compose::Scale, &[NO_DEPS, HELP]),
    (
        "run",
        Compose::Run,
        &[
            on("rm", '\0'),
            on("detach", 'd'),
            with("entrypoint", '\0'),
            with("env", 'e').env(),
            on("interactive", 'i'),
            on("no-TTY", 'T'),
            on("tty", 't').kept(),
            NO_DEPS,
            on("quiet-pull", '\0'),
            ORPHANS,
            on("use-aliases", '\0'),
            with("user", 'u'),
            with("workdir", 'w'),
            on("build", '\0').kept(),
            with("volume", 'v').refused(HOST),
            with("publish", 'p').refused(PORTS),
            on("service-ports", 'P').refused(PORTS),
            with("cap-add", '\0').refused(HOST),
            with("label", 'l').refused("labels say what belongs to the drill"),
            with("name", '\0').refused("another drill may have a container of this name"),
            HELP,
        ],
    ),
    (
        "exec",
        Compose::Exec,
        &[
            on("detach", 'd'),
            with("env", 'e').env(),
            with("index", '\0'),
            on("interactive", 'i'),
            on("no-TTY", 'T'),
            on("tty", 't').kept(),
            with("user", 'u'),
            with("workdir", 'w'),
            on("privileged", '\0').refused(HOST),
            HELP,
        ],
    ),
    ("port", Compose::Port, &[with("index", '\0'), with("protocol", '\0'), HELP]),
    (
        "cp",
        Compose::Copy,
        &[on("archive", 'a').kept(), on("follow-link", 'L').kept(), with("index", '\0').kept(), HELP],
    ),
    (
        "config",
        Compose::Config,
        &[
            with("format", '\0'),
            on("images", '\0'),
            on("profiles", '\0'),
            on("quiet", 'q'),
            on("services", '\0'),
            on("volumes", '\0'),
            with("output", 'o').refused("it would be written on the host; redirect the output instead"),
            HELP,
        ],
    ),
];

/// Subcommands of `docker`, and of `docker container`.
pub(super) const DOCKER: &[(&str, Docker, &[Flag])] = &[
    (
        "ps",
        Docker::List,
        &[
            on("all", 'a'),
            with("filter", 'f').kept(),
            with("format", '\0'),
            with("last", 'n'),
            on("latest", 'l'),
            on("no-trunc", '\0'),
            on("quiet", 'q'),
            on("size", 's'),
            HELP,
        ],
    ),
    ("restart", Docker::Containers, &[with("signal", 's'), with("time", '\0').kept(), TIMEOUT, HELP]),
    ("stop", Docker::Containers, &[with("signal", 's'), with("time", '\0').kept(), TIMEOUT, HELP]),
    ("start", Docker::Containers, &[on("attach", 'a'), HELP]),
    ("kill", Docker::Containers, &[with("signal", 's'), HELP]),
    ("pause", Docker::Containers, &[HELP]),
    ("unpause", Docker::Containers, &[HELP]),
    ("wait", Docker::Containers, &[HELP]),
    ("rm", Docker::Containers, &[on("force", 'f'), on("volumes", 'v'), HELP]),
    ("inspect", Docker::Containers, &[with("format", 'f'), on("size", 's'), with("type", '\0').kept(), HELP]),
    (
        "logs",
        Docker::Containers,
        &[
            on("details", '\0'),
            on("follow", 'f'),
            with("since", '\0'),
            with("tail", 'n'),
            on("timestamps", 't'),
            with("until", '\0'),
            HELP,
        ],
    ),
    ("port", Docker::One, &[HELP]),
    ("top", Docker::One, &[HELP]),
    (
        "stats",
        Docker::Stats,
        &[on("all", 'a').kept(), with("format", '\0'), on("no-stream", '\0'), on("no-trunc", '\0'), HELP],
    ),
    (
        "exec",
        Docker::Exec,
        &[
            on("detach", 'd'),
            with("env", 'e').env(),
            on("interactive", 'i'),
            on("tty", 't'),
            with("user", 'u'),
            with("workdir", 'w'),
            on("privileged", '\0').refused(HOST),
            with("env-file", '\0').refused("it would be read on the host; use `--env`"),
            HELP,
        ],
    ),
    ("cp", Docker::Copy, &[on("archive", 'a').kept(), on("follow-link", 'L').kept(), on("quiet", 'q').kept(), HELP]),
];

/// Commands that people look for and do not find, and what to do instead.
pub(super) const INSTEAD: &[(&str, &str)] = &[
    ("run", "it would start a container that is no part of the stack: use `docker compose run --rm SERVICE …`"),
    ("create", "it would make a container that is no part of the stack: use `docker compose create SERVICE`"),
    ("build", "the drill has built the stack's images: use `docker compose up -d --build SERVICE`"),
    ("images", "the host's images are no part of the drill: use `docker compose images`"),
    ("events", "it never ends: use `docker compose logs` or `docker inspect`"),
    ("attach", "it never ends: use `docker logs`"),
    ("watch", "it never ends"),
    ("ls", "other projects are no part of the drill: use `docker compose ps`"),
    ("stats", "use `docker stats --no-stream`"),
];
