//! A change of an object of the stack that has settings of its own: a ConfigMap, a Service, a Deployment.

use serde_json::Value;

/// What is changed, and what takes it up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectChange {
    /// Kind and name: `configmap/checkout-config`.
    pub object: String,
    /// What is set, as a JSON merge patch (RFC 7386).
    pub set: Value,
    /// The service that is restarted to take it up.
    pub restart: Option<String>,
}

impl ObjectChange {
    /// Every value that it sets, with its path: `data.DB_POOL_SIZE`. A list is one value.
    pub fn values(&self) -> Vec<(String, &Value)> {
        let mut found = Vec::new();
        collect(&self.set, String::new(), &mut found);
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
