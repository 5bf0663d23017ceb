//! Variables as files and command lines give them: a value, or one of the runner's environment, and which are secrets.

use super::Var;
use crate::record::{SHORTEST_DECLARED, SHORTEST_GUESSED, looks_secret, url_password};
use crate::source::{At, Value, shape, shorten};
use serde_json::json;

/// Whether a value must never be shown: what the scenario says wins; otherwise what its name or the value itself says,
/// because nobody thinks of `secret: true` when they write `--var DB_PASSWORD=…`.
pub(super) fn is_secret(name: &str, value: &str, declared: Option<bool>) -> bool {
    declared.unwrap_or_else(|| looks_secret(name) || url_password(value).is_some())
}

/// What can be done about a secret that is too short.
pub(super) const LONGER: &str = "give it a longer value, or leave `secret: true` out where its value may be read";

/// Why a variable cannot be a secret.
pub(super) fn too_short(var: &Var) -> Option<String> {
    let length = var.value.trim().chars().count();
    (var.declared && (1..SHORTEST_DECLARED).contains(&length)).then(|| {
        format!(
            "a value of fewer than {SHORTEST_DECLARED} characters cannot be a secret: to hide it everywhere would leave \
             nothing of the record"
        )
    })
}

/// A variable with this value.
pub(super) fn var(name: &str, value: String, declared: Option<bool>, may_be_empty: bool) -> Var {
    Var { secret: is_secret(name, &value, declared), declared: declared == Some(true), value, may_be_empty }
}

fn of_runner(name: &str) -> Result<String, String> {
    let shown = shorten(name);
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err(format!("`{shown}` is not the name of an environment variable"));
    }
    std::env::var(name).map_err(|error| match error {
        std::env::VarError::NotPresent => format!("the environment variable `{shown}` is not set"),
        std::env::VarError::NotUnicode(_) => format!("the environment variable `{shown}` is not UTF-8"),
    })
}

/// A variable, and what the scenario says about its being a secret.
pub fn read_var(at: &mut At<'_>) -> (Option<Var>, Option<bool>) {
    let name = shorten(at.key);
    let (mut declared, mut may_be_empty) = (None, false);
    let value = at.either(
        shape::scalar,
        |at| at.node.text().map(str::to_string),
        |at| {
            if !matches!(at.node.value, Value::Map(_)) {
                return at.fail(format!("variable `{name}`: expected a value, found {}", at.node.describe()));
            }
            let mut map = at.map(format!("variable `{name}`"))?.of_section("Variables");
            declared = map.optional::<bool>("secret");
            may_be_empty = map.optional::<bool>("may_be_empty").unwrap_or_default();
            let value: Option<String> = map.optional("value");
            let from = map.optional_by("env", |at| {
                let from: String = at.value()?;
                let value = of_runner(&from);
                if let Err(why) = &value {
                    at.error(why).help("set it before the drill is run");
                }
                value.ok()
            });
            map.also(json!({ "type": "object", "oneOf": [{ "required": ["value"] }, { "required": ["env"] }] }));
            let span = map.span();
            match (map.has("value"), map.has("env")) {
                (true, true) => {
                    map.error(span, format!("variable `{name}` has both `value` and `env`"));
                }
                (false, false) => {
                    map.error(span, format!("variable `{name}` has no value"))
                        .help("write `value: …`, or `env: NAME` to take it from the environment");
                }
                _ => {}
            }
            map.finish().and(value.or(from))
        },
    );
    let var = value.map(|value| var(at.key, value, declared, may_be_empty));
    if let Some(why) = var.as_ref().and_then(too_short) {
        let written = at.node.get(&["value"]).or(at.node.get(&["env"])).unwrap_or(at.node);
        at.diags.error(at.source, written.span, format!("variable `{name}`: {why}")).help(LONGER);
    }
    let guessed = var.as_ref().filter(|_| declared.is_none() && looks_secret(at.key));
    if guessed.is_some_and(|var| (1..SHORTEST_GUESSED).contains(&var.value.trim().chars().count())) {
        let why =
            format!("its name is that of a secret, and a value of fewer than {SHORTEST_GUESSED} characters is shown");
        at.diags
            .warning(at.source, at.key_span, format!("variable `{name}`: {why}"))
            .help("say `secret: true` to have it hidden, or `secret: false`");
    }
    (var, declared)
}
