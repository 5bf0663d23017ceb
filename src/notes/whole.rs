//! What only all files together can tell: ids that are there twice, findings that are not there, keys of which two files say
//! different things.

use super::read::{Place, Places};
use crate::report::DrillRef;
use crate::source::{Diagnostics, did_you_mean, shorten};

/// Checks it; `false` when something was wrong.
pub(super) fn check(places: &Places, diags: &mut Diagnostics) -> bool {
    let before = diags.all.len();
    twice("finding", &places.findings, diags);
    twice("action", &places.actions, diags);
    for (id, place) in &places.named {
        if !places.findings.iter().any(|(known, _)| known == id) {
            let ids = places.findings.iter().map(|(known, _)| known.as_str());
            diags
                .error(&place.source, place.span, format!("no notes have a finding `{}`", shorten(id)))
                .help(did_you_mean(id, ids));
        }
    }
    for (at, (quarter, key, place)) in places.header.iter().enumerate() {
        let known = places.header.iter().take(at).find(|(of, name, _)| of == quarter && name == key);
        if let Some((_, _, first)) = known {
            let message = format!("`{key}` is said twice for the same quarter");
            also(place, first, message, diags);
        }
    }
    for (at, (quarter, of, place)) in places.drills.iter().enumerate() {
        let known = places.drills.iter().take(at).find(|(when, other, _)| when == quarter && other == of);
        if let Some((_, _, first)) = known {
            let (DrillRef::Run(name) | DrillRef::Scenario(name)) = of;
            also(place, first, format!("there are notes about `{}` already", shorten(name)), diags);
        }
    }
    diags.all.len() == before
}

fn twice(what: &str, ids: &[(String, Place)], diags: &mut Diagnostics) {
    for (at, (id, place)) in ids.iter().enumerate() {
        if let Some((_, first)) = ids.iter().take(at).find(|(known, _)| known == id) {
            also(
                place,
                first,
                format!("there is a{} {what} `{}` already", if what == "action" { "n" } else { "" }, shorten(id)),
                diags,
            );
        }
    }
}

fn also(place: &Place, first: &Place, message: String, diags: &mut Diagnostics) {
    let line = first.source.pos(first.span.start).line;
    diags
        .error(&place.source, place.span, message)
        .help(format!("the first one stands at {}:{line}", first.source.path.display()));
}
