//! What the YAML tree promises: exact spans, every mistake with its place, and no file that is slow or makes it panic.

use super::{Diagnostics, Entry, MAX_BYTES, Node, Source, Value, parse};
use proptest::prelude::*;
use rustix::time::{ClockId, clock_gettime};
use std::fmt::Write as _;
use std::time::Duration;

fn read(text: &str) -> (Option<Node>, Vec<String>) {
    let source = Source::new("x.yaml", text);
    let mut diags = Diagnostics::default();
    let node = parse(&source, &mut diags);
    let messages = diags
        .all
        .iter()
        .map(|d| {
            let pos = source.pos(d.span.start);
            format!("{}:{}: {}", pos.line, pos.column, d.message)
        })
        .collect();
    (node, messages)
}

fn good(text: &str) -> Node {
    let (node, messages) = read(text);
    assert_eq!(messages, Vec::<String>::new(), "{text}");
    node.expect("a document")
}

fn mistakes(text: &str) -> Vec<String> {
    read(text).1
}

fn entries(node: &Node) -> &[Entry] {
    match &node.value {
        Value::Map(entries) => entries,
        other => panic!("{other:?}"),
    }
}

/// Every key and scalar as the source has it at its span.
fn slices(text: &str) -> Vec<String> {
    fn walk(text: &str, node: &Node, out: &mut Vec<String>) {
        match &node.value {
            Value::List(items) => items.iter().for_each(|item| walk(text, item, out)),
            Value::Map(entries) => {
                for entry in entries {
                    out.push(format!("{}:", &text[entry.key_span.start..entry.key_span.end]));
                    walk(text, &entry.value, out);
                }
            }
            _ => out.push(text[node.span.start..node.span.end].to_string()),
        }
    }
    let mut out = Vec::new();
    walk(text, &good(text), &mut out);
    out
}

#[test]
fn spans_are_exact() {
    let text = "# über\ntítle: Größe  # note\n\"quoted key\": 'it''s'\nflow: {a: [1, \"x\\ty\"], b: }\nempty:\nlist:\n- one\n-   two\n\nlast: |\n  text\n  more\n\nend: >-\n  folded\n  text\n";
    assert_eq!(
        slices(text),
        [
            "títle:", "Größe", "\"quoted key\":", "'it''s'", "flow:", "a:", "1", "\"x\\ty\"", "b:", "b", "empty:",
            "empty", "list:", "one", "two", "last:", "text\n  more", "end:", "folded\n  text"
        ]
    );
    let root = good(text);
    let list = &entries(&root)[4].value;
    assert_eq!(&text[list.span.start..list.span.end], "one\n-   two");
    let flow = &entries(&root)[2].value;
    assert_eq!(&text[flow.span.start..flow.span.end], "{a: [1, \"x\\ty\"], b: }");
}

#[test]
fn a_byte_order_mark_and_dos_line_ends_move_nothing() {
    let text = "\u{feff}a: b\r\nc: d\r\n";
    assert_eq!(slices(text), ["a:", "b", "c:", "d"]);
    assert_eq!(mistakes("a: b\r\nc: @x\r\n"), ["2:4: not valid YAML: unexpected character: `@'"]);
}

#[test]
fn scalars_keep_their_spelling_and_their_quotes() {
    let root = good("a: 007\nb: '007'\nc: 1e3\nd: !!str 5\ne: ~\nf: null\ng: 'null'\nh: yes\n");
    let values: Vec<Value> = entries(&root).iter().map(|e| e.value.value.clone()).collect();
    let scalar = |text: &str, plain| Value::Scalar { text: text.into(), plain };
    assert_eq!(
        values,
        [
            scalar("007", true),
            scalar("007", false),
            scalar("1e3", true),
            scalar("5", false),
            Value::Null,
            Value::Null,
            scalar("null", false),
            scalar("yes", true)
        ]
    );
}

#[test]
fn aliases_and_merge_keys_work() {
    let text = "base: &base { a: 1, b: 2 }\nmore: &more { b: 3, c: 4 }\nx:\n  <<: [*base, *more]\n  a: 9\ny: *base\nz: { <<: *base, '<<': kept }\n";
    let root = good(text);
    let json = root.to_json();
    assert_eq!(json["x"], serde_json::json!({"a": 9, "b": 2, "c": 4}));
    assert_eq!(json["y"], serde_json::json!({"a": 1, "b": 2}));
    assert_eq!(json["z"], serde_json::json!({"a": 1, "b": 2, "<<": "kept"}));
    let y = &entries(&root)[3].value;
    assert_eq!(&text[y.span.start..y.span.end], "*base");
}

#[test]
fn every_mistake_has_a_place() {
    let texts = [
        "a: 1\na: 2\nb: { c: 1, c: 2 }\n",
        "a: [1, 2\nb: 3\n",
        "a: 1\n\tb: 2\n",
        "a: x [\nb: [ 1,\n",
        "a: \"x\nb: 1\n",
        "a:\n\t- x\n",
        "a: b: c\n",
        "a: 'x\n",
        "a: *nowhere\n",
        "a: &a [*a]\n",
        "? [x]\n: y\n",
        ": y\n",
        "a: !secret x\n",
        "a: !!map [x]\n",
        "<<: 5\n",
        "a: 1\n---\nb: 2\n",
        "",
        "# only a comment\n",
        "a: \u{1}\n",
        "a: @x\n",
        "a: \"\\q\"\n",
        "a: 1\n  b: 2\n",
        "}",
    ];
    let line = |text: &str| format!("{text:?} → {}", mistakes(text).join("; "));
    insta::assert_snapshot!(texts.map(line).join("\n"));
}

/// What this thread has computed so far.
fn processor_time() -> Duration {
    let spent = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(spent.tv_sec.try_into().expect("no debt"), spent.tv_nsec.try_into().expect("less than a second"))
}

/// Rejected, with a message that says `needle`, and not after ages of computing.
fn rejected(text: &str, needle: &str) {
    let before = processor_time();
    let (node, messages) = read(text);
    let took = processor_time() - before;
    assert!(node.is_none());
    assert!(messages.iter().any(|m| m.contains(needle)), "{messages:?}");
    assert!(took < Duration::from_secs(5), "took {took:?}");
}

#[test]
fn a_billion_laughs_are_refused() {
    let mut text = String::from("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for i in 1..12 {
        let refs = vec![format!("*a{}", i - 1); 10].join(", ");
        writeln!(text, "a{i}: &a{i} [{refs}]").expect("a string takes everything");
    }
    rejected(&text, "aliases expand to too much");
    let mut text = String::from("a0: &a0 { k0: lol }\n");
    for i in 1..30 {
        let merged: String = (0..10).map(|k| format!("k{k}: *a{}, ", i - 1)).collect();
        writeln!(text, "a{i}: &a{i} {{ {merged} }}").expect("a string takes everything");
    }
    rejected(&text, "aliases expand to too much");
}

#[test]
fn a_large_text_cannot_be_multiplied() {
    let text = format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), "*a, ".repeat(1000));
    rejected(&text, "aliases expand to too much");
}

#[test]
fn depth_is_bounded() {
    rejected(&"[".repeat(100_000), "nested more than 64 deep");
    rejected(&"{a: ".repeat(10_000), "nested more than 64 deep");
    rejected(&"- ".repeat(10_000), "nested more than 64 deep");
    let indented: String = (0..200).map(|i| format!("{}a:\n", " ".repeat(i))).collect();
    rejected(&indented, "nested more than 64 deep");
    let mut chain = String::from("a0: &a0 [[[[[[[[[[x]]]]]]]]]]\n");
    for i in 1..10 {
        writeln!(chain, "a{i}: &a{i} [[[[[[[[[[*a{}]]]]]]]]]]", i - 1).expect("a string takes everything");
    }
    rejected(&chain, "nested more than 64 deep");
    good(&format!("{}{}", "[".repeat(63), "]".repeat(63)));
}

#[test]
fn size_is_bounded() {
    rejected(&format!("a: {}", "x".repeat(MAX_BYTES)), "larger than 1024 KiB");
    rejected(&format!("[{}", "[],".repeat(MAX_BYTES / 3 - 2)), "the file holds too much");
    rejected(&"- &a x\n".repeat(60_000), "too much");
}

/// A document made of what YAML is made of is far more likely to reach the odd corners than random text.
fn yaml_like() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a", "b: ", ": ", "- ", "\n", "\n  ", "\n    ", "\t", "[", "]", "{", "}", ", ", "&x ", "*x", "<<: ", "? ", "|",
        ">", "|2-\n", "'", "\"", "\\", "#", " # c", "!", "!!str ", "%YAML 1.2", "---\n", "...\n", "~", "é", "\u{feff}",
        "\r", "\u{85}", "\0", "日本", "@", "`",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        "\\PC{0,12}".prop_map(Into::into),
        "[ a-z0-9:#'\"\\n\\-{}\\[\\]&*!|>%@`,?~.]{0,12}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::btree_map("[a-z][a-z0-9 _.-]{0,8}", inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in prop_oneof![yaml_like(), any::<String>()]) {
        let source = Source::new("x.yaml", &text);
        let mut diags = Diagnostics::default();
        let node = parse(&source, &mut diags);
        prop_assert!(node.is_some() || diags.has_errors(), "neither a document nor a mistake");
        for diagnostic in &diags.all {
            prop_assert!(diagnostic.span.start <= diagnostic.span.end);
            prop_assert!(text.get(diagnostic.span.start..diagnostic.span.end).is_some(), "{diagnostic:?}");
        }
        if let Some(node) = node {
            let mut open = vec![&node];
            while let Some(node) = open.pop() {
                prop_assert!(text.get(node.span.start..node.span.end).is_some(), "{node:?}");
                match &node.value {
                    Value::List(items) => open.extend(items),
                    Value::Map(entries) => open.extend(entries.iter().map(|entry| &entry.value)),
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn what_serde_yaml_writes_is_read_back(value in json()) {
        let text = serde_yaml::to_string(&value).expect("JSON values can be written as YAML");
        let (node, messages) = read(&text);
        prop_assert!(messages.is_empty(), "{messages:?}\n{text}");
        prop_assert_eq!(node.map(|node| node.to_json()), Some(value), "{}", text);
    }
}
