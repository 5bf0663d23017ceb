//! What a redactor must hide and what it must leave alone: every usual spelling, overlaps, events, and streams however
//! they are cut.

use super::*;
use crate::record::{Phase, StackRecord, Stream, Verdict};
use proptest::prelude::*;

fn redactor(secrets: &[&str]) -> Redactor {
    Redactor::new(secrets.iter().map(|s| (*s).to_owned()))
}

fn output(text: &str) -> Event {
    Event::Output { step: "s".into(), command: 0, stream: Stream::Stdout, text: text.into() }
}

#[test]
fn values_of_six_characters_are_hidden_and_shorter_ones_are_not() {
    let redactor = redactor(&["shop", "12345", "hunter"]);
    assert_eq!(redactor.text("shop 12345 hunter hunter2"), "shop 12345 *** ***2");
    assert!(!redactor.is_empty());
    assert!(super::Redactor::new(["short".to_owned(), "******".to_owned(), "\n".to_owned()]).is_empty());
}

#[test]
fn a_declared_secret_is_hidden_however_short_and_whatever_it_looks_like() {
    let declared = |value: &str| Redactor::new([Secret::Declared(value.to_owned())]);
    assert_eq!(declared("s3cr7").text("psql -W s3cr7, czNjcjc=, s3cr"), "psql -W ***, ***, s3cr");
    assert_eq!(declared("a&b1").text("a&b1 a%26b1"), "*** ***");
    assert_eq!(declared("XXXXXX").text("the password is XXXXXX"), "the password is ***");
    assert_eq!(format!("{:?}", Secret::Declared("s3cr7".into())), "***");
    let both = Redactor::new(["shop".to_owned()]).with([Secret::Declared("four".into())]);
    assert_eq!(both.text("shop four"), "shop ***");
}

#[test]
fn every_line_of_a_secret_of_several_lines_is_hidden_where_it_stands_alone() {
    let redactor = redactor(&["first-half\nhalf-2\nx\n"]);
    assert_eq!(
        redactor.text("12:00:01 first-half\n12:00:02 half-2\n12:00:03 x"),
        "12:00:01 ***\n12:00:02 ***\n12:00:03 x"
    );
    assert_eq!(redactor.text(r#"{"key":"first-half\nhalf-2\nx"}"#), r#"{"key":"***"}"#);
}

#[test]
fn every_usual_spelling_is_hidden() {
    let secret = "p&ss \"wörd\"/$'x";
    let redactor = redactor(&[secret]);
    for spelling in [
        r#"p&ss "wörd"/$'x"#,
        "cCZzcyAid8O2cmQiLyQneA==",
        "cCZzcyAid8O2cmQiLyQneA",
        "p%26ss%20%22w%C3%B6rd%22%2F%24%27x",
        "p%26ss%20%22w%c3%b6rd%22%2f%24%27x",
        "p%26ss+%22w%C3%B6rd%22%2F%24%27x",
        r#"p&ss \"wörd\"/$'x"#,
        r#"p\u0026ss \"w\u00f6rd\"/$'x"#,
        r#"p&ss \"wörd\"\/$'x"#,
        r#"p&ss \\\"wörd\\\"/$'x"#,
        r#"p&ss "wörd"/$'\''x"#,
        r#"p\&ss\ \"wörd\"/\$\'x"#,
        r#"p&ss \"wörd\"/\$'x"#,
        r#"p&ss "wörd"/$''x"#,
        "p&amp;ss &quot;wörd&quot;/$'x",
        r#"p&ss "wörd"/$$'x"#,
    ] {
        assert_eq!(redactor.text(&format!("<{spelling}>")), "<***>", "{spelling}");
    }
}

#[test]
fn base64_of_something_longer_gives_no_more_than_its_borders_away() {
    let redactor = redactor(&["hunter2-and-more"]);
    for (user, encoded) in [
        ("", "aHVudGVyMi1hbmQtbW9yZTphYmM="),
        ("a:", "YTpodW50ZXIyLWFuZC1tb3JlOmFiYw=="),
        ("shop:", "c2hvcDpodW50ZXIyLWFuZC1tb3JlOmFiYw=="),
    ] {
        let clean = redactor.text(encoded);
        assert!(clean.contains("***"), "{user}: {clean}");
        assert!(clean.len() < 20, "{user}: {clean}");
    }
}

#[test]
fn a_bundle_of_secrets_is_hidden_as_it_stands_and_line_by_line() {
    let bundle: String = (0..17_000).map(|line| format!("secret-{line:08}\n")).collect();
    let redactor = redactor(&[&bundle]);
    assert_eq!(redactor.text(&bundle), format!("{HIDDEN}\n"));
    assert_eq!(redactor.text("a secret-00016999 b"), format!("a {HIDDEN} b"));
}

#[test]
fn a_secret_file_is_hidden_with_and_without_its_newline_and_line_by_line() {
    let pem = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nshort\n-----END PRIVATE KEY-----\n";
    let redactor = redactor(&[pem, "from-a-file\n"]);
    assert_eq!(redactor.text("x=from-a-file."), "x=***.");
    assert_eq!(redactor.text("key MIIEvQIBADANBgkqhkiG9w0BAQEFAASC"), "key ***");
    assert_eq!(redactor.text("-----BEGIN PRIVATE KEY----- short"), "-----BEGIN PRIVATE KEY----- short");
    assert_eq!(redactor.text(pem), "***\n");
}

#[test]
fn overlapping_secrets_leave_nothing_between_them() {
    assert_eq!(redactor(&["abcdef", "efghij"]).text("-abcdefghij-"), "-***-");
    assert_eq!(redactor(&["secret", "secret-longer"]).text("secret-longer secret"), "*** ***");
}

#[test]
fn events_without_secrets_are_untouched_and_others_are_clean_in_every_text() {
    let redactor = redactor(&["hunter2", "pass\"word"]);
    let plain = output("all is well");
    assert_eq!(redactor.event(plain.clone()), plain);
    assert_eq!(redactor.event(output("got hunter2 and pass\"word")), output("got *** and ***"));
    let images = |key: &str, value: &str| {
        Event::StackUp(StackRecord {
            project: "p".into(),
            images: [(key.to_owned(), value.to_owned())].into(),
            localhost: [("8080".to_owned(), value.to_owned())].into(),
        })
    };
    assert_eq!(redactor.event(images("hunter2", "sha256:hunter2")), images("***", "sha256:***"));
    let waited = |what: &str| Event::Waited { what: what.into(), took_us: 1, deadline_us: 2, met: true };
    assert_eq!(redactor.event(waited("hunter2 to be gone")), waited("*** to be gone"));
}

#[test]
fn a_secret_that_is_a_word_of_events_does_not_break_them() {
    let redactor = redactor(&["passed", "inject", "reason"]);
    let judged = |reason: &str| Event::Judged { verdict: Verdict::Passed, reason: reason.into(), at: None };
    assert_eq!(redactor.event(judged("it has passed")), judged("it has ***"));
    let phase = Event::PhaseStarted { phase: Phase::Inject };
    assert_eq!(redactor.event(phase.clone()), phase);
}

#[test]
fn a_stream_holds_back_only_what_could_begin_a_secret() {
    let mut stream = redactor(&["hunter2"]).stream();
    assert_eq!(stream.push("all is well\n"), "all is well\n");
    assert_eq!(stream.push("password: hun"), "password: ");
    assert_eq!(stream.push("ter2 ok"), "*** ok");
    assert_eq!(stream.push("hunt"), "");
    assert_eq!(stream.push("ing"), "hunting");
    assert_eq!(stream.push("hunter"), "");
    assert_eq!(stream.finish(), "hunter");
    assert_eq!(Redactor::default().stream().push("hunter2"), "hunter2");
}

#[test]
fn a_stream_of_nothing_but_overlapping_secrets_is_not_held_back_forever() {
    let mut stream = redactor(&["aaaaaa"]).stream();
    let out: String = (0..1000).map(|_| stream.push("aaaaaaa")).collect();
    assert_eq!(out, "***");
    assert_eq!(stream.finish(), "");
    assert!(stream.push("ok").starts_with("ok"));
}

#[test]
fn names_of_secrets_are_told_from_names_about_secrets() {
    for key in [
        "PASSWORD", "POSTGRES_PASSWORD", "PGPASSWORD", "DB_PASS", "DB_PWD", "api_key", "apiKey", "X-Api-Key",
        "STRIPE_APIKEY", "GITHUB_TOKEN", "accessToken", "TOKENS", "SECRET_KEY_BASE", "AWS_SECRET_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID", "PRIVATE_KEY", "SENTRY_DSN", "GOOGLE_CREDENTIALS", "REDISCLI_AUTH", "KEY",
        "ENCRYPTION_KEY", "client.secret", "JWT", "PASSWORD_SALT",
    ] {
        assert!(looks_secret(key), "{key}");
    }
    for key in [
        "", "_", "KEYBOARD", "TOKENIZER", "POSTGRES_PASSWORD_FILE", "PASSWORD_MIN_LENGTH", "MAX_TOKENS", "PWD",
        "OLDPWD", "PATH", "PUBLIC_KEY", "SORT_KEY", "TOKEN_URL", "TOKEN_TTL", "SECRET_NAME", "BYPASS", "COMPASS",
        "MONKEY", "HOST", "POSTGRES_USER", "TURKEYS", "AUTH", "ENABLE_AUTH", "PASSENGER_COUNT",
    ] {
        assert!(!looks_secret(key), "{key}");
    }
}

#[test]
fn passwords_are_found_in_connection_strings() {
    for (value, password) in [
        ("postgres://shop:hunter2@db:5432/shop", Some("hunter2")),
        ("redis://:hunter2@cache", Some("hunter2")),
        ("amqp://u:p@ss:w@mq/vhost", Some("p@ss:w")),
        ("postgresql+psycopg://u:p%40ss@db/shop?sslmode=off", Some("p%40ss")),
        ("host=db user=shop password=hunter2 dbname=shop", Some("hunter2")),
        ("host=db password='hunter 2'", Some("hunter 2")),
        ("Server=db;Password=hunter2;Pooling=true", Some("hunter2")),
        ("jdbc:postgresql://db/shop?user=shop&password=hunter2&ssl=1", Some("hunter2")),
        ("http://checkout:8080/path?to=a@b", None),
        ("https://user@host/", None),
        ("https://user:@host/", None),
        ("nopassword=1", None),
        ("", None),
        ("://@", None),
    ] {
        assert_eq!(url_password(value), password, "{value}");
    }
    // The password as it is used, not only as the URL spells it.
    assert_eq!(redactor(&["p%40ssword"]).text("p@ssword"), "***");
}

fn pieces(text: &str, cuts: &[usize]) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    for cut in cuts {
        let at = (0..=cut % (rest.len() + 1)).rev().find(|at| rest.is_char_boundary(*at)).unwrap();
        let (piece, after) = rest.split_at(at);
        pieces.push(piece.to_owned());
        rest = after;
    }
    pieces.push(rest.to_owned());
    pieces
}

proptest! {
    // Each case builds an automaton of some hundred spellings.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_secret_comes_through_in_any_pieces(
        // A star could build a secret together with the three that hide another.
        secrets in prop::collection::vec("[^*]{6,20}|[ab]{6,9}", 1..4),
        between in prop::collection::vec("[^*]{0,8}|[ab]{0,8}", 5),
        cuts in prop::collection::vec(any::<usize>(), 0..12),
    ) {
        let redactor = Redactor::new(secrets.clone());
        let mut text = String::new();
        for (n, piece) in between.iter().enumerate() {
            text.push_str(piece);
            text.push_str(&secrets[n % secrets.len()]);
        }
        let mut stream = redactor.stream();
        let mut out: String = pieces(&text, &cuts).iter().map(|piece| stream.push(piece)).collect();
        out.push_str(&stream.finish());
        for secret in secrets.iter().filter(|s| s.trim().chars().count() >= 6 && !s.chars().all(|c| "xX•".contains(c))) {
            prop_assert!(!out.contains(secret.as_str()), "{secret:?} in {out:?}");
        }
        prop_assert_eq!(out, redactor.text(&text));
    }

    #[test]
    fn text_without_secrets_is_unchanged(text in "[a-y \\n]{0,60}", cuts in prop::collection::vec(any::<usize>(), 0..6)) {
        let redactor = redactor(&["zzzzzzzz", "Z-not-there"]);
        let mut stream = redactor.stream();
        let mut out: String = pieces(&text, &cuts).iter().map(|piece| stream.push(piece)).collect();
        out.push_str(&stream.finish());
        prop_assert_eq!(&out, &text);
        prop_assert_eq!(redactor.text(&text), text);
    }
}

#[test]
fn what_one_clone_learns_all_of_them_know() {
    let secrets = Secrets::new(Redactor::new(["first-secret".to_string()]));
    let other = secrets.clone();
    secrets.hide(["second-secret".to_string()]);
    assert_eq!(other.redactor().text("first-secret, second-secret"), "***, ***");
}

#[test]
fn a_run_keeps_its_id_and_its_name() {
    let mut plan = crate::record::testing::plan(crate::record::testing::Story::Passed);
    (plan.run, plan.scenario, plan.title) =
        ("20260101T000000Z-report-lock-1f2e".into(), "report-lock".into(), "report".into());
    let Event::Announced(told) = redactor(&["report"]).event(Event::Announced(Box::new(plan))) else {
        panic!("another")
    };
    assert_eq!(
        (&*told.run, &*told.scenario, &*told.title),
        ("20260101T000000Z-report-lock-1f2e", "report-lock", "***")
    );
}
