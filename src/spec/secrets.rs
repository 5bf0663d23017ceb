//! A mistake is shown with its line, and that line may hold the value of a variable that is a secret.

use super::find::is_yaml;
use super::vars::is_secret;
use crate::record::{Redactor, Secret};
use crate::source::{Diagnostics, Node, Source, Span, concealed, parse};
use std::path::PathBuf;
use std::sync::Arc;

/// Replaces the values of secret variables by `***` in the lines and texts that the diagnostics of scenarios show.
pub fn hide(diags: &mut Diagnostics) {
    let mut hidden: Vec<(PathBuf, Arc<Source>, Redactor)> = Vec::new();
    for diagnostic in &mut diags.all {
        let path = &diagnostic.source.path;
        if !is_yaml(path) {
            continue;
        }
        let at = hidden.iter().position(|(known, ..)| known == path).unwrap_or_else(|| {
            let (source, redactor) = masked(&diagnostic.source);
            hidden.push((path.clone(), source, redactor));
            hidden.len() - 1
        });
        let Some((_, source, redactor)) = hidden.get(at) else { continue };
        let texts = [Some(&mut diagnostic.message), diagnostic.label.as_mut(), diagnostic.help.as_mut()];
        for text in texts.into_iter().flatten() {
            *text = redactor.text(text);
        }
        diagnostic.source = source.clone();
    }
}

/// The same text with the secret values concealed: every span stays where it is, and no length is shown.
fn masked(source: &Arc<Source>) -> (Arc<Source>, Redactor) {
    let Some(root) = parse(source, &mut Diagnostics::default()) else { return (source.clone(), Redactor::default()) };
    let mut secrets = Vec::new();
    let of_respond = ["vars", "env"].into_iter().filter_map(|key| root.get(&["respond", key]));
    let steps = root.get(&["steps"]).map_or(&[][..], Node::entries);
    for vars in of_respond.chain(steps.iter().filter_map(|step| step.value.get(&["env"]))) {
        for var in vars.entries() {
            let declared = var.value.get(&["secret"]).and_then(Node::text).and_then(|text| text.parse().ok());
            let value = var.value.get(&["value"]).or(Some(&var.value)).filter(|node| node.text().is_some());
            let Some(text) = value.and_then(Node::text) else { continue };
            if is_secret(&var.key, text, declared) {
                let kind = if declared == Some(true) { Secret::Declared } else { Secret::Guessed };
                secrets.extend(value.map(|value| (value.span, kind(text.to_string()))));
            }
        }
    }
    if secrets.is_empty() {
        return (source.clone(), Redactor::default());
    }
    let mut text = source.text.clone();
    for (Span { start, end }, _) in &secrets {
        if let Some(value) = text.get(*start..*end) {
            text.replace_range(*start..*end, &concealed(value));
        }
    }
    for (_, secret) in &secrets {
        let value = secret.value();
        if secret.is_hidden() && !value.contains('\n') {
            text = text.replace(value, &concealed(value));
        }
    }
    (Source::new(&source.path, text), Redactor::new(secrets.into_iter().map(|(_, secret)| secret)))
}
