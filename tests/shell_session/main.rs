//! The shell session over real pipes: the built executable runs as `firedrill shell`, as it does inside a container.

mod calls;
mod rig;

use firedrill::record::Stream;
use firedrill::shell::{SessionVar, Shell, ShellError};
use firedrill::stack::{Channel, NoTools};
use rig::{LONG, Rig, alive, poll, supervisor, whole};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[tokio::test]
async fn state_carries_over() {
    let mut rig = Rig::with(&[("GIVEN", "a 'b'\n$c"), ("odd.name", "kept")], |_| {}).await;
    assert_eq!(rig.out("echo \"$GIVEN\"; env | grep ^odd").await, "a 'b'\n$c\nodd.name=kept\n");
    rig.out("cd /usr; x=1; export E='ex p'; declare -i n=40; declare -r R=ro; arr=(1 '2 3' [7]=x)").await;
    rig.out("declare -A map=([k]=v ['a b']=$'new\\nline \"q\" \\u00e9 $(no)'); declare -n ref=x; declare nothing")
        .await;
    rig.out("f() { echo \"f $1\"; }; export -f f; alias ll='echo aliased'; umask 027; set -- a '' $'b\\nc'").await;
    rig.out("shopt -s nullglob extglob; set -o pipefail -o noglob; trap 'echo usr' USR1; IFS=,").await;
    assert_eq!(
        rig.out("pwd; echo \"$x\" \"$E\" \"$R\" \"${#arr[@]}\" \"${arr[1]}\" \"$ref\"").await,
        "/usr\n1 ex p ro 3 2 3 1\n"
    );
    assert_eq!(
        rig.out("n+=2; echo $n; echo \"${map[k]}${map[a b]}\"; env | grep ^E=").await,
        "42\nvnew\nline \"q\" é $(no)\nE=ex p\n"
    );
    assert_eq!(
        rig.out("f 1; bash -c 'f 2'; ll 3; umask; echo $# \"[$2]\" \"$3\"").await,
        "f 1\nf 2\naliased 3\n0027\n3 [] b\nc\n"
    );
    assert_eq!(
        rig.out("shopt -q nullglob && shopt -q extglob && echo $SHELLOPTS $-; kill -USR1 $$; echo \"${arr[*]:0:2}\"")
            .await
            .matches("pipefail")
            .count(),
        1
    );
    assert_eq!(
        rig.out("declare -p nothing ref R n E").await,
        "declare -- nothing\ndeclare -n ref=\"x\"\ndeclare -r R=\"ro\"\ndeclare -i n=\"42\"\ndeclare -x E=\"ex p\"\n"
    );
    rig.out("unset x E PATH HOME IFS arr; unset -f f; unalias ll; unset -n ref").await;
    assert_eq!(
        rig.out("echo ${x-no} ${E-no} ${PATH-no} ${HOME-no} ${IFS-no} ${arr-no} ${ref-no}").await,
        "no no no no no no no\n"
    );
    let ran = rig.run("f; ll").await;
    assert_eq!(
        (ran.exit, ran.err.matches("not found").count() + ran.err.matches("No such file").count()),
        (127, 2),
        "{ran:?}"
    );
}

#[tokio::test]
async fn another_session_goes_on_with_a_saved_state_and_changes_nothing_in_the_first() {
    let mut first = Rig::with(&[("GIVEN", "a 'b'\n$c"), ("odd.name", "kept")], |_| {}).await;
    first.out("cd /usr; x=1; export E='ex p'; f() { echo \"f $1\"; }; set -o pipefail; arr=(1 '2 3')").await;
    let saved = first.shell.save().await.unwrap();
    let mut second = Rig::new().await;
    second.shell.restore(saved.clone()).await.unwrap();
    assert_eq!(
        second.out("pwd; echo $x \"$GIVEN\" \"${arr[1]}\"; f 2; env | grep -e ^odd -e ^E=; shopt -qo pipefail").await,
        "/usr\n1 a 'b'\n$c 2 3\nf 2\nodd.name=kept\nE=ex p\n"
    );
    assert!(!std::path::Path::new(&saved).exists(), "what was written down is gone");
    second.out("cd /; x=2").await;
    assert_eq!(first.out("pwd; echo $x").await, "/usr\n1\n");
    // A state that is not there ends the session instead of running commands without it.
    let mut third = Rig::new().await;
    third.shell.restore(saved).await.unwrap();
    assert!(third.shell.run("true", false, LONG, |_, _| {}).await.is_err());
}

#[tokio::test]
async fn a_session_in_another_container_goes_on_with_what_the_lost_one_knew() {
    let container = |host: &'static str| {
        move |command: &mut tokio::process::Command| {
            command.env("HOSTNAME", host);
        }
    };
    let mut first = Rig::with(&[("GIVEN", "a 'b'\n$c")], container("old")).await;
    first.out("cd /usr; x=1; export E='ex p'; f() { echo \"f $1\"; }; set -o pipefail; arr=(1 '2 3')").await;
    let known = first.shell.export().await.unwrap().expect("a small state");
    drop(first);
    let mut second = Rig::with(&[], container("new")).await;
    second.shell.import(&known).await.unwrap();
    second.shell.set(&[SessionVar::exported("LATER", Some("on"))]).await.unwrap();
    assert_eq!(
        second.out("pwd; echo $x \"$GIVEN\" \"${arr[1]}\" $LATER; f 2; env | grep ^E=; shopt -qo pipefail").await,
        "/usr\n1 a 'b'\n$c 2 3 on\nf 2\nE=ex p\n"
    );
    assert_eq!(
        second.out("echo $HOSTNAME; type -t docker").await,
        "new\nfile\n",
        "the container's own is as it is here"
    );
    // More than can be carried about is not.
    second.out("big=$(head -c 2000000 /dev/zero | tr '\\0' x)").await;
    assert!(second.shell.export().await.unwrap().is_none());
    assert_eq!(second.out("echo on").await, "on\n");
}

#[tokio::test]
async fn a_command_is_ended_from_elsewhere_and_the_one_that_waits_is_told() {
    let mut rig = Rig::new().await;
    let pid = rig.tmp.path().join("pid");
    let canceller = rig.shell.canceller();
    let text = format!("echo $$ > {}; sleep 600", pid.display());
    let mut out = String::new();
    let running = rig.shell.run(&text, false, Duration::MAX, |_, text| out.push_str(&text));
    let cancel = async {
        poll("pid", || std::fs::read_to_string(&pid).is_ok_and(|text| text.ends_with('\n'))).await;
        canceller.cancel().await;
    };
    let (result, ()) = tokio::join!(running, cancel);
    let result = result.unwrap();
    assert!(result.exit != 0 && !result.timed_out, "{result:?}");
    let pid: i32 = std::fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
    assert!(!alive(pid));
    assert_eq!(rig.out("echo on").await, "on\n");
}

#[tokio::test]
async fn status_pipe_status_and_last_argument_carry_over() {
    let mut rig = Rig::new().await;
    assert_eq!(rig.run("false | true | (exit 3)").await.exit, 3);
    assert_eq!(rig.out("echo $? ${PIPESTATUS[@]}").await, "3 1 0 3\n");
    assert_eq!(rig.out("true 'a b'").await, "");
    assert_eq!(rig.out("echo \"$_\"").await, "a b\n");
    rig.run("set -eo pipefail; false | true").await;
    assert_eq!(rig.out("echo $? ${PIPESTATUS[@]}; set +eo pipefail").await, "1 1 0\n");
    rig.run("[[ abc =~ b(.) ]]").await;
    assert_eq!(rig.out("echo ${BASH_REMATCH[1]}").await, "c\n");
    rig.out("cd /usr; pushd /tmp >/dev/null; pushd /etc >/dev/null").await;
    assert_eq!(rig.out("popd; dirs -l -p; echo $OLDPWD").await, "/tmp /usr\n/tmp\n/usr\n/etc\n");
}

#[tokio::test]
async fn variables_are_set_and_taken_away_from_outside() {
    let mut rig = Rig::with(&[("GIVEN", "x"), ("odd.name", "x")], |_| {}).await;
    rig.out("OWN=1; export GIVEN=changed").await;
    rig.shell
        .set(&[SessionVar::exported("GIVEN", Some("a 'b'")), SessionVar::exported("NEW", Some("y"))])
        .await
        .unwrap();
    assert_eq!(rig.out("env | grep -e ^GIVEN= -e ^NEW=; echo $OWN").await, "GIVEN=a 'b'\nNEW=y\n1\n");
    rig.shell.set(&["NEW", "GIVEN", "odd.name"].map(|name| SessionVar::exported(name, None))).await.unwrap();
    assert_eq!(rig.out("echo ${NEW-no} ${GIVEN-no} $OWN; env | grep -c ^odd || :").await, "no no 1\n0\n");
}

#[tokio::test]
async fn what_is_typed_is_not_exported() {
    let typed = |name: &str, value: &str| SessionVar { exported: false, ..SessionVar::exported(name, Some(value)) };
    let mut rig = Rig::with(&[("GIVEN", "x")], |_| {}).await;
    rig.shell.set(&[typed("NEW", "a 'b'"), typed("GIVEN", "y")]).await.unwrap();
    assert_eq!(rig.out("echo \"$NEW\" $GIVEN; env | grep -e ^NEW= -e ^GIVEN=").await, "a 'b' y\nGIVEN=y\n");
    let ran = rig.run("timeout 9 bash -c 'echo $NEW'").await;
    let why = "`$NEW` is not exported, and another shell reads it: `export NEW`, or give it in `respond.env`";
    assert_eq!((ran.exit, ran.result.lacks.as_deref()), (78, Some(why)), "{ran:?}");
    rig.out("export NEW").await;
    rig.shell.set(&[typed("NEW", "z")]).await.unwrap();
    assert_eq!(rig.out("bash -c 'echo $NEW'").await, "z\n");
}

#[tokio::test]
async fn a_session_has_a_user_and_a_place_for_temporary_files() {
    let mut rig = Rig::new().await;
    let text =
        "echo \"${USER:?} ${LOGNAME:?}\"; [ -d \"${TMPDIR:?}\" ]; env | grep -c -e ^USER= -e ^LOGNAME= -e ^TMPDIR=";
    let user = String::from_utf8(std::process::Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
    assert_eq!(rig.out(text).await, format!("{0} {0}\n3\n", user.trim()));
}

#[tokio::test]
async fn the_exit_codes_of_a_pipe_are_told_and_pipefail_stays_as_it_is() {
    let mut rig = Rig::new().await;
    for (text, exit, pipe) in [
        ("no-such-program | cat", 0, &[127, 0][..]),
        ("true | /etc/passwd | cat", 0, &[0, 126, 0]),
        ("{ false | cat; }", 0, &[1, 0]),
        ("echo x | xargs no-such-program", 127, &[0, 127]),
        ("echo x | xargs no-such-program | cat", 0, &[0, 127, 0]),
        ("true", 0, &[0]),
    ] {
        let ran = rig.run(text).await;
        assert_eq!((ran.exit, ran.result.pipe.as_slice()), (exit, pipe), "{text}: {ran:?}");
    }
    assert_eq!(rig.run("set -o pipefail; false | true").await.exit, 1);
    assert_eq!(rig.run("false | true").await.result.pipe, [1, 0]);
}

#[tokio::test]
async fn the_session_survives_what_ends_a_bash() {
    let mut rig = Rig::new().await;
    rig.out("x=kept; cd /usr").await;
    for (text, exit) in [
        ("x=lost; exit 3", 3),
        ("x=1; exec true", 0),
        ("set -u; echo $nope", 1),
        ("set +u; echo )", 2),
        ("if true; then", 2),
        ("kill -9 $$", 137),
        ("kill $$", 143),
        ("nope_nope", 127),
        ("/etc/passwd", 126),
        ("return 1", 2),
        ("set -n; echo no", 0),
    ] {
        assert_eq!(rig.run(text).await.exit, exit, "{text}");
        assert_eq!(rig.out("echo $?").await, format!("{exit}\n"), "{text}");
    }
    assert_eq!(rig.out("echo $x; pwd").await, "lost\n/usr\n");
}

#[tokio::test]
async fn a_command_without_the_value_that_it_reads_is_not_run() {
    let mut rig = Rig::with(&[("GIVEN", "")], |_| {}).await;
    rig.out("if false; then C=web; fi; set -o pipefail; trap 'echo bye' EXIT").await;
    for (text, name, why) in [
        ("touch ran $C", "C", "is not set"),
        ("cd /usr && touch ran \"x$C\"", "C", "is not set"),
        ("cat > ran <<E\n$C\nE", "C", "is not set"),
    ] {
        let ran = rig.run(text).await;
        assert_eq!((ran.exit, ran.out.as_str(), ran.result.left_shell), (78, "", false), "{text}: {ran:?}");
        assert!(ran.err.starts_with(&format!("firedrill: `${name}` {why}")), "{ran:?}");
        assert_eq!(ran.result.lacks, Some(format!("`${name}` {why}")));
    }
    assert_eq!(rig.run("exit 78").await.result.lacks, None, "it ends so itself");
    assert_eq!(rig.run("F=$(false); true").await.exit, 0);
    rig.out("N=$(true); export E=$(true); O=$(false) || true; Z=; GIVEN=$GIVEN; mapfile -t L < <(true); Q=($(echo a))")
        .await;
    for text in [
        "touch ran \"${L[@]}\"", "touch ran ${L[*]}", "touch ran $N", "touch ran ${E}", "touch ran $F",
        "rm -rf \"$N\"/ran ran",
    ] {
        let ran = rig.run(text).await;
        assert!(ran.exit == 78 && ran.err.contains("` is empty: nothing was found for it ("), "{text}: {ran:?}");
    }
    assert_eq!(rig.out("test ! -e ran; echo $? $(pwd | grep -c /usr)").await, "0 0\n");
    // What is said of a variable, or asked, is as the one who wrote it meant it.
    for text in [
        "touch a ${C:-} ${N:-}",
        "[ -n \"$N\" ] && touch ran $N; true",
        "for n in $N; do touch ran; done",
        "touch a $O $Z $GIVEN",
        "touch \"${Q[@]}\"",
        "touch a \"x$N\"",
        "touch a ${GIVEN-$C} ${C:+x$C}",
        "touch a $N; true",
        "touch a $(if false; then echo $C; fi)",
        "declare $(echo K=a) && touch $K",
        "((++M)); touch a $M",
        "test -z \"$C\" || touch $C",
        "echo \"found: $N\" >/dev/null",
        "declare -A map=([k]=v); arr=([7]=x); empty=()",
        "touch a ${map[k]} ${arr[7]} ${empty[@]}",
        "f() { touch a$1; }; f",
        "test -e ran || true; (exit 0)",
        "shopt -qo pipefail",
    ] {
        assert_eq!(rig.run(text).await.exit, 0, "{text}");
    }
    rig.shell.set(&[SessionVar::exported("N", Some(""))]).await.unwrap();
    rig.out("touch a $N; test ! -e ran").await;
    rig.out("N=$(true)").await;
    let saved = rig.shell.save().await.unwrap();
    let mut other = Rig::new().await;
    other.shell.restore(saved).await.unwrap();
    assert_eq!(other.run("touch a $N").await.exit, 78);
}

#[tokio::test]
async fn errexit_ends_the_command_and_not_the_session() {
    let mut rig = Rig::new().await;
    rig.out("set -e; a=1").await;
    let ran = rig.run("a=2; false; echo unreachable").await;
    assert_eq!((ran.exit, ran.out.as_str()), (1, ""));
    // Still on, and the failed command before does not end this one.
    assert_eq!(rig.out("echo $? $a").await, "1 2\n");
    assert_eq!(rig.run("false; echo unreachable").await.out, "");
    assert_eq!(rig.out("set +e; false; echo reached").await, "reached\n");
}

#[tokio::test]
async fn what_ends_its_own_bash_is_told() {
    let mut rig = Rig::new().await;
    for (text, left_shell) in [
        ("[ -e /nothing ] || exit 0", true),
        ("[ -e / ] || exit 0", false),
        ("f() { exit 0; }; f", true),
        ("(exit 0); exit_code=0", false),
        ("exec true", true),
        ("exec 3>/dev/null", false),
        ("false", false),
        ("set -e; false", true),
        ("set -e; true", false),
        ("trap 'echo bye' EXIT; exit 0", true),
    ] {
        assert_eq!(rig.run(text).await.result.left_shell, left_shell, "{text}");
    }
}

#[tokio::test]
async fn exit_inside_functions_leaves_no_locals_behind() {
    let mut rig = Rig::new().await;
    rig.out("set -- p q; x=global; f() { local x=f only=f; g arg; }; g() { local x=g arr=(1) ; y=set; exit 7; }").await;
    assert_eq!(rig.run("f").await.exit, 7);
    assert_eq!(rig.out("echo $? $x $y ${only-none} ${arr-none} $# $1").await, "7 global set none none 2 p\n");
}

#[tokio::test]
async fn an_exit_trap_runs_when_the_user_exits_and_not_between_commands() {
    let mut rig = Rig::new().await;
    assert_eq!(rig.out("tmp=$(mktemp); trap 'echo \"bye $?\"; rm \"$tmp\"' EXIT").await, "");
    assert_eq!(
        rig.out("test -e \"$tmp\" && trap -p; x=$(trap -p EXIT); echo \"$x\"").await,
        "trap -- 'echo \"bye $?\"; rm \"$tmp\"' EXIT\ntrap -- 'echo \"bye $?\"; rm \"$tmp\"' EXIT\n"
    );
    let ran = rig.run("v=saved; exit 5").await;
    assert_eq!((ran.exit, ran.out.as_str(), ran.err.as_str()), (5, "bye 5\n", ""));
    assert_eq!(rig.out("echo $? $v; trap -p; test ! -e \"$tmp\"").await, "5 saved\n");
    let ran = rig.run("trap 'echo one' EXIT; trap 'echo two; exit 9' 0; w=1; exit 1").await;
    assert_eq!((ran.exit, ran.out.as_str()), (9, "two\n"));
    assert_eq!(rig.out("trap 'echo no' EXIT; trap - EXIT; (trap 'echo sub' EXIT); echo $w").await, "sub\n1\n");
    assert_eq!(rig.run("trap 'echo on error' EXIT; set -e; false").await.out, "on error\n");
    assert_eq!(rig.run("set +e; trap 'echo \"ERR $?\"' ERR; (exit 4)").await.out, "ERR 4\n");
    assert_eq!(rig.run("false").await.out, "ERR 1\n");
    assert_eq!(rig.run("trap - ERR; false").await.out, "");
    assert_eq!(rig.run("trap x NOSUCH").await.exit, 1);
}

#[tokio::test]
async fn options_of_every_kind_do_not_break_the_session() {
    let mut rig = Rig::new().await;
    let ran = rig.run("set -x").await;
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", ""));
    let ran = rig.run("echo hi").await;
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("hi\n", "+ echo hi\n"));
    rig.run("set +x").await;
    assert_eq!(rig.run("set -v").await.err, "");
    // The first line has been read by the time the option is on again.
    assert_eq!(rig.run("echo v\necho w").await.err, "echo w\n");
    rig.run("set +v").await;
    rig.out("set -o posix -o noclobber -o noglob -o allexport -o errtrace -o functrace -o physical -o keyword; q=1")
        .await;
    assert_eq!(rig.out("env | grep -c -e ^q=1 -e __firedrill -e BASH_ENV; echo *").await, "1\n*\n");
    rig.out("set +o posix +o noclobber +o noglob +o allexport +o errtrace +o functrace +o physical +o keyword").await;
    rig.out(
        "shopt -s nocasematch failglob localvar_inherit localvar_unset lastpipe inherit_errexit extdebug; m=Up; M=Down",
    )
    .await;
    assert_eq!(rig.out("shopt -q nocasematch && echo $m $M").await, "Up Down\n");
    rig.out("set -eu -o pipefail -o monitor; printf() { echo mine; }; declare() { echo mine; }; read() { :; }").await;
    assert_eq!(rig.out("printf; declare; echo $m").await, "mine\nmine\nUp\n");
}

#[tokio::test]
async fn nothing_of_ours_shows() {
    let mut rig = Rig::with(&[], |command| {
        command.env("BASH_ENV", "/nonexistent/env").env("SHELLOPTS", "xtrace");
    })
    .await;
    rig.out("x=1").await;
    // But for the PATH, in which the programs are that steps call.
    assert_eq!(
        rig.out(
            "compgen -v | grep __; env | grep -v ^PATH= | grep -e __ -e firedrill-shell; echo \"$BASH_ENV\" $0 $LINENO"
        )
        .await,
        "/nonexistent/env bash 1\n"
    );
    let ran = rig.run("echo one\nnope\n\nf() {\n  nope2\n}\nf").await;
    assert_eq!(ran.err, "bash: line 2: nope: command not found\nbash: line 5: nope2: command not found\n");
    let ran = rig.run("echo )").await;
    assert_eq!(ran.err, "bash: line 1: syntax error near unexpected token `)'\nbash: line 1: `echo )'\n");
    assert_eq!(rig.out("tr '\\0' ' ' </proc/$$/cmdline").await.rsplit_once('/').unwrap().1, "bash bash ");
}

#[tokio::test]
async fn a_watched_command_tells_what_its_shell_came_to() {
    let mut rig = Rig::new().await;
    for (text, exit, ran) in [
        ("if false; then touch no; fi", 0, &["false"][..]),
        ("false && touch no", 1, &["false"]),
        ("true && touch yes >/dev/null 2>&1", 0, &["touch yes > /dev/null 2>&1", "true"]),
        ("for i in $(true); do touch no; done", 0, &["true"]),
        ("for i in 1 2; do test -e no && touch no; done", 1, &["for i in 1 2", "test -e no"]),
        ("case x in y) touch no ;; esac", 0, &["case x in "]),
        ("[[ -e no ]] || echo x | cat", 0, &["[[ -e no ]]", "cat", "echo x"]),
        ("(touch yes) && true", 0, &["touch yes", "true"]),
        ("(false && touch no) || true", 0, &["false", "true"]),
        ("echo x | while read x; do test -e no && touch no; done", 1, &["echo x", "read x", "test -e no"]),
        ("f() { test -e no || return 0; touch no; }; f x", 0, &["f ()", "return 0", "test -e no"]),
        ("f >/dev/null; X=1 f | cat", 0, &["X=1 f", "cat", "f ()", "return 0", "test -e no"]),
        ("true && exit 4", 4, &["exit 4", "true"]),
        ("true && exec false", 1, &["exec false", "true"]),
        ("while read x; do touch $x; done </dev/null", 0, &["read x"]),
        ("until false; do true && break; done", 0, &["break", "false", "true"]),
    ] {
        let done = rig.watched(text).await;
        // The programs of a pipe run at the same time.
        let mut said = done.result.ran.clone().unwrap_or_default();
        said.sort();
        assert_eq!(
            (done.exit, done.err.as_str(), said),
            (exit, "", ran.iter().map(|t| t.to_string()).collect()),
            "{text}"
        );
    }
    assert_eq!(rig.out("test ! -e no; echo $?").await, "0\n");
    assert_eq!(rig.run("true").await.result.ran, None);
    // Each stands where it ran last.
    let waited = rig.watched("until false || [ $((n++)) -ge 2 ]; do true; done").await;
    assert_eq!(waited.result.ran.unwrap(), ["true", "false", "[ $((n++)) -ge 2 ]"]);
    // Of a function that is not watched itself only its call is known.
    assert_eq!(rig.watched("f; trap : USR1").await.result.ran.unwrap(), ["f", "trap : USR1"]);
    // Behind so many nobody knows what else ran.
    let many = rig.watched("i=0; while (( i++ < 9000 )); do :; done; touch more").await.result.ran.unwrap();
    assert!(many.contains(&String::new()) && !many.contains(&"touch more".to_string()), "{many:?}");
    // What cannot be noted is not known.
    assert_eq!(rig.watched("rm -rf \"$TMPDIR\"/firedrill-shell-*/c*; true").await.result.ran, None);
}

#[tokio::test]
async fn a_watched_command_is_as_any_other() {
    let mut rig = Rig::new().await;
    assert_eq!(rig.run("false | true | (exit 3)").await.exit, 3);
    assert_eq!(rig.watched("echo $? ${PIPESTATUS[@]}; false; echo $?").await.out, "3 1 0 3\n1\n");
    rig.out("true 'a b'").await;
    assert_eq!(
        rig.watched("echo \"$_\"; true x; echo \"$_\"; false | true; echo ${PIPESTATUS[@]}").await.out,
        "a b\nx\n1 0\n"
    );
    assert_eq!(rig.out("echo \"$_\" ${PIPESTATUS[@]}").await, "0 0\n");
    rig.out("set -eu").await;
    let ran = rig.watched("false && true; echo on").await;
    assert_eq!((ran.exit, ran.out.as_str(), ran.result.left_shell), (0, "on\n", false));
    let ran = rig.watched("true && true; false; echo on").await;
    assert_eq!((ran.exit, ran.out.as_str(), ran.result.left_shell), (1, "", true));
    rig.out("set +eu").await;
    rig.watched("(false) || true").await;
    assert_eq!(rig.out("shopt -o functrace; true").await, "functrace      \toff\n");
    let ran = rig.watched("true &&\n no-such-program; set -xv; true\nset +xv").await;
    assert_eq!(ran.err, "bash: line 2: no-such-program: command not found\n+ true\nset +xv\n+ set +xv\n");
    // Traps are the user's, and nothing of ours is among them.
    rig.out("trap 'echo usr' USR1").await;
    assert_eq!(rig.watched("trap -p; kill -USR1 $$").await.out, "trap -- 'echo usr' SIGUSR1\nusr\n");
    let ran = rig.watched("true && trap 'echo mine' DEBUG; f=1").await;
    assert!(ran.out.ends_with("mine\n") && ran.err.is_empty(), "{ran:?}");
    assert_eq!(ran.result.ran.unwrap(), ["true", "trap 'echo mine' DEBUG"]);
    assert_eq!(rig.out("trap -p; echo ${__firedrill_left-none}").await, "trap -- 'echo usr' SIGUSR1\nnone\n");
}

#[tokio::test]
async fn commands_are_text_of_any_kind() {
    let mut rig = Rig::new().await;
    assert_eq!(rig.out("").await, "");
    assert_eq!(rig.out("# a comment").await, "");
    assert_eq!(rig.out("cat <<'X'\n$a \"b\"\nX").await, "$a \"b\"\n");
    assert_eq!(rig.out("echo a \\\n  b").await, "a b\n");
    assert_eq!(rig.run("cat <<X\nno end").await.out, "no end\n");
    assert_eq!(rig.out("read x; echo \"$? [$x]\"; cat").await, "1 []\n");
    let long = "x".repeat(300_000);
    assert_eq!(rig.out(&format!("v={long}; echo ${{#v}}")).await, "300000\n");
    assert_eq!(rig.out("echo ${#v}").await, "300000\n");
    let ran = rig.run("echo a\0b").await;
    assert_eq!(ran.exit, 126);
    assert!(ran.err.contains("NUL"), "{ran:?}");
    assert_eq!(rig.out("echo on").await, "on\n");
}

#[tokio::test]
async fn output_is_kept_apart_and_streamed_as_it_comes() {
    let mut rig = Rig::new().await;
    let gate = rig.file("gate");
    let text = format!(
        "printf 'caf\\xc3'; until test -e {}; do read -t 0.01 <> <(:); done; printf '\\xa9\\n\\xff'; echo err >&2",
        gate.display()
    );
    let (mut out, mut err) = (String::new(), String::new());
    let run = rig.shell.run(&text, false, LONG, |stream, text| match stream {
        Stream::Stdout => {
            out.push_str(&text);
            // The command waits for this: only what is streamed before its end lets it go on.
            std::fs::write(&gate, "").unwrap();
        }
        Stream::Stderr => err.push_str(&text),
    });
    assert_eq!(run.await.unwrap().exit, 0);
    assert_eq!((out.as_str(), err.as_str()), ("café\n\u{FFFD}", "err\n"));
}

#[tokio::test]
async fn endless_output_neither_blocks_nor_grows() {
    let mut rig = Rig::new().await;
    let size = 1_u64 << 30;
    let ran = rig
        .run(&format!("echo begin; head -c {size} /dev/zero | tr '\\0' x; echo end; head -c 5000000 /dev/zero >&2"))
        .await;
    assert_eq!(ran.exit, 0);
    let kept = u64::try_from(ran.out.len() + ran.err.len()).unwrap();
    assert!(ran.out.starts_with("begin\nx") && ran.out.ends_with("xend\n"));
    assert_eq!(kept + ran.result.omitted, size + 10 + 5_000_000);
    assert!(kept <= 1 << 20, "{kept}");
    let status = std::fs::read_to_string(format!("/proc/{}/status", rig.child.id().unwrap())).unwrap();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 60_000, "{peak} kB");
}

#[tokio::test]
async fn a_deadline_ends_the_whole_group_and_the_state_is_the_last_one() {
    let mut rig = Rig::new().await;
    rig.out("x=before").await;
    let pid = rig.file("pid");
    let text = format!("x=after; cd /; bash -c 'echo $$ >{}; while :; do sleep 1; done'", pid.display());
    let begun = Instant::now();
    // Long enough for a busy machine to start it before.
    let deadline = Duration::from_secs(3);
    let ran = rig.run_for(&text, deadline).await;
    assert!(ran.result.timed_out && ran.exit == 143, "{ran:?}");
    assert!(begun.elapsed() >= deadline && ran.result.took >= deadline);
    let pid = rig.number("pid").await;
    assert!(!alive(pid));
    assert_eq!(rig.out("echo $? $x").await, "143 before\n");
}

#[tokio::test]
async fn what_ignores_term_is_killed() {
    let mut rig = Rig::new().await;
    let (a, b) = (rig.file("a"), rig.file("b"));
    let text = format!(
        "set -m; trap '' TERM; (echo $BASHPID >{}; while :; do sleep 0.1; done) & echo $$ >{}; while :; do sleep 0.1; done",
        a.display(),
        b.display()
    );
    // Stopped only once both ignore TERM: a time-out may come before bash has set its trap, and TERM then ends it.
    let canceller = rig.shell.canceller();
    let cancel = async {
        poll("both ignore TERM", || [&a, &b].iter().all(|path| whole(path).is_some())).await;
        canceller.cancel().await;
    };
    let (result, ()) = tokio::join!(rig.shell.run(&text, false, LONG, |_, _| {}), cancel);
    let result = result.unwrap();
    assert_eq!((result.exit, result.timed_out), (137, false), "{result:?}");
    assert!(!alive(whole(&a).unwrap()) && !alive(whole(&b).unwrap()));
    assert_eq!(rig.out("echo on").await, "on\n");
}

#[tokio::test]
async fn background_jobs_do_not_hang_a_command_and_end_with_the_session() {
    let mut rig = Rig::new().await;
    let begun = Instant::now();
    assert_eq!(rig.out("sleep 1000 & echo $! >a; echo started").await, "started\n");
    let ran =
        rig.run("(while echo chatty; do :; done) & echo $! >b; setsid sleep 1000 >/dev/null 2>&1 & echo $! >c").await;
    assert_eq!(ran.exit, 0);
    assert!(begun.elapsed() < Duration::from_secs(20));
    let (a, b, c) = (rig.number("a").await, rig.number("b").await, rig.number("c").await);
    // Also not when a later command is stopped, nor by a broken pipe.
    assert!(rig.run_for("sleep 1000", Duration::from_millis(300)).await.result.timed_out);
    assert!(alive(a) && alive(b) && alive(c));
    drop(rig.shell);
    assert!(rig.child.wait().await.unwrap().success());
    // What has left the session ends as well: a person's terminal is no place for what keeps a service alive.
    poll("all of them to be gone", || ![a, b, c].into_iter().any(alive)).await;
    assert_eq!(std::fs::read_dir(rig.tmp.path()).unwrap().filter(|e| e.as_ref().unwrap().path().is_dir()).count(), 0);
}

#[tokio::test]
async fn jobs_of_earlier_commands_can_be_waited_for() {
    let mut rig = Rig::new().await;
    rig.out("(until test -e go; do sleep 0.02; done; exit 7) &").await;
    rig.out("one=$!").await;
    rig.out("(exit 9) & two=$!; sleep 0.2").await;
    assert_eq!(rig.out("test $one != $two && kill -0 $one && echo alive").await, "alive\n");
    rig.out("touch go").await;
    assert_eq!(rig.run("wait $one").await.exit, 7);
    assert_eq!(rig.run("wait $two").await.exit, 9);
    rig.out("sleep 1000 &").await;
    assert_eq!(rig.run("kill $!; wait $!").await.exit, 143);
    rig.out("sleep 1000 &").await;
    assert_eq!(rig.run("kill %1; wait %1").await.exit, 143);
    rig.out("sleep 1000 &").await;
    rig.out("sleep 1000 &").await;
    assert_eq!(rig.out("kill $(jobs -p); jobs -p | wc -l; wait").await, "2\n");
    rig.out("rm go; (until test -e go; do sleep 0.02; done; echo x >>both) &").await;
    rig.out("(sleep 0.3; echo x >>both; touch go) &").await;
    assert_eq!(rig.out("wait; cat both").await, "x\nx\n");
    assert_eq!(rig.run("(exit 3) & wait $!").await.exit, 3);
    assert_eq!(rig.run("wait 1").await.exit, 127);
    assert_eq!(rig.out("sleep 0.1 & wait; echo $?").await, "0\n");
    // That the last one has ended is heard of a moment later.
    let mut asked = 0;
    while rig.run("disown").await.exit != 1 {
        asked += 1;
        assert!(asked < 500, "there is no job");
    }
    assert_eq!(rig.run("nohup sleep 1000 >/dev/null 2>&1 & disown").await.exit, 0);
    // Also one that ends at once, in one command or in the two that the line is for the session.
    assert_eq!(rig.run("nohup true >/dev/null 2>&1 & sleep 0.2; disown").await.exit, 0);
    assert_eq!(rig.run("(nohup true & sleep 0.2; set -eu; disown %1) >/dev/null 2>&1").await.exit, 0);
    rig.out("nohup true >/dev/null 2>&1 & sleep 0.2").await;
    assert_eq!(rig.run("disown").await.exit, 0);
    rig.out("sleep 1000 &").await;
    assert_eq!(rig.run("disown").await.exit, 0);
    rig.out("sleep 1000 &").await;
    assert_eq!(rig.run("disown -h $!").await.exit, 0);
}

#[tokio::test]
async fn a_dropped_run_is_cancelled_and_the_next_one_waits_for_it() {
    let mut rig = Rig::new().await;
    rig.out("x=1").await;
    {
        let run = rig.shell.run(
            "x=2; echo $$ >pid; trap 'echo ended >ended' TERM; while :; do sleep 0.05; done",
            false,
            LONG,
            |_, _| {},
        );
        tokio::pin!(run);
        let path = rig.tmp.path().join("pid");
        while !path.exists() {
            let waited = tokio::time::timeout(Duration::from_millis(20), &mut run).await;
            assert!(waited.is_err());
        }
    }
    let pid = rig.number("pid").await;
    // Its trap has been run by now and it was killed later: it does not end on TERM.
    assert_eq!(rig.out("cat ended; echo $x").await, "ended\n1\n");
    assert!(!alive(pid));
    // One that was dropped before it was polled even once has not begun.
    drop(rig.shell.run("touch never", false, LONG, |_, _| {}));
    assert_eq!(rig.out("test ! -e never; echo $?").await, "0\n");
}

#[tokio::test]
async fn the_end_of_stdin_kills_everything_at_once() {
    let mut rig = Rig::new().await;
    let Rig { mut shell, mut child, tmp } = {
        rig.out("sleep 1000 & echo $! >background").await;
        rig
    };
    let task = tokio::spawn(async move {
        let _ = shell.run("trap '' TERM HUP; sh -c 'echo $$ >pid; sleep 1000; :'", false, LONG, |_, _| {}).await;
    });
    let rig_tmp = tmp.path().to_owned();
    poll("the command", || std::fs::read_to_string(rig_tmp.join("pid")).is_ok_and(|t| t.ends_with('\n'))).await;
    let pid = |name: &str| std::fs::read_to_string(rig_tmp.join(name)).unwrap().trim().parse::<i32>().unwrap();
    let (command, background) = (pid("pid"), pid("background"));
    assert!(alive(command) && alive(background));
    // What a runner that is killed with -9 leaves: closed pipes.
    task.abort();
    assert!(child.wait().await.unwrap().success());
    assert!(!alive(command) && !alive(background));
}

#[tokio::test]
async fn sigterm_kills_everything_too() {
    let mut rig = Rig::new().await;
    rig.out("sleep 1000 & echo $! >background").await;
    let background = rig.number("background").await;
    let pid = rig.child.id().unwrap().to_string();
    let run = rig.shell.run("kill -TERM $(cat target); sleep 1000", false, LONG, |_, _| {});
    std::fs::write(rig.tmp.path().join("target"), &pid).unwrap();
    let error = run.await.unwrap_err();
    assert!(matches!(&error, ShellError::Closed(_)), "{error}");
    assert!(rig.child.wait().await.unwrap().success());
    assert!(!alive(background));
    let error = rig.shell.run("true", false, LONG, |_, _| {}).await.unwrap_err();
    assert!(matches!(&error, ShellError::Closed(_)), "{error}");
}

#[tokio::test]
async fn a_directory_that_is_gone_is_said_and_nothing_runs_elsewhere() {
    let mut rig = Rig::new().await;
    rig.out("mkdir gone; cd gone").await;
    rig.out("rmdir ../gone").await;
    let ran = rig.run("rm -rf ./*; ls -A; echo $PWD").await;
    assert!(ran.err.contains("gone; this command runs in an empty one"), "{ran:?}");
    assert!(ran.out.ends_with("gone\n") && ran.out.lines().count() == 1, "{ran:?}");
    rig.run("cd /usr").await;
    assert_eq!(rig.out("pwd").await, "/usr\n");
}

#[tokio::test]
async fn the_session_survives_the_loss_of_its_files() {
    let mut rig = Rig::new().await;
    rig.out("x=1; f() { echo f; }").await;
    rig.run("x=2; rm -rf \"$TMPDIR\"/firedrill-shell-*").await;
    assert_eq!(rig.out("echo $x; f").await, "1\nf\n");
}

#[tokio::test]
async fn two_sessions_share_nothing() {
    let mut one = Rig::new().await;
    let mut two = Rig::new().await;
    one.out("x=1; cd /").await;
    assert_eq!(two.out("echo ${x-none}").await, "none\n");
    // Stopping a command of one does not touch the other.
    let (a, b) = tokio::join!(one.run_for("sleep 1000", Duration::from_millis(300)), two.run("sleep 0.8; echo whole"));
    assert!(a.result.timed_out);
    assert_eq!(b.out, "whole\n");
}

#[tokio::test]
async fn a_bash_that_does_not_work_is_passed_over() {
    let tmp = tempfile::tempdir().unwrap();
    let broken = tmp.path().join("bash");
    std::fs::write(&broken, "#!/bin/sh\nexit 1\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&broken, mode).unwrap();
    let (channel, _child) = supervisor(tmp.path(), |command| {
        command.env("PATH", tmp.path());
    });
    let mut shell = Shell::open(channel, &[], Arc::new(NoTools)).await.unwrap();
    assert_eq!(shell.run("[ -n \"$BASH_VERSION\" ]", false, LONG, |_, _| {}).await.unwrap().exit, 0);
}

#[tokio::test]
async fn a_supervisor_that_does_not_start_is_told_with_its_words() {
    let (near, far) = Channel::pair(4);
    far.tx.send("error while loading shared libraries: libc.so.6".to_owned()).await.unwrap();
    drop(far);
    let error = Shell::open(near, &[], Arc::new(NoTools)).await.err().unwrap();
    assert!(matches!(&error, ShellError::NoShell(why) if why.contains("libc.so.6")), "{error}");
    let (near, far) = Channel::pair(4);
    far.tx.send(r#"{"failed":"there is no bash in this container"}"#.to_owned()).await.unwrap();
    let error = Shell::open(near, &[], Arc::new(NoTools)).await.err().unwrap();
    assert_eq!(error.to_string(), "no shell session could be started: there is no bash in this container");
}

/// The token that a session tells its supervisor.
async fn token(far: &mut Channel) -> String {
    let first: serde_json::Value = serde_json::from_str(&far.rx.recv().await.unwrap()).unwrap();
    first["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_step_that_writes_into_the_session_is_not_believed() {
    for line in [
        r#"{"ended":[1,{"exit":0,"took":{"secs":0,"nanos":5000},"timed_out":false,"omitted":0,"pipe":[],"left_shell":false}]}"#,
        r#"{"call":[1,{"begun":{"program":"docker","args":["ps"],"cwd":"/","env":[]}}]}"#,
    ] {
        let mut rig = Rig::new().await;
        // Who may open it (root of the host) is not believed; nobody else may.
        match rig.shell.run(&format!("echo '{line}' > /proc/$PPID/fd/1; false"), false, LONG, |_, _| {}).await {
            Ok(result) => assert_eq!(result.exit, 1),
            Err(error) => assert!(error.to_string().contains("wrote into the session"), "{error}"),
        }
    }
}

#[tokio::test]
async fn a_supervisor_that_says_more_than_ours_would_is_not_believed() {
    let (near, mut far) = Channel::pair(16);
    far.tx.send(r#"{"ready":{}}"#.to_owned()).await.unwrap();
    let mut shell = Shell::open(near, &[], Arc::new(NoTools)).await.unwrap();
    let token = token(&mut far).await;
    let line = format!(r#"{token}{{"output":{{"id":1,"stream":"stdout","text":"{}"}}}}"#, "x".repeat(32 << 10));
    tokio::spawn(async move { while far.tx.send(line.clone()).await.is_ok() {} });
    let mut bytes = 0;
    let error = shell.run("x", false, LONG, |_, text| bytes += text.len()).await.unwrap_err();
    assert!(error.to_string().contains("says more of a command"), "{error}");
    assert_eq!(bytes, 1 << 20);
}

#[tokio::test]
async fn stale_messages_are_told_from_those_of_the_command() {
    let (near, mut far) = Channel::pair(16);
    far.tx.send(r#"{"ready":{}}"#.to_owned()).await.unwrap();
    let mut shell = Shell::open(near, &[], Arc::new(NoTools)).await.unwrap();
    let token = token(&mut far).await;
    for line in [
        r#"{"output":{"id":99,"stream":"stdout","text":"old"}}"#,
        r#"{"ended":[99,{"exit":9,"took":{"secs":0,"nanos":5000},"timed_out":false,"omitted":0,"pipe":[],"left_shell":false}]}"#,
        r#"{"output":{"id":1,"stream":"stderr","text":"new"}}"#,
        r#"{"ended":[1,{"exit":4,"took":{"secs":0,"nanos":5000},"timed_out":false,"omitted":2,"pipe":[],"left_shell":false}]}"#,
    ] {
        far.tx.send(format!("{token}{line}")).await.unwrap();
    }
    let mut seen = Vec::new();
    let result = shell.run("x", false, LONG, |stream, text| seen.push((stream, text))).await.unwrap();
    assert_eq!((result.exit, result.omitted), (4, 2));
    assert_eq!(seen, [(Stream::Stderr, "new".to_owned())]);
    assert!(far.rx.recv().await.unwrap().contains(r#"{"run":"#));
    drop(far);
    let error = shell.run("x", false, LONG, |_, _| {}).await.unwrap_err();
    assert!(matches!(error, ShellError::Closed(_)));
}
