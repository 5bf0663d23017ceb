//! The attributes that Runme keeps behind the tag of a fence: `bash {"name":"deploy","background":"true"}`, or as older
//! ones have it `sh {name=deploy background=true}`. They belong to another tool: what is not understood is no mistake.

use crate::source::TextPattern;

/// `"name":"x"`, `"background":true`, or `name=x`.
static PAIR: TextPattern = TextPattern::new(
    r#"(?x) "(name|background|excludeFromRunAll|cwd)"\s*:\s*(?: "([^"]*)" | (true|false) )
        | [\{\s,](name|background|excludeFromRunAll|cwd)=["']?([^\s,"'}]*)"#,
);

/// The keys and values of the attributes of an info string.
fn pairs(info: &str) -> impl Iterator<Item = (&str, &str)> {
    let braces = info.find('{').and_then(|at| info.get(at..)).unwrap_or_default();
    // Pandoc's `{.bash}` is a tag; what never ends is nothing.
    let found = PAIR.captures_iter(braces).filter(|_| !braces.starts_with("{.") && braces.trim_end().ends_with('}'));
    found.map(|pair| {
        let first =
            |groups: &[usize]| groups.iter().find_map(|group| pair.get(*group)).map_or("", |text| text.as_str());
        (first(&[1, 4]), first(&[2, 3, 5]).trim())
    })
}

/// The `name` of the step and its `background`, by the attributes of an info string.
pub(super) fn attributes(info: &str) -> (Option<String>, Option<bool>) {
    let (mut name, mut background) = (None, None);
    for (key, value) in pairs(info) {
        match key {
            "name" => name = Some(value.to_string()).filter(|name| name.contains(char::is_alphanumeric)),
            "background" => background = Some(true).filter(|_| value == "true"),
            _ => {}
        }
    }
    (name, background)
}

/// What the attributes say of when and where the block is run: never with all the others, in another directory.
pub(super) fn limits(info: &str) -> impl Iterator<Item = String> {
    let limits = |(key, value): &(&str, &str)| match *key {
        "excludeFromRunAll" => *value == "true",
        key => key == "cwd" && !matches!(*value, "" | "." | "./"),
    };
    pairs(info).filter(limits).map(|(key, value)| format!("{key}={value}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_forms_are_read_and_nothing_else_is_minded() {
        let read = |info: &str| {
            let (name, background) = attributes(info);
            (name.unwrap_or_default(), background.unwrap_or_default())
        };
        for (info, name, background) in [
            (r#"bash {"name":"deploy","interactive":"false","background":"true","cwd":"/x"}"#, "deploy", true),
            (r#"sh {"background":true,"promptEnv":"no"}"#, "", true),
            ("sh { name=deploy background=true interactive=false }", "deploy", true),
            ("sh {name='deploy', background=false}", "deploy", false),
            (r#"bash {"name":"","background":"maybe"}"#, "", false),
            (r#"bash {"name": 3"#, "", false),
            ("{.sh name=x}", "", false),
            ("bash", "", false),
            ("bash {rename=x}", "", false),
        ] {
            assert_eq!(read(info), (name.to_string(), background), "{info}");
        }
        let limited = limits(r#"sh {"name":"x","excludeFromRunAll":true,"cwd":"/srv"}"#).collect::<Vec<_>>();
        assert_eq!(limited, ["excludeFromRunAll=true", "cwd=/srv"]);
        assert_eq!(limits("sh {cwd=. excludeFromRunAll=false interactive=true}").count(), 0);
    }

    proptest! {
        #[test]
        fn no_info_string_makes_it_panic(info in "[a-z{}\"=:, .é]{0,40}") {
            attributes(&info);
        }
    }
}
