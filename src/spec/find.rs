//! Which file a name means.

use crate::error::Error;
use crate::source::{list, nearest, tidy};
use std::path::{Path, PathBuf};

/// The scenario file that a name (`db-pool` → `scenarios/db-pool.yaml` of the project) or a path means.
pub fn find(name_or_path: &str, project: &Path) -> Result<PathBuf, Error> {
    let path = Path::new(name_or_path);
    let looks_like_path = name_or_path.contains(std::path::is_separator) || is_yaml(path);
    if looks_like_path && path.is_file() {
        return Ok(tidy(path));
    }
    let folder = project.join("scenarios");
    let named = ["", ".yaml", ".yml"].iter().map(|end| folder.join(format!("{name_or_path}{end}")));
    if let Some(file) = named.into_iter().find(|file| is_yaml(file) && file.is_file()) {
        return Ok(tidy(&file));
    }
    let names: Vec<String> = project_scenarios(project).iter().filter_map(|file| stem(file)).collect();
    let wanted = stem(path).unwrap_or_else(|| name_or_path.to_string());
    let shown = tidy(&folder);
    let error = match looks_like_path {
        true => Error::usage(format!("there is no file `{name_or_path}`")),
        false => Error::usage(format!("there is no scenario `{name_or_path}` in {}", shown.display())),
    };
    Err(match nearest(&wanted, names.iter().map(String::as_str)) {
        Some(name) => error.hint(format!("did you mean `{name}`?")),
        None if names.is_empty() => error.hint(format!(
            "there is no scenario in {}; run Firedrill in the project's folder, or name it with `-C DIR`",
            shown.display()
        )),
        None => error.hint(format!("there is {}", list(&names))),
    })
}

/// The scenarios of a project, by name.
pub fn project_scenarios(project: &Path) -> Vec<PathBuf> {
    project_files(project, "scenarios", &["yaml", "yml"])
}

/// The files of one of the project's folders with one of these extensions, by name; hidden ones are left out.
pub fn project_files(project: &Path, folder: &str, extensions: &[&str]) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(project.join(folder)).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| {
            let hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
            let wanted = path.extension().is_some_and(|end| extensions.iter().any(|wanted| end == *wanted));
            wanted && !hidden && !path.is_dir()
        })
        .map(|path| tidy(&path))
        .collect();
    files.sort();
    files
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "yaml" || end == "yml")
}

fn stem(path: &Path) -> Option<String> {
    path.file_stem().map(|name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths_are_found() {
        let dir = tempfile::tempdir().expect("a directory");
        let project = dir.path();
        std::fs::create_dir_all(project.join("scenarios")).expect("a directory");
        for name in ["db-pool.yaml", "upstream.yml", "notes.txt", ".hidden.yaml"] {
            std::fs::write(project.join("scenarios").join(name), "x").expect("a file");
        }
        let file = |name: &str| project.join("scenarios").join(name);
        assert_eq!(find("db-pool", project).expect("found"), file("db-pool.yaml"));
        assert_eq!(find("upstream", project).expect("found"), file("upstream.yml"));
        assert_eq!(find("db-pool.yaml", project).expect("found"), file("db-pool.yaml"));
        let path = file("upstream.yml");
        assert_eq!(find(&path.to_string_lossy(), project).expect("found"), path);
        assert_eq!(project_scenarios(project), [file("db-pool.yaml"), file("upstream.yml")]);
        let hint = |name: &str, project: &Path| find(name, project).expect_err("not found").hint.unwrap_or_default();
        assert_eq!(hint("db_pol", project), "did you mean `db-pool`?");
        assert_eq!(hint("scenarios/db-poll.yaml", project), "did you mean `db-pool`?");
        assert_eq!(hint("other", project), "there is `db-pool` and `upstream`");
        assert!(hint("notes.txt", &file("")).contains("there is no scenario in"));
        assert!(find("notes", project).is_err() && find("", project).is_err());
    }
}
