//! A change of an object of the stack that has settings of its own: a ConfigMap, a Service, a Deployment.

use serde_json::Value;

/// What is changed, and what takes it up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectChange {
    /// Kind and name: `configmap/checkout-config`.
    pub object: String,
    /// What becomes of it.
    pub edit: ObjectEdit,
    /// The service that is restarted to take it up.
    pub restart: Option<String>,
}

/// What becomes of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectEdit {
    /// Values are set, as by `kubectl patch`: maps are merged, and so are the lists that the cluster merges.
    Set(Value),
    /// It is made, as it stands here; the manifests have none of its name.
    Create(Value),
    /// It is deleted.
    Delete,
}

impl ObjectChange {
    /// Every value that it sets, with its path: `data.DB_POOL_SIZE`. A list is one value.
    pub fn values(&self) -> Vec<(String, &Value)> {
        let mut found = Vec::new();
        if let ObjectEdit::Set(value) | ObjectEdit::Create(value) = &self.edit {
            collect(value, String::new(), &mut found);
        }
        found
    }
}

fn collect<'v>(value: &'v Value, path: String, found: &mut Vec<(String, &'v Value)>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                collect(value, path, found);
            }
        }
        value => found.push((path, value)),
    }
}
