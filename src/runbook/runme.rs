//! The attributes that Runme keeps behind the tag of a fence: `bash {"name":"deploy","background":"true"}`, or as older
//! ones have it `sh {name=deploy background=true}`. They belong to another tool: what is not understood is no mistake.

use crate::source::TextPattern;

/// `"name":"x"`, `"background":true`, or `name=x`.
static PAIR: TextPattern = TextPattern::new(
    r#"(?x) "(name|background)"\s*:\s*(?: "([^"]*)" | (true|false) ) | [\{\s,](name|background)=["']?([^\s,"'}]*)"#,
);

/// The `name` of the step and its `background`, by the attributes of an info string.
pub(super) fn attributes(info: &str) -> (Option<String>, Option<bool>) {
    let (mut name, mut background) = (None, None);
    let braces = info.find('{').and_then(|at| info.get(at..)).unwrap_or_default();
    // Pandoc's `{.bash}` is a tag; what never ends is nothing.
    for pair in PAIR.captures_iter(braces).filter(|_| !braces.starts_with("{.") && braces.trim_end().ends_with('}')) {
        let value = pair.get(2).or(pair.get(3)).or(pair.get(5)).map_or("", |value| value.as_str().trim());
        match pair.get(1).or(pair.get(4)).map(|key| key.as_str()) {
            Some("name") => name = Some(value.to_string()).filter(|name| name.contains(char::is_alphanumeric)),
            _ => background = Some(true).filter(|_| value == "true"),
        }
    }
    (name, background)
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
    }

    proptest! {
        #[test]
        fn no_info_string_makes_it_panic(info in "[a-z{}\"=:, .é]{0,40}") {
            attributes(&info);
        }
    }
}
