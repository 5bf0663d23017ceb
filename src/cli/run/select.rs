//! Which steps of a runbook `firedrill run` follows.

use crate::error::Error;
use crate::runbook::{Runbook, RunbookPhase, Step};
use crate::source::{list, nearest};

/// The runbook with these steps alone: `only` these, or those of these phases beginning with `from`. A variable that only a step
/// left out would set is an input of those that stay.
///
/// # Errors
/// `usage` when a step is not there, or none is left.
pub fn selected(
    runbook: &Runbook,
    from: Option<&str>,
    only: &[String],
    phases: &[RunbookPhase],
) -> Result<Runbook, Error> {
    let only = only.iter().map(|name| step(runbook, name)).collect::<Result<Vec<&Step>, Error>>()?;
    let from = from.map(|name| step(runbook, name)).transpose()?;
    let begin = from.map_or(0, |from| from.line);
    let chosen = runbook.only(|step| {
        if !only.is_empty() {
            return only.iter().any(|only| only.id == step.id);
        }
        // The one that is named is followed, whatever its phase.
        let named = from.is_some_and(|from| from.id == step.id);
        named || (step.line >= begin && phases.contains(&step.phase))
    });
    if !chosen.steps.is_empty() {
        return Ok(chosen);
    }
    let wanted: Vec<&str> = phases.iter().map(|phase| phase.name()).collect();
    let mut there: Vec<&str> = Vec::new();
    for step in &runbook.steps {
        if !there.contains(&step.phase.name()) {
            there.push(step.phase.name());
        }
    }
    let error = Error::usage(format!("the runbook has no step in {}", list(&wanted)));
    Err(match there.is_empty() {
        true => error.hint("it has no steps at all"),
        false => error.hint(format!("it has steps in {}; select what to follow with `--phases`", list(&there))),
    })
}

/// The step of that id, or of that part of it behind the slash.
fn step<'r>(runbook: &'r Runbook, name: &str) -> Result<&'r Step, Error> {
    if let Some(step) = runbook.steps.iter().find(|step| step.id == name) {
        return Ok(step);
    }
    let ids = || runbook.steps.iter().map(|step| step.id.as_str());
    let slug = |id: &'r str| id.split_once('/').map_or(id, |(_, slug)| slug);
    let found: Vec<&Step> = runbook.steps.iter().filter(|step| slug(&step.id) == name).collect();
    match found[..] {
        [step] => Ok(step),
        [] => {
            let near = nearest(name, ids().map(|id| if name.contains('/') { id } else { slug(id) }));
            Err(Error::usage(format!("the runbook has no step `{name}`")).hint(match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it has {}", list(&ids().collect::<Vec<_>>())),
            }))
        }
        _ => {
            let ids: Vec<&str> = found.iter().map(|step| step.id.as_str()).collect();
            Err(Error::usage(format!("`{name}` may be {}", list(&ids))).hint("give the whole id"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Diagnostics, Source};

    const TEXT: &str = "\
# Shop

## Diagnosis

### Step 1: Look

```bash
true
```

## Mitigation

### Step 2: Restart

```bash
true
```

## Rollback

### Step 3: Restart

```bash
true
```
";

    fn ids(from: Option<&str>, only: &[&str], phases: &[RunbookPhase]) -> Result<Vec<String>, String> {
        let runbook = crate::runbook::parse(&Source::new("shop.md", TEXT), &mut Diagnostics::default()).unwrap();
        let only: Vec<String> = only.iter().map(|name| name.to_string()).collect();
        let chosen = selected(&runbook, from, &only, phases).map_err(|error| error.to_string())?;
        Ok(chosen.steps.into_iter().map(|step| step.id).collect())
    }

    #[test]
    fn steps_are_named_by_their_id_or_by_the_part_behind_the_slash() {
        use RunbookPhase::{Diagnose, Mitigate, Verify};
        let usual = [Diagnose, Mitigate, Verify];
        assert_eq!(ids(None, &[], &usual).unwrap(), ["diagnose/look", "mitigate/restart"]);
        assert_eq!(ids(Some("mitigate/restart"), &[], &usual).unwrap(), ["mitigate/restart"]);
        assert_eq!(ids(Some("rollback/restart"), &[], &usual).unwrap(), ["rollback/restart"]);
        assert_eq!(ids(None, &["look", "rollback/restart"], &usual).unwrap(), ["diagnose/look", "rollback/restart"]);
    }

    #[test]
    fn what_is_not_there_is_said_with_what_is() {
        let error = ids(None, &["lok"], &[]).unwrap_err();
        assert!(error.contains("no step `lok`") && error.contains("did you mean `look`?"), "{error}");
        let error = ids(Some("restart"), &[], &[]).unwrap_err();
        assert!(error.contains("`mitigate/restart` and `rollback/restart`"), "{error}");
        let error = ids(None, &[], &[RunbookPhase::Verify]).unwrap_err();
        assert!(error.contains("no step in `verify`") && error.contains("--phases"), "{error}");
    }
}
