//! `patch`: an object of a stack in Kubernetes gets other settings (a value of a ConfigMap, the selector of a Service, the replicas
//! of a Deployment), is deleted, or is there although it should not be. The runbook puts it right.
//!
//! ```yaml
//! - patch: { object: configmap/checkout-config, set: { data: { DB_POOL_SIZE: "1" } }, restart: checkout }
//! - patch: { object: deployment/checkout, set: { spec: { replicas: 0 } } }
//! - patch: { object: service/checkout, delete: true }
//! - patch: { object: resourcequota/tiny, create: { apiVersion: v1, spec: { hard: { pods: "0" } } } }
//! ```

use super::{FaultContext, FaultError, FaultFacts, FaultResult, Inject, Presence, ReadFault, Undo, Undone};
use crate::source::{At, MapReader, TextForm, TextPattern, shape, shorten};
use crate::stack::{Need, ObjectChange, ObjectEdit, Stack};
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

const OBJECT: TextForm =
    TextForm::new("kind and name, like `configmap/shop`", || shape::text("[A-Za-z]+/[a-z0-9][a-z0-9.-]*"));

/// Reads what is set: a map, as JSON has it.
fn settings(at: &mut At<'_>) -> Option<serde_json::Value> {
    at.diags.describe(|| json!({ "type": "object", "minProperties": 1 }));
    match at.node.to_json() {
        serde_json::Value::Object(map) if map.is_empty() => at.not("it is empty: say what is set"),
        map @ serde_json::Value::Object(_) => Some(map),
        _ => at.expected("a map of what is set"),
    }
}

/// What a value of a Secret holds, in every spelling that the redactor cannot know by itself. Of a number the Secret gets the text.
fn held(path: &str, value: &serde_json::Value) -> Vec<String> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_string);
    match path.split_once('.') {
        Some(("stringData", _)) => vec![text],
        Some(("data", _)) => {
            let decoded = STANDARD.decode(&text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            decoded.into_iter().chain([text]).collect()
        }
        _ => Vec::new(),
    }
}

async fn look(change: &ObjectChange, stack: &dyn Stack) -> FaultResult<Presence> {
    let found = stack.changed(change).await.map_err(FaultError::of(format!("look at `{}`", change.object)))?;
    let (is, is_not): (Vec<_>, Vec<_>) = found.iter().partition(|(_, in_place)| **in_place);
    let names = |all: &[(&String, &bool)]| all.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>().join(", ");
    let object = &change.object;
    let evidence = match (is.len(), is_not.len()) {
        (0, _) if change.edit == ObjectEdit::Delete => format!("{object} is there"),
        _ if change.edit == ObjectEdit::Delete => format!("{object} is not there"),
        (0, _) => format!("{object} has another {}", names(&is_not)),
        (_, 0) => format!("{object} has the fault's {}", names(&is)),
        _ => format!("{object} has the fault's {}, and another {}", names(&is), names(&is_not)),
    };
    Ok(Presence::of(is.len(), found.len(), evidence))
}

/// Gives back what was planned, unless that has been done.
pub(super) async fn take_back(change: &ObjectChange, stack: &dyn Stack) -> FaultResult<Undone> {
    if let Presence::Gone(_) = look(change, stack).await? {
        return Ok(Undone::default());
    }
    let operation = format!("give `{}` back what was planned", change.object);
    stack.change(change, true).await.map_err(FaultError::of(operation))?;
    Ok(Undone::of([format!("gave `{}` back what was planned", change.object)]))
}

/// Reads its parameters; `None` when there were mistakes, which are noted.
pub(super) fn patch(map: &mut MapReader<'_>) -> ReadFault<ObjectChange> {
    static KIND_AND_NAME: TextPattern = TextPattern::new("^[A-Za-z]+/[a-z0-9][a-z0-9.-]*$");
    let object = map.require_with("object", OBJECT, |text| match KIND_AND_NAME.is_match(text) {
        true => Ok(text.to_string()),
        false => Err(format!("`{}` is not kind and name, like `configmap/shop`", shorten(text))),
    });
    let set = map.optional_by("set", settings);
    let create = map.optional_by("create", settings);
    let delete = map.optional("delete");
    let restart: Option<String> = map.optional("restart");
    let edit = match (set, create, delete) {
        (Some(set), None, None) => ObjectEdit::Set(set),
        (None, Some(made), None) => ObjectEdit::Create(made),
        (None, None, Some(true)) => ObjectEdit::Delete,
        _ => {
            map.wrong("object", "it needs exactly one of `set`, `create` and `delete: true`");
            return None;
        }
    };
    let change = ObjectChange { object: object?, edit, restart };
    let (object, values) = (&change.object, change.values());
    if values.is_empty() && matches!(change.edit, ObjectEdit::Set(_)) {
        map.wrong("set", "`set` has no value: say what is set");
        return None;
    }
    let summary = match &change.edit {
        ObjectEdit::Set(_) => {
            let paths: Vec<&str> = values.iter().map(|(path, _)| path.as_str()).collect();
            format!("gives `{object}` another {}", paths.join(", "))
        }
        ObjectEdit::Create(_) => format!("makes `{object}`"),
        ObjectEdit::Delete => format!("deletes `{object}`"),
    };
    let is_secret = object.to_ascii_lowercase().starts_with("secret/");
    let facts = FaultFacts {
        summary,
        services: change.restart.iter().cloned().collect(),
        needs: Some(Need::Object(change.clone())),
        secrets: values.iter().filter(|_| is_secret).flat_map(|(path, value)| held(path, value)).collect(),
        ..FaultFacts::default()
    };
    Some((facts, change))
}

#[async_trait]
impl Inject for ObjectChange {
    async fn prepare(&self, context: &FaultContext<'_>) -> FaultResult<Undo> {
        match look(self, context.stack).await? {
            Presence::InPlace(evidence) => Err(FaultError::new(
                format!("prepare `{}`", self.object),
                format!("it is like that already: {evidence}"),
            )),
            _ => Ok(Undo::Object { object: self.object.clone(), change: Some(self.clone()) }),
        }
    }

    async fn inject(&self, _undo: &Undo, context: &FaultContext<'_>) -> FaultResult {
        let operation = format!("change `{}`", self.object);
        context.stack.change(self, false).await.map_err(FaultError::of(operation))
    }

    async fn confirm(&self, _undo: &Undo, context: &FaultContext<'_>) -> FaultResult<Presence> {
        look(self, context.stack).await
    }
}
