//! Snapshots of what a drill changes in a model.
