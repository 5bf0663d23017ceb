//! Annotations in every place, and every mistake in them.

use crate::runbook::{Runbook, Step, parse_with};
use crate::source::{Diagnostics, Source, render};
use proptest::prelude::*;

fn read(text: &str) -> (Runbook, Diagnostics) {
    let mut diags = Diagnostics::default();
    let runbook = parse_with(&Source::new("runbooks/x.md", text), &Default::default(), &mut diags).unwrap();
    (runbook, diags)
}

fn fine(text: &str) -> Vec<Step> {
    let (runbook, diags) = read(text);
    assert!(diags.all.is_empty(), "{}", render(&diags, false));
    runbook.steps
}

fn told(text: &str) -> String {
    crate::source::brief::brief(&render(&read(text).1, false))
}

fn ids(steps: &[Step]) -> Vec<&str> {
    steps.iter().map(|step| step.id.as_str()).collect()
}

#[test]
fn patterns_and_mistakes_are_counted() {
    let said = |pattern: &str, times: usize| {
        let page = (0..times)
            .map(|i| format!("<!-- firedrill: {} -->\n```sh\nls\n```\n", pattern.replace('#', &i.to_string())));
        read(&format!("## Fix\n\n{}", page.collect::<String>())).1.all
    };
    assert!(said("expect=/a#/", 250).is_empty());
    let found = said("expect=/a#/", 251);
    assert!(found[0].message.contains("`a250` is one pattern too many"), "{found:?}");
    let found = said("a=1 b=2 c=3", 400);
    assert_eq!(found.len(), 1002, "the last one says that there are more");
    assert!(found[1001].message.contains("more than 1000 mistakes"), "{:?}", found[1001]);
}

#[test]
fn everything_that_can_be_said_above_a_block() {
    let steps = fine(
        "## Fix\n\n1. End them\n\n   <!-- firedrill: id=kill-sessions in=db timeout=30s retry=10/2s\n   expect=/terminated \\/ \"gone\"/ expect-exit=1 background=false capture=PID -->\n   ```bash\n   a\n   ```\n",
    );
    assert_eq!(ids(&steps), ["mitigate/kill-sessions"]);
    insta::assert_snapshot!(format!("{:?}", steps[0].settings(0)));
    assert_eq!((steps[0].blocks[0].line, steps[0].blocks[0].end_line), (7, 9));
    let steps = fine("## Fix\n\n<!-- firedrill: skip=\"needs \\\"root\\\"\" -->\n\n```sh\na\n```\n\n```sh\nb\n```\n");
    assert_eq!(steps[0].manual.as_deref(), Some("needs \"root\""));
    assert_eq!((steps[0].held().len(), steps[1].commands().len()), (1, 1));
    assert!(steps[0].settings(0).skip.is_some() && steps[1].settings(0).is_empty());
}

#[test]
fn several_blocks_of_a_step_have_settings_of_their_own() {
    let steps = fine(
        "## Fix\n\n### Step 1: Both <!-- firedrill: in=db timeout=5s -->\n\n```sh\na\nb\n```\n\n<!-- firedrill: timeout=9s -->\n```sh\nc\n```\n",
    );
    let [step] = steps.as_slice() else { panic!("{steps:?}") };
    assert_eq!((step.title.as_str(), step.id.as_str()), ("Step 1: Both", "mitigate/both"));
    let numbers: Vec<usize> = step.commands().iter().map(|command| command.block).collect();
    assert_eq!((numbers, step.blocks.len()), (vec![0, 0, 1], 2));
    let of = |block: usize| (step.settings(block).place, step.settings(block).timeout.map(|t| t.as_secs()));
    assert_eq!((of(0), of(1)), ((Some("db".into()), Some(5)), (Some("db".into()), Some(9))));
}

#[test]
fn a_heading_speaks_for_everything_below_it() {
    let steps = fine(
        "# Odd words\n\n## Make it go <!-- firedrill: phase=mitigate in=shop -->\n\n### Restart <!-- firedrill: id=again -->\n\n```sh\na\n```\n\n## Then\n\n```sh\nb\n```\n\nHead <!-- firedrill: phase=verify -->\n---\n\n1. x\n   ```sh\n   c\n   ```\n",
    );
    assert_eq!(ids(&steps), ["mitigate/again", "other/then", "verify/x"]);
    let places: Vec<_> = steps.iter().map(|step| step.settings(0).place).collect();
    assert_eq!(places, [Some("shop".into()), None, None]);
    assert_eq!(steps[0].title, "Restart");
}

#[test]
fn ids_cut_a_step_and_win_over_titles() {
    let text = "## Fix\n\n### Restart\n\n```sh\na\n```\n\nThen look.\n\n<!-- firedrill: id=look -->\n```sh\nb\n```\n\n```sh\nc\n```\n\n### Other\n\n<!-- firedrill: id=restart -->\n```sh\nd\n```\n";
    let steps = fine(text);
    assert_eq!(ids(&steps), ["mitigate/restart-2", "mitigate/look", "mitigate/restart"]);
    assert_eq!((steps[1].title.as_str(), steps[1].commands().len(), steps[1].blocks.len()), ("Then look", 2, 2));
    // The same name in another phase is another step.
    let steps = fine(
        "## Fix\n\n<!-- firedrill: id=x -->\n```sh\na\n```\n\n## Verify\n\n<!-- firedrill: id=x -->\n```sh\na\n```\n",
    );
    assert_eq!(ids(&steps), ["mitigate/x", "verify/x"]);
}

#[test]
fn what_runme_writes_is_read() {
    let text = "## Fix\n\n```sh {\"name\":\"Deploy it\",\"background\":\"true\",\"cwd\":\"/x\"}\na\n```\n\n```sh {name=wait}\nb\n```\n\n```sh {name=wait}\nc\n```\n\n<!-- firedrill: id=mine background=false -->\n```sh {\"name\":\"theirs\",\"background\":true}\nd\n```\n\n```yaml {\"name\":\"data\"}\nx: 1\n```\n";
    let steps = fine(text);
    assert_eq!(ids(&steps), ["mitigate/deploy-it", "mitigate/wait", "mitigate/wait-2", "mitigate/mine"]);
    let background: Vec<_> = steps.iter().map(|step| step.settings(0).background).collect();
    assert_eq!(background, [Some(true), None, None, Some(false)]);
}

#[test]
fn a_fence_that_fell_out_of_its_item_keeps_its_annotation() {
    let steps = fine("## Fix\n\n1. a\n\n<!-- firedrill: id=x -->\n```sh\na\n```\n\n2. b\n\n   ```sh\n   b\n   ```\n");
    assert_eq!(ids(&steps), ["mitigate/x", "mitigate/b"]);
    assert_eq!(steps[0].title, "a");
}

#[test]
fn comments_of_others_are_left_alone() {
    for comment in
        ["<!-- note -->", "<!-- Firedrill follows this. -->", "<!-- firedrill-lint: x -->", "<!-- firedrills: x -->"]
    {
        let steps =
            fine(&format!("# T {comment}\n\n{comment}\n\n## Fix\n\nRun {comment}:\n\n{comment}\n```sh\na\n```\n"));
        assert_eq!(steps.len(), 1, "{comment}");
    }
    fine(
        "## Fix\n\nWrite `<!-- firedrill: x` or \\<!-- firedrill: x.\n\n```html\n<!-- firedrill: x\n```\n\n```sh\na\n```\n",
    );
}

#[test]
fn mistakes_of_keys_and_values() {
    let texts = [
        "## Fix ö <!-- firedrill: retires=1 in=a,b phase=fix -->\n\n<!-- firedrill: id=a/b timeout=5 retry=3 expect=/(/ expect-exit=one backgroud phase=verify skip\n  capture=1 choose=maybe in=db in=db timeout= id -->\n```sh\na\n```\n",
        "## Fix\n\n<!-- firedrill: -->\n<!-- firedrill: skip=\"open -->\n<!-- firedrill: expect=/a/b -->\n<!-- firedrill: = x -->\n```sh\na\n```\n",
    ];
    insta::assert_snapshot!(texts.map(told).join("\n"));
}

#[test]
fn malformed_annotations() {
    let texts = [
        "## Fix\n\n```sh\na\n```\n\n<!-- firedrill: id=x\n```sh\nb\n```\n",
        "## Fix <!-- firedrill: id=x\n\n<!-- firedrill id=x -->\n```sh\na\n```\n\nText <!-- firedrill: in=db\nmore\n",
    ];
    insta::assert_snapshot!(texts.map(told).join("\n"));
}

#[test]
fn annotations_that_belong_to_nothing() {
    insta::assert_snapshot!(told(
        "## Fix\n\n<!-- firedrill: id=a -->\n\nSome words. <!-- firedrill: id=b -->\n\n```sh\na\n```\n\n<!-- firedrill: id=c -->\n```yaml\nx: 1\n```\n\n1. x <!-- firedrill: id=d -->\n\n   <!-- firedrill: id=e -->\n2. y\n\n## Notes <!-- firedrill: in=db -->\n\n## Verify <!-- firedrill: id=f -->\n\n1. a\n2. b\n\n<!-- firedrill: id=g wrong=1 -->\n"
    ));
}

#[test]
fn an_annotation_that_splits_a_list() {
    insta::assert_snapshot!(told(
        "## Fix\n\n1. a\n\n<!-- firedrill: id=x -->\n   ```sh\n   a\n   ```\n\n2. b\n\n<!-- firedrill: id=y -->\n    ```sh\n    b\n    ```\n"
    ));
}

#[test]
fn names_that_are_given_twice() {
    insta::assert_snapshot!(told(
        "## Fix\n\n<!-- firedrill: id=x capture=POD -->\n```sh\na\n```\n\n<!-- firedrill: id=x capture=pod -->\n```sh\nb\n```\n\n### C <!-- firedrill: capture=B -->\n\n```sh\nc\n```\n\n```sh\nd\n```\n"
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever is written into comments, nothing panics, and every mistake points at bytes that are there.
    #[test]
    fn any_annotation_is_read(
        parts in prop::collection::vec(prop::sample::select(vec![
            "<!-- firedrill: ", "<!--firedrill:", "<!-- firedrill ", "<!--", "-->", " -->\n", "id=x", "id=é ", " in=db", " expect=/a\\/é/", " expect=/",
            " skip=\"a é\"", "\"", "=", "/", " retry=1/1s", " phase=verify", " background", "\n", "\r\n", "## Fix ", "1. a\n", "   ", "> ", "```sh\n", "a\n",
            "```\n", "```sh {\"name\":\"é\"}\n", "text ", "<details>\n", "| a |\n|--|\n", "\\", "é", "\t",
        ]), 0..24),
    ) {
        let text = parts.concat();
        let (runbook, diags) = read(&text);
        for diagnostic in &diags.all {
            prop_assert!(text.get(diagnostic.span.start..diagnostic.span.end).is_some(), "{:?} {:?}", text, diagnostic);
            prop_assert!(!diagnostic.message.is_empty());
        }
        for step in &runbook.steps {
            for command in &step.all_commands {
                let block = &step.blocks[command.block];
                prop_assert!(block.line <= command.line && command.line <= block.end_line, "{:?} {:?}", text, step);
            }
        }
    }

    #[test]
    fn any_bytes_in_an_annotation(inner in "\\PC{0,40}") {
        read(&format!("## Fix\n\n<!-- firedrill: {inner} -->\n```sh\na\n```\n\n# T <!-- firedrill: {inner} -->\n"));
    }
}

#[test]
fn a_variable_is_set_in_the_session_of_its_place_only() {
    let text = "## Fix\n\n```sh\nA=1\nB=2\n```\n\n<!-- firedrill: in=db -->\n```sh\nC=3\necho $A\n```\n\n<!-- firedrill: background -->\n```sh\nD=4\n```\n\n```sh\necho $B $C $D\n```\n";
    let steps = fine(text);
    let inputs: Vec<&str> =
        steps.iter().flat_map(Step::commands).flat_map(|c| &c.inputs).map(|input| input.spelling.as_str()).collect();
    assert_eq!(inputs, ["$A", "$C", "$D"]);
}
