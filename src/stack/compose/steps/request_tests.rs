//! Command lines of runbooks, allowed and refused; and that no command line whatever reaches the host.

use super::*;
use crate::stack::compose::model::ProjectFiles;
use proptest::prelude::*;
use std::path::Path;

fn known() -> Known {
    let file = PathBuf::from("/repo/docker-compose.yml");
    let files = ProjectFiles { files: vec![file], directory: "/repo".into(), env_files: Vec::new() };
    let lookup = FileLookup::new(&files, Path::new("/repo"), Some("/work"));
    Known { team: "shop".into(), own: "fd-x-01234567".into(), lookup }
}

fn asked(line: &str) -> Result<StepRequest, NotDone> {
    asked_with(line, &[])
}

fn asked_with(line: &str, env: &[(&str, &str)]) -> Result<StepRequest, NotDone> {
    let mut words = line.split_whitespace().map(str::to_string);
    let program = words.next().unwrap();
    let env = env.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    parse(&ToolCall { program, args: words.collect(), cwd: "/work".into(), env, ..ToolCall::default() }, &known())
}

/// What the real command would be given.
fn given(line: &str) -> String {
    let ask = asked(line).unwrap_or_else(|refusal| panic!("{line}: {refusal}"));
    match ask.does {
        CallKind::Itself => ask.words.passed.join(" "),
        _ => [vec![ask.name.to_string()], ask.words.passed, vec!["--".into()], ask.words.rest].concat().join(" "),
    }
}

fn refused(line: &str) -> String {
    match asked(line) {
        Err(refusal) => refusal.why,
        Ok(ask) => panic!("{line}: {ask:?}"),
    }
}

#[test]
fn the_env_files_are_those_with_which_the_stack_was_made() {
    let files = ["/repo/prod.env", "/repo/more/site.env"].map(PathBuf::from);
    let file = PathBuf::from("/repo/docker-compose.yml");
    let files = ProjectFiles { files: vec![file], directory: "/repo".into(), env_files: files.to_vec() };
    let lookup = FileLookup::new(&files, Path::new("/repo"), Some("/work"));
    let known = Known { lookup, ..known() };
    for (line, refusal) in [
        ("--env-file prod.env --env-file=more/site.env up -d", ""),
        ("--env-file /work/prod.env --env-file ./more/site.env ps", ""),
        ("ps", ""),
        ("up -d", ""),
        ("-f more/compose.yml --env-file prod.env --env-file more/site.env ps", "that leads to no file of the stack"),
        ("--env-file prod.env ps", "not the env files of the scenario"),
        ("--env-file more/site.env --env-file prod.env up -d", "not the env files of the scenario"),
        ("--env-file staging.env --env-file more/site.env up -d", "not the env files of the scenario"),
    ] {
        let args = ["compose"].into_iter().chain(line.split(' ')).map(str::to_string).collect();
        let call = ToolCall { program: "docker".into(), args, cwd: "/work".into(), ..ToolCall::default() };
        let said = parse(&call, &known).err().map(|refusal| refusal.why).unwrap_or_default();
        assert_eq!(said.is_empty(), refusal.is_empty(), "{line}: {said}");
        assert!(said.contains(refusal), "{line}: {said}");
    }
    let env = [("COMPOSE_ENV_FILES".to_string(), "prod.env,more/site.env".to_string())];
    let args = ["compose", "up", "-d"].map(str::to_string).to_vec();
    let call =
        ToolCall { program: "docker".into(), args, cwd: "/work".into(), env: env.to_vec(), ..ToolCall::default() };
    assert!(parse(&call, &known).is_ok());
}

#[test]
fn what_the_environment_sends_elsewhere_is_refused() {
    for (name, value, allowed) in [
        ("DOCKER_HOST", "ssh://staging-01", false),
        ("DOCKER_HOST", "unix:///var/run/docker.sock", true),
        ("DOCKER_CONTEXT", "staging", false),
        ("DOCKER_CONTEXT", "default", true),
        ("COMPOSE_PROJECT_NAME", "shop-staging", false),
        ("COMPOSE_PROJECT_NAME", "shop", true),
        ("COMPOSE_FILE", "/srv/other/compose.yaml", false),
        ("COMPOSE_FILE", "/srv/shop/docker-compose.yml", false),
        ("COMPOSE_FILE", "docker-compose.yml", true),
        ("COMPOSE_FILE", "", true),
    ] {
        assert_eq!(asked_with("docker compose ps", &[(name, value)]).is_ok(), allowed, "{name}={value}");
    }
    assert!(asked_with("docker ps", &[("DOCKER_HOST", "tcp://10.0.0.1:2375")]).is_err());
    // The flag wins.
    assert!(asked_with("docker compose -p shop ps", &[("COMPOSE_PROJECT_NAME", "other")]).is_ok());
}

#[test]
fn compose_needs_a_file_where_it_stands_or_the_name_of_the_project() {
    let asked = |cwd: &str, line: &str| {
        let mut words = line.split(' ').map(str::to_string);
        let program = words.next().unwrap();
        let call = ToolCall { program, args: words.collect(), cwd: cwd.into(), ..ToolCall::default() };
        parse(&call, &known())
    };
    for line in [
        "docker compose restart web",
        "docker-compose ps",
        "docker compose -p shop up -d",
        "docker compose -p shop run web x",
    ] {
        let Err(NotDone { exit: NO_FILE, why: said }) = asked("/tmp", line) else { panic!("{line}") };
        assert!(said.starts_with("no configuration file provided: not found\n"), "{said}");
        assert!(said.contains("`/work/docker-compose.yml`") && said.contains("`/tmp` and above"), "{said}");
    }
    for (cwd, line) in [
        ("/tmp", "docker compose -p shop restart web"),
        ("/tmp", "docker compose -p shop exec web true"),
        ("/tmp", "docker compose -f /work/docker-compose.yml up -d"),
        ("/tmp", "docker compose --project-directory /work up -d"),
        ("/work/deeper", "docker compose restart web"),
    ] {
        assert!(asked(cwd, line).unwrap().of_compose, "{cwd}: {line}");
    }
    assert_eq!(asked("/tmp", "docker ps").unwrap().does, CallKind::List);
    assert_eq!(asked("/tmp", "docker compose version").unwrap().does, CallKind::Itself);
}

#[test]
fn what_runbooks_ask_for_is_understood() {
    for (line, expected) in [
        ("docker compose restart", "restart --"),
        ("docker compose restart checkout db", "restart -- checkout db"),
        ("docker compose restart -t5 checkout", "restart --timeout=5 -- checkout"),
        ("docker-compose restart --timeout 5 checkout", "restart --timeout=5 -- checkout"),
        ("docker compose -p shop restart checkout --no-deps", "restart --no-deps=true -- checkout"),
        ("docker compose -f /work/docker-compose.yml ps", "ps --"),
        ("docker compose -f ./docker-compose.yml --project-directory . ps", "ps --"),
        ("docker compose ps -q db", "ps --quiet=true -- db"),
        ("docker compose ps -aq --status=running", "ps --all=true --quiet=true --status=running --"),
        ("docker compose logs --tail=50 -t checkout", "logs --tail=50 --timestamps=true -- checkout"),
        ("docker compose logs -fn10 checkout", "logs --follow=true --tail=10 -- checkout"),
        ("docker compose exec -T db psql -U shop -c x", "exec --no-TTY=true -- db psql -U shop -c x"),
        ("docker compose exec -u root --index=2 db sh -- -x", "exec --user=root --index=2 -- db sh -- -x"),
        (
            "docker compose up -d --scale checkout=3 --no-recreate",
            "up --detach=true --scale=checkout=3 --no-recreate=true --",
        ),
        ("docker compose up --detach --remove-orphans --build db", "up --detach=true -- db"),
        ("docker compose up -d=true db", "up --detach=true -- db"),
        ("docker compose --profile debug up --wait db", "up --wait=true -- db"),
        ("docker compose down -v --timeout 3", "down --volumes=true --timeout=3 --"),
        ("docker compose run --rm -T db pg_dump -h db -v", "run --rm=true --no-TTY=true -- db pg_dump -h db -v"),
        ("docker compose scale checkout=2", "scale -- checkout=2"),
        ("docker compose cp db:/tmp/x ./x", "cp -- db:/tmp/x ./x"),
        ("docker compose rm -sf web", "rm --stop=true --force=true -- web"),
        ("docker compose version --short", "compose version --short=true"),
        ("docker-compose --version", "compose version"),
        ("docker ps", "ps --"),
        ("docker container ls -a", "ps --all=true --"),
        ("docker ps -qf name=checkout", "ps --quiet=true --"),
        ("docker ps --format {{.Names}}", "ps --format={{.Names}} --"),
        ("docker container restart -t 3 checkout", "restart --timeout=3 -- checkout"),
        ("docker stop --time 3 checkout", "stop --timeout=3 -- checkout"),
        ("docker exec -it checkout ps aux", "exec --interactive=true --tty=true -- checkout ps aux"),
        ("docker logs --since 5m shop-checkout-1", "logs --since=5m -- shop-checkout-1"),
        ("docker kill -s HUP checkout", "kill --signal=HUP -- checkout"),
        (
            "docker network connect --alias db shop_default shop-db-1",
            "network-connect --alias=db -- shop_default shop-db-1",
        ),
        ("docker update --cpus 1.5 -m 1g checkout", "update --cpus=1.5 --memory=1g -- checkout"),
        ("docker inspect -f {{.State.Status}} a b", "inspect --format={{.State.Status}} -- a b"),
        ("docker stats --no-stream", "stats --no-stream=true --"),
        ("docker top checkout -eo pid,cmd", "top -- checkout -eo pid,cmd"),
        ("docker cp checkout:/etc/hosts -", "cp -- checkout:/etc/hosts -"),
        ("docker --version", "--version"),
        ("docker compose restart --help", "compose restart --help"),
    ] {
        assert_eq!(given(line), expected, "{line}");
    }
}

#[test]
fn what_is_refused_says_why() {
    for (line, why) in [
        ("docker run --rm -v /:/host debian cat /host/etc/shadow", "docker compose run --rm"),
        ("docker build .", "up -d --build"),
        ("docker login", "`docker login` is not carried out in a drill; allowed are ps, restart"),
        (
            "docker compsoe up",
            "`docker compsoe` is not carried out in a drill (did you mean `docker compose`?); allowed are ps",
        ),
        ("docker system prune -af", "`docker system`"),
        ("docker container prune -f", "`docker prune`"),
        ("docker container", "`docker container`"),
        ("docker volume rm x", "`docker volume`"),
        ("docker network rm n", "`docker network`"),
        ("docker network connect n", "needs at least 2"),
        ("docker network connect --link x n c", "`--link` is not among"),
        ("docker -H tcp://1.2.3.4:2375 ps", "`--host` is not allowed in a drill: another engine"),
        ("docker --context other ps", "`--context`"),
        ("docker --config /tmp ps", "`--config`"),
        ("docker -D ps", "`-D` is not among the flags"),
        ("docker exec --privileged web sh", "`--privileged` is not allowed in a drill: it reaches the host"),
        ("docker exec --env-file /etc/shadow web env", "`--env-file`"),
        ("docker exec web", "needs at least 2"),
        ("docker stats", "--no-stream"),
        ("docker stats --no-stream=false", "--no-stream"),
        ("docker inspect --type volume x", "only containers"),
        ("docker ps extra", "takes no arguments"),
        ("docker top web -C$(id)", "is no option"),
        ("docker cp web:/a db:/b", "container to container"),
        ("docker cp a b", "one end of a copy"),
        ("docker cp a", "needs at least 2"),
        ("docker rename web x", "`docker rename`"),
        ("docker update --kernel-memory 1g web", "`--kernel-memory` is not among"),
        ("docker compose up checkout", "without `-d`"),
        ("docker compose up -d --detach=false", "without `-d`"),
        ("docker compose up -d --pull always", "`--pull` may be"),
        ("docker compose up -d --scale checkout=1000", "at most 100"),
        ("docker compose up -d --scale fd-agent=0", "Firedrill's own"),
        ("docker compose scale checkout", "expected SERVICE=NUMBER"),
        (
            "docker compose -f other.yml up -d",
            "`-f other.yml`: that leads to no file of the stack, which is `/work/docker-compose.yml`",
        ),
        ("docker compose -f /srv/shop/docker-compose.yml ps", "where the project lies in production"),
        ("docker compose -f - up -d", "`-f -`"),
        ("docker compose -f docker-compose.yml -f override.yml up -d", "override.yml"),
        ("docker compose -p other down", "`-p other`"),
        ("docker compose --env-file x up -d", "`--env-file x`: these are not the env files"),
        ("docker compose --profile * up -d", "no name of a profile"),
        ("docker compose run -v /:/host db sh", "`--volume`"),
        ("docker compose run --volume=/:/host db sh", "`--volume`"),
        ("docker compose run -p 80:80 db sh", "`--publish`"),
        ("docker compose run -P db sh", "`--service-ports`"),
        ("docker compose run --cap-add ALL db sh", "`--cap-add`"),
        ("docker compose run --privileged db sh", "`--privileged` is not among"),
        ("docker compose run -l dev.firedrill.run=x db sh", "`--label`"),
        ("docker compose run --name x db sh", "`--name`"),
        ("docker compose exec --privileged db sh", "`--privileged`"),
        ("docker compose exec fd-toolbox sh", "Firedrill's own"),
        ("docker compose exec db", "`docker compose exec` needs at least 2"),
        ("docker compose kill fd-agent", "Firedrill's own"),
        ("docker compose cp fd-agent:/x x", "Firedrill's own"),
        ("docker compose restart ../x", "no name of a service"),
        ("docker compose restart -- --all", "no name of a service"),
        ("docker compose config -o /etc/x", "`--output`"),
        ("docker compose down --rmi all", "`--rmi`"),
        ("docker compose ls", "other projects"),
        ("docker compose build", "up -d --build"),
        ("docker compose push", "`docker compose push`"),
        ("docker compose restart --timeout", "`--timeout` needs a value"),
        ("podman ps", "`podman`"),
    ] {
        let said = refused(line);
        assert!(said.contains(why), "{line}: {said}");
    }
}

#[test]
fn a_variable_without_a_value_never_comes_from_the_runner() {
    let given = |line: &str, env: &[(&str, &str)]| {
        let StepRequest { does: CallKind::Exec, words, .. } = asked_with(line, env).unwrap() else { panic!("{line}") };
        assert_eq!(words.passed, Vec::<String>::new(), "a command line can be read by others");
        words.env
    };
    for line in ["docker compose exec -e HOME -e A=1 -eB db env", "docker exec -e HOME -e A=1 -eB db env"] {
        let pair = |name: &str, value: &str| (name.to_string(), value.to_string());
        assert_eq!(given(line, &[("B", "of the step")]), [pair("A", "1"), pair("B", "of the step")]);
        assert_eq!(given(line, &[]), [pair("A", "1")]);
    }
}

#[test]
fn the_ends_of_a_copy_are_told_apart() {
    for (text, expected) in [
        ("-", None),
        ("./a:b", None),
        ("/a:b", None),
        ("a/b:c", None),
        ("db:/tmp/x:y", Some(("db", "/tmp/x:y"))),
        ("x", None),
    ] {
        assert_eq!(in_container(text), expected, "{text}");
    }
}

/// Words from which lines that might lead out are made.
const DANGEROUS: &[&str] = &[
    "-v",
    "-v=/:/h",
    "--volume",
    "--volume=/:/h",
    "--mount",
    "--mount=type=bind,src=/,dst=/h",
    "/:/h",
    "--privileged",
    "--privileged=true",
    "--network",
    "host",
    "--network=host",
    "--pid=host",
    "--device=/dev/sda",
    "--cap-add=ALL",
    "-H",
    "tcp://x",
    "--host=x",
    "--context=x",
    "--config=/",
    "-f",
    "/etc/x.yml",
    "--file=-",
    "--env-file=/x",
    "-o",
    "--output=/x",
    "--",
    "-",
    "--name=x",
    "-p",
    "80:80",
    "--rm",
    "-d",
    "run",
    "up",
    "exec",
    "cp",
    "compose",
    "container",
    "web",
    "fd-agent",
    "web:/x",
    "/etc/shadow",
    "-e",
    "HOME",
    "ps",
    "inspect",
    "--type=volume",
    "system",
    "prune",
    "--detach",
    "config",
    "restart",
];

/// What must never stand among the flags that the real command is given.
fn leads_out(passed: &[String]) -> bool {
    const OUT: &[&str] = &[
        "--volume=", "--mount", "--privileged", "--network", "--pid", "--device", "--cap-add", "--host", "--context",
        "--config", "--file", "--env-file", "--output", "--name", "--publish", "--label", "--type",
    ];
    passed.iter().any(|flag| !flag.starts_with("--") || OUT.iter().any(|out| flag.starts_with(out)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_command_line_makes_it_panic(args in proptest::collection::vec(".{0,12}", 0..6), compose in any::<bool>()) {
        let program = if compose { "docker-compose" } else { "docker" };
        let _ = parse(&ToolCall { program: program.into(), args, ..ToolCall::default() }, &known());
    }

    #[test]
    fn nothing_that_reaches_the_host_is_ever_passed_on(
        words in proptest::collection::vec(proptest::sample::select(DANGEROUS), 0..9),
        compose in any::<bool>(),
    ) {
        let program = if compose { "docker-compose" } else { "docker" };
        let args = words.iter().map(|word| word.to_string()).collect();
        match parse(&ToolCall { program: program.into(), args, ..ToolCall::default() }, &known()) {
            Ok(ask) if ask.does == CallKind::Itself => {
                prop_assert!(ask.words.passed.iter().all(|arg| !arg.contains('/')), "{:?}", ask);
            }
            Ok(ask) => {
                prop_assert!(!leads_out(&ask.words.passed), "{:?}", ask);
                if ask.of_compose && ask.does != CallKind::Copy {
                    prop_assert!(!ask.words.rest.first().is_some_and(|name| name.starts_with(['-', '/'])), "{:?}", ask);
                }
            }
            Err(why) => prop_assert_ne!(why.exit, NO_FILE, "it is in the project's directory"),
        }
    }
}
