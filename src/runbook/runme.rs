//! The attributes that Runme keeps behind the tag of a fence: `bash {"name":"deploy","background":"true"}`, or as older
//! ones have it `sh {name=deploy background=true}`. They belong to another tool: what is not understood is no mistake.

/// What is taken from them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    /// `name`: the name of the step.
    pub name: Option<String>,
    /// `background`.
    pub background: Option<bool>,
}

/// Reads the attributes of an info string.
pub(super) fn attributes(info: &str) -> Attributes {
    let Some(braces) = info.find('{').and_then(|at| info.get(at..)) else { return Attributes::default() };
    let braces = braces.trim();
    // Pandoc's `{.bash}` is a tag.
    if braces.starts_with("{.") {
        return Attributes::default();
    }
    match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(braces) {
        Ok(map) => {
            let text = |key: &str| match map.get(key)? {
                serde_json::Value::String(text) => Some(text.clone()),
                serde_json::Value::Bool(value) => Some(value.to_string()),
                _ => None,
            };
            of(text("name"), text("background"))
        }
        Err(_) => {
            let inner = braces.trim_start_matches('{').trim_end_matches('}');
            let value = |key: &str| {
                inner.split([' ', '\t', ',']).find_map(|pair| {
                    let value = pair.trim().strip_prefix(key)?.strip_prefix('=')?;
                    Some(value.trim_matches(['"', '\'']).to_string())
                })
            };
            of(value("name"), value("background"))
        }
    }
}

fn of(name: Option<String>, background: Option<String>) -> Attributes {
    Attributes {
        name: name.map(|name| name.trim().to_string()).filter(|name| name.chars().any(char::is_alphanumeric)),
        background: background.filter(|value| value == "true").map(|_| true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_forms_are_read_and_nothing_else_is_minded() {
        let read = |info: &str| {
            let found = attributes(info);
            (found.name.unwrap_or_default(), found.background.unwrap_or_default())
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
