//! `docker` in a step, over real pipes and processes; what is called is carried out by a few words in the test.

use crate::rig::{LONG, Rig, alive, poll};
use bytes::Bytes;
use firedrill::record::Stream;
use firedrill::shell::ShellError;
use firedrill::stack::{CallIo, ToolCall, Tools};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio_util::sync::CancellationToken;

/// Knows: `lose PID` (ends the supervisor, as a restart of its container does, and goes on), `say`, `fail CODE`, `cat`, `count` (bytes of stdin), `zeros BYTES`, `hang`.
#[derive(Default)]
struct Words {
    calls: Mutex<Vec<ToolCall>>,
    cancelled: AtomicUsize,
    written: AtomicUsize,
}

async fn carry_out(words: Arc<Words>, call: ToolCall, mut io: CallIo, cancel: CancellationToken) -> i32 {
    let word = call.args.first().cloned().unwrap_or_default();
    let rest = call.args.get(1).cloned().unwrap_or_default();
    match word.as_str() {
        "say" => {
            io.out.write(Stream::Stdout, Bytes::from(format!("{rest}\n"))).await;
            io.out.say("and an aside\n").await;
            0
        }
        "fail" => rest.parse().unwrap(),
        "lose" => {
            std::process::Command::new("kill").args(["-9", &rest]).status().unwrap();
            poll("its end", || !alive(rest.parse().unwrap())).await;
            // Nobody takes it: it must not hold the call up.
            io.out.write(Stream::Stdout, Bytes::from(vec![b'x'; 1 << 20])).await;
            5
        }
        "cat" => {
            while let Some(bytes) = io.stdin.next().await {
                if !io.out.write(Stream::Stdout, bytes).await {
                    return 1;
                }
            }
            0
        }
        "count" => {
            let mut all = 0;
            while let Some(bytes) = io.stdin.next().await {
                all += bytes.len();
            }
            io.out.write(Stream::Stdout, Bytes::from(format!("{all}\n"))).await;
            0
        }
        "zeros" => {
            let mut left: usize = rest.parse().unwrap();
            while left > 0 {
                let piece = left.min(1 << 16);
                let written = tokio::select! {
                    written = io.out.write(Stream::Stdout, Bytes::from(vec![0; piece])) => written,
                    () = cancel.cancelled() => false,
                };
                if !written {
                    words.cancelled.fetch_add(1, Ordering::SeqCst);
                    return 1;
                }
                words.written.fetch_add(piece, Ordering::SeqCst);
                left -= piece;
            }
            0
        }
        "hang" => {
            cancel.cancelled().await;
            words.cancelled.fetch_add(1, Ordering::SeqCst);
            1
        }
        _ => panic!("{call:?}"),
    }
}

struct Told(Arc<Words>);

impl Tools for Told {
    fn call(&self, call: ToolCall, io: CallIo, cancel: CancellationToken) -> BoxFuture<'static, i32> {
        self.0.calls.lock().unwrap().push(call.clone());
        carry_out(self.0.clone(), call, io, cancel).boxed()
    }
}

async fn rig() -> (Rig, Arc<Words>) {
    let words = Arc::new(Words::default());
    (Rig::with_tools(&[("GIVEN", "by the scenario")], Arc::new(Told(words.clone())), |_| {}).await, words)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_not_started_by_a_step_calls_nothing() {
    let (mut rig, words) = rig().await;
    let docker = rig.out("type -p docker").await;
    let output = tokio::process::Command::new(docker.trim()).args(["say", "hello"]).output().await.unwrap();
    assert!(!output.status.success(), "{output:?}");
    assert!(words.calls.lock().unwrap().is_empty());
    // Whatever became of its parents in between.
    rig.out("(setsid docker say hello > said 2>&1 &)").await;
    let said = rig.file("said");
    poll("the answer", || std::fs::read_to_string(&said).is_ok_and(|said| said.starts_with("hello\n"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_arrives_as_it_was_made_and_its_answer_as_it_was_given() {
    let (mut rig, words) = rig().await;
    let ran = rig.run("cd / && TAG=v1 docker say 'one  two' -- --help '' && TAG=v2 docker-compose fail 42").await;
    assert_eq!((ran.exit, ran.out.as_str(), ran.err.as_str()), (42, "one  two\n", "and an aside\n"));
    let calls = words.calls.lock().unwrap().clone();
    assert_eq!(calls[0].program, "docker");
    assert_eq!(calls[0].args, ["say", "one  two", "--", "--help", ""]);
    assert_eq!(calls[0].cwd, "/");
    assert_eq!(
        (calls[1].program.as_str(), calls[1].args.as_slice()),
        ("docker-compose", &["fail".into(), "42".into()][..])
    );
    let env = |call: usize, name: &str| calls[call].env.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    assert_eq!((env(0, "TAG").as_deref(), env(1, "TAG").as_deref()), (Some("v1"), Some("v2")));
    assert_eq!(env(0, "GIVEN").as_deref(), Some("by the scenario"));
    assert_eq!(env(0, "HOME"), None, "only what differs from the container's own");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watched_command_has_the_calls_that_came_meanwhile() {
    let (mut rig, _) = rig().await;
    for (text, calls) in [
        (
            "docker say \"it's\"; printf 'a b a' | xargs -n 1 docker say",
            &["'docker' 'say' 'a'", "'docker' 'say' 'b'", r"'docker' 'say' 'it'\''s'"][..],
        ),
        ("printf '' | xargs -r docker say", &[]),
        ("sh -c 'if false; then docker say no; fi; docker fail 0'", &["'docker' 'fail' '0'"]),
    ] {
        assert_eq!(rig.watched(text).await.result.calls, calls, "{text}");
    }
    assert!(rig.run("docker fail 0").await.result.calls.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn any_bytes_go_through_in_both_directions_and_side_by_side() {
    let (mut rig, _) = rig().await;
    let text = "head -c 3000000 /dev/urandom > a; docker cat < a > b && cmp a b && \
                cat a | docker cat | docker cat | cmp - a && docker count < a & docker count < /dev/null; wait; echo done";
    let mut out: Vec<String> = rig.out(text).await.lines().map(str::to_owned).collect();
    out.sort();
    assert_eq!(out, ["0", "3000000", "done"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn input_that_is_not_wanted_is_left_to_the_loop() {
    let (mut rig, _) = rig().await;
    let text = "printf '%s\\n' one two three | while read -r line; do docker say \"$line\" 2>/dev/null; done";
    assert_eq!(rig.out(text).await, "one\ntwo\nthree\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_killed_is_cancelled() {
    let (mut rig, words) = rig().await;
    // Long enough for a busy machine to start it before.
    let ran = rig.run("timeout 4 docker hang").await;
    assert_eq!(ran.exit, 124);
    poll("the call to be cancelled", || words.cancelled.load(Ordering::SeqCst) == 1).await;
    let canceller = rig.shell.canceller();
    let cancel = async {
        poll("the second call", || words.calls.lock().unwrap().len() == 2).await;
        canceller.cancel().await;
    };
    let (ran, ()) = tokio::join!(rig.shell.run("docker hang", false, LONG, |_, _| {}), cancel);
    assert!(ran.unwrap().exit != 0);
    poll("the call to be cancelled", || words.cancelled.load(Ordering::SeqCst) == 2).await;
    // Nobody reads: the call ends, as with a broken pipe.
    let ran = rig.run("set -o pipefail; docker zeros 1000000000 | head -c 5 >/dev/null").await;
    assert_eq!(ran.exit, 141);
    poll("the call to be cancelled", || words.cancelled.load(Ordering::SeqCst) == 3).await;
    // And the session goes on.
    assert_eq!(rig.run("set +o pipefail; docker say on 2>/dev/null").await.out, "on\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_waits_holds_the_call_back() {
    let (mut rig, words) = rig().await;
    let ran = rig.run("docker zeros 20000000 | { read -r -t 0.5 <> <(:); wc -c; }").await;
    assert_eq!(ran.out.trim(), "20000000", "{ran:?}");
    let ran = rig.run("docker zeros 50000000 | sleep 1; :").await;
    assert_eq!(ran.exit, 0);
    let under_way = words.written.load(Ordering::SeqCst) - 20_000_000;
    assert!(under_way < 2 << 20, "{under_way} bytes under way although nobody read");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_background_job_calls_between_commands_and_ends_with_the_session() {
    let (mut rig, words) = rig().await;
    rig.out("{ until [[ -e go ]]; do read -r -t 0.02 <> <(:) || :; done; docker say later 2>/dev/null > said; } &")
        .await;
    rig.out("docker hang & echo $! > pid").await;
    let pid = rig.number("pid").await;
    poll("the call", || words.calls.lock().unwrap().len() == 1).await;
    std::fs::write(rig.file("go"), "").unwrap();
    let said = rig.file("said");
    poll("a call between commands", || std::fs::read_to_string(&said).is_ok_and(|s| s == "later\n")).await;
    drop(rig.shell);
    poll("the background job to be killed", || !alive(pid)).await;
    rig.child.wait().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_calls_are_heard_at_once_and_the_others_wait() {
    let (mut rig, words) = rig().await;
    let heard = || words.calls.lock().unwrap().len();
    rig.out("for _ in {1..64}; do docker hang & echo $! >> pids; done").await;
    poll("the calls", || heard() == 64).await;
    assert_eq!((rig.run("timeout 1 docker say late").await.exit, heard()), (124, 64));
    rig.out("kill $(cat pids)").await;
    assert_eq!(rig.run("docker say on 2>/dev/null").await.out, "on\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_goes_on_with_the_state_of_another_calls_by_its_own_door() {
    let (mut first, of_first) = rig().await;
    first.out("export PATH=/opt/own:$PATH; export TAG=v1").await;
    let saved = first.shell.save().await.unwrap();
    let (mut second, of_second) = rig().await;
    second.shell.restore(saved).await.unwrap();
    let ran = second.run("docker say hello && case $PATH in /opt/own:*) ;; *) false ;; esac").await;
    assert_eq!((ran.exit, ran.out.as_str()), (0, "hello\n"), "{ran:?}");
    assert_eq!((of_first.calls.lock().unwrap().len(), of_second.calls.lock().unwrap().len()), (0, 1));
    // Also when the first one is gone.
    drop(first);
    assert_eq!(second.run("docker say again").await.out, "again\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_anybody_to_carry_it_out_a_call_is_refused() {
    let mut rig = Rig::new().await;
    let ran = rig.run("docker ps").await;
    assert_eq!(
        (ran.exit, ran.err.as_str()),
        (
            126,
            "firedrill: `docker` has nothing to talk to here: a drill has a stack, `firedrill run` one with `--compose-project`\n"
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_ends_its_own_session_goes_on_to_its_end() {
    let (mut rig, words) = rig().await;
    assert!(rig.shell.ended_calls().is_empty());
    let text = format!("docker lose {}", rig.child.id().unwrap());
    let lost = rig.shell.run(&text, false, LONG, |_, _| {}).await.unwrap_err();
    assert!(matches!(lost, ShellError::Closed(_)), "{lost}");
    let ended = rig.shell.ended_calls();
    assert_eq!(ended.iter().map(|call| (call.command.as_str(), call.exit)).collect::<Vec<_>>(), [(text.as_str(), 5)]);
    assert_eq!(words.cancelled.load(Ordering::SeqCst), 0);
}
