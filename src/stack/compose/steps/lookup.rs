//! Which Compose file a call means. Who follows a runbook stands in the project's directory when the session begins: a path, or a
//! directory in which Compose looks by itself, is right only if it leads from there to a file of the stack.

use crate::source::outside;
use crate::stack::ToolCall;
use crate::stack::compose::model::{ProjectFiles, found_in, merged_names};
use crate::stack::compose::reads::clean;
use crate::stack::compose::secrets::read_bounded;
use crate::stack::compose::variables::assignments;
use std::path::{Path, PathBuf};

/// The most that a `.env` may have, in bytes.
const MOST: u64 = 1024 * 1024;

/// The stack's files, and how calls may lead to them. Paths are absolute.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::stack::compose) struct FileLookup {
    /// The Compose files on this machine; none where they are not known.
    pub files: Vec<PathBuf>,
    /// Directories of this machine whose `.env` names them by `COMPOSE_FILE`: Compose reads it only where it stands.
    pub named_in: Vec<PathBuf>,
    /// Directories of this machine for which the one in which sessions begin may stand: the project's, and those above it, because
    /// a runbook may say `-f deploy/compose.yaml`.
    pub bases: Vec<PathBuf>,
    /// The files from which Compose takes variables for the stack; none where they are not known.
    pub env_files: Vec<PathBuf>,
    /// Where sessions begin, for calls that do not say it; `None` when that is not known either.
    pub begins: Option<String>,
}

impl FileLookup {
    /// The lookup of these files, in a project that begins at `root`.
    pub(super) fn new(of: &ProjectFiles, root: &Path, begins: Option<&str>) -> FileLookup {
        let whole = |path: &Path| clean(&std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()));
        let files: Vec<PathBuf> = of.files.iter().map(|file| whole(file)).collect();
        let (directory, root) = (whole(&of.directory), whole(root));
        let mut env_files: Vec<PathBuf> = of.env_files.iter().map(|file| whole(file)).collect();
        let by_itself = directory.join(".env");
        if env_files.is_empty() && by_itself.is_file() {
            env_files.push(by_itself);
        }
        let inside = |dir: &&Path| !root.as_os_str().is_empty() && dir.starts_with(&root);
        let mut bases: Vec<PathBuf> = directory.ancestors().take_while(inside).map(Path::to_path_buf).collect();
        if bases.is_empty() {
            bases.push(directory);
        }
        let by_env = |dir: &&PathBuf| {
            let env = dir.join(".env");
            // Nobody was asked about it: not a link that leads out of the project.
            let text = if outside(&root, &env).is_none() { read_bounded(&env, MOST) } else { None }.unwrap_or_default();
            let named = assignments(&text).into_iter().rfind(|(name, _)| name == "COMPOSE_FILE");
            named.is_some_and(|(_, all)| all.split(':').map(|path| clean(&dir.join(path))).eq(files.iter().cloned()))
        };
        let named_in = bases.iter().filter(by_env).cloned().collect();
        FileLookup { files, named_in, bases, env_files, begins: begins.map(str::to_string) }
    }

    /// For which directories the beginning of the session stands if the call means the stack: it names its files by these paths, or
    /// lets Compose look for one, from `project_directory` where it says that. None: the call leads elsewhere.
    pub(super) fn meant(&self, call: &ToolCall, paths: &[String], project_directory: Option<&str>) -> Vec<PathBuf> {
        let means_it = |base: &&PathBuf| match paths {
            [] => self.finds(call, base, project_directory.unwrap_or_default()),
            paths => paths.iter().all(|path| self.files.iter().any(|file| self.leads(call, base, path, file))),
        };
        self.bases.iter().filter(means_it).cloned().collect()
    }

    /// Whether a call that means the stack names all of its files in their order, or lets Compose find them all: of fewer of them, or
    /// in another order, Compose makes another stack.
    pub(super) fn means_all(&self, call: &ToolCall, paths: &[String], bases: &[PathBuf]) -> bool {
        let by_itself = || match self.files.as_slice() {
            [_, second] => merged_names(&self.files).any(|file| file == *second),
            _ => false,
        };
        self.files.len() < 2
            || match paths {
                [] => bases.iter().any(|base| self.named_in.contains(base)) || by_itself(),
                paths => bases.iter().any(|base| self.lead_to(call, base, paths, &self.files)),
            }
    }

    /// Whether these paths are the stack's env files, in their order, of a call that begins in one of these directories where it says that.
    pub(super) fn means_env(&self, call: &ToolCall, paths: &[String], bases: &[PathBuf]) -> bool {
        let bases = if bases.is_empty() { self.bases.as_slice() } else { bases };
        bases.iter().any(|base| self.lead_to(call, base, paths, &self.env_files))
    }

    /// Whether paths lead to these files, in their order.
    fn lead_to(&self, call: &ToolCall, base: &Path, paths: &[String], files: &[PathBuf]) -> bool {
        paths.len() == files.len() && paths.iter().zip(files).all(|(path, file)| self.leads(call, base, path, file))
    }

    /// The stack's first file as the session sees it.
    pub(super) fn shown(&self, call: &ToolCall) -> String {
        let inside = self.files.first().and_then(|file| file.strip_prefix(self.bases.first()?).ok());
        let seen = inside.map(|inside| Path::new(self.begins(call).unwrap_or_default()).join(inside));
        seen.map_or_else(|| "(not known)".into(), |seen| seen.display().to_string())
    }

    fn begins<'a>(&'a self, call: &'a ToolCall) -> Option<&'a str> {
        Some(&*call.begins).filter(|begins| !begins.is_empty()).or(self.begins.as_deref())
    }

    /// A path of the session as one of this machine.
    fn on_this_machine(&self, call: &ToolCall, base: &Path, path: &Path) -> Option<PathBuf> {
        let begins = Path::new(self.begins(call)?);
        let path = clean(&Path::new(&call.cwd).join(path));
        match path.strip_prefix(begins) {
            Ok(inside) => Some(base.join(inside)),
            // Beside a project that is up the session begins where the project lies, and paths are what they are.
            Err(_) => (begins == base).then_some(path),
        }
    }

    fn leads(&self, call: &ToolCall, base: &Path, path: &str, file: &Path) -> bool {
        let path = Path::new(path);
        match (call.cwd.is_empty(), path.is_absolute(), self.begins(call)) {
            // Before the drill nobody knows where the step will stand.
            (true, false, _) => match clean(path).starts_with("..") || path.starts_with("..") {
                true => path.file_name() == file.file_name(),
                false => file.ends_with(clean(path)),
            },
            (true, true, None) => path.file_name() == file.file_name(),
            _ => self.on_this_machine(call, base, path).is_some_and(|path| path == *file),
        }
    }

    /// Whether Compose finds a file of the stack by itself: in the directory, or in one above it.
    fn finds(&self, call: &ToolCall, base: &Path, project_directory: &str) -> bool {
        let is_known = Path::new(project_directory).is_absolute() && self.begins(call).is_some();
        if call.cwd.is_empty() && !is_known {
            return found_in(&self.files).is_some() || !self.named_in.is_empty();
        }
        let directory = self.on_this_machine(call, base, Path::new(project_directory));
        // Everything is below `/`, where a session begins whose image says nothing.
        let below = self.begins(call) != Some("/");
        let finds = |directory: PathBuf| {
            found_in(&self.files).is_some_and(|known| directory == known || below && directory.starts_with(known))
                || self.named_in.contains(&directory)
        };
        directory.is_some_and(finds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(file: &str, root: &str) -> FileLookup {
        let file = PathBuf::from(file);
        let directory = file.parent().unwrap().to_path_buf();
        let files = ProjectFiles { files: vec![file.clone()], directory, env_files: Vec::new() };
        FileLookup::new(&files, Path::new(root), Some("/work"))
    }

    /// The directories for which the beginning may stand, from a call in this directory.
    fn meant(lookup: &FileLookup, cwd: &str, paths: &[&str]) -> String {
        let call = ToolCall { cwd: cwd.into(), ..ToolCall::default() };
        let paths: Vec<String> = paths.iter().map(|path| path.to_string()).collect();
        let meant = lookup.meant(&call, &paths, None);
        meant.iter().map(|dir| dir.display().to_string()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_path_is_right_where_it_leads_to_the_stacks_own_file() {
        let shop = lookup("/repo/deploy/compose.yaml", "/repo");
        for (cwd, path, expected) in [
            ("/work", "compose.yaml", "/repo/deploy"),
            ("/work", "./x/../compose.yaml", "/repo/deploy"),
            ("/work", "/work/compose.yaml", "/repo/deploy"),
            ("/tmp", "/work/compose.yaml", "/repo/deploy"),
            ("/tmp", "../work/compose.yaml", "/repo/deploy"),
            ("/work", "deploy/compose.yaml", "/repo"),
            ("/work/deploy", "compose.yaml", "/repo"),
            ("/work/deploy/sub", "../compose.yaml", "/repo"),
            // Of another place, whatever it is called there.
            ("/work", "/srv/staging/compose.yaml", ""),
            ("/work", "/repo/deploy/compose.yaml", ""),
            ("/work", "staging/compose.yaml", ""),
            ("/work", "../compose.yaml", ""),
            ("/tmp", "compose.yaml", ""),
            ("/work", "other.yaml", ""),
            ("/work", "-", ""),
            // Not yet known where the step stands.
            ("", "compose.yaml", "/repo/deploy /repo"),
            ("", "deploy/compose.yaml", "/repo/deploy /repo"),
            ("", "../compose.yaml", "/repo/deploy /repo"),
            ("", "staging/compose.yaml", ""),
            ("", "/srv/staging/compose.yaml", ""),
            ("", "/work/compose.yaml", "/repo/deploy"),
        ] {
            assert_eq!(meant(&shop, cwd, &[path]), expected, "{cwd} {path}");
        }
        let nowhere = lookup("/repo/deploy/compose.yaml", "");
        assert_eq!(nowhere.bases, [PathBuf::from("/repo/deploy")], "what the project is is not known");
        let unknown = FileLookup { begins: None, ..shop.clone() };
        assert_eq!(meant(&unknown, "", &["/srv/shop/compose.yaml"]), "/repo/deploy /repo");
        assert_eq!(meant(&unknown, "", &["/srv/shop/other.yaml"]), "");
        // Beside a project that is up.
        let up =
            FileLookup { begins: Some("/repo/deploy".into()), ..lookup("/repo/deploy/compose.yaml", "/repo/deploy") };
        assert_eq!(meant(&up, "/tmp", &["/repo/deploy/compose.yaml"]), "/repo/deploy");
        assert_eq!(meant(&up, "/tmp", &["/srv/deploy/compose.yaml"]), "");
    }

    #[test]
    fn compose_finds_a_file_by_itself_as_it_does_outside() {
        let shop = lookup("/repo/deploy/compose.yaml", "/repo");
        for (cwd, expected) in [
            ("/work", "/repo/deploy"),
            ("/work/sub", "/repo/deploy"),
            ("/work/deploy", "/repo/deploy /repo"),
            ("/tmp", ""),
        ] {
            assert_eq!(meant(&shop, cwd, &[]), expected, "{cwd}");
        }
        let from = |directory: &str| {
            let call = ToolCall { cwd: "/tmp".into(), ..ToolCall::default() };
            shop.meant(&call, &[], Some(directory)).len()
        };
        assert_eq!((from("/work"), from("../work"), from("/srv"), from(".")), (1, 1, 0, 0));
        // What an earlier call has settled holds for the later ones.
        let settled = FileLookup { bases: vec!["/repo".into()], ..shop.clone() };
        assert_eq!(meant(&settled, "/work", &[]), "");
        assert_eq!(meant(&settled, "/work/deploy", &[]), "/repo");
        let at_the_top = FileLookup { begins: Some("/".into()), ..shop.clone() };
        assert_eq!(
            (meant(&at_the_top, "/", &[]).as_str(), meant(&at_the_top, "/tmp", &[]).as_str()),
            ("/repo/deploy", "")
        );
        let named = lookup("/repo/docker-compose.prod.yml", "/repo");
        assert_eq!(meant(&named, "/work", &[]), "", "Compose does not look for that name");
        assert_eq!(meant(&named, "", &[]), "");
        assert_eq!(meant(&named, "/work", &["docker-compose.prod.yml"]), "/repo");
    }

    #[test]
    fn a_stack_of_several_files_is_meant_by_all_of_them_in_their_order() {
        let of = |second: &str| {
            let files = [PathBuf::from("/repo/compose.yaml"), PathBuf::from("/repo").join(second)];
            let files = ProjectFiles { files: files.to_vec(), directory: "/repo".into(), env_files: Vec::new() };
            FileLookup::new(&files, Path::new("/repo"), Some("/work"))
        };
        let call = |cwd: &str| ToolCall { cwd: cwd.into(), ..ToolCall::default() };
        let all = |lookup: &FileLookup, cwd: &str, paths: &[&str]| {
            let paths: Vec<String> = paths.iter().map(|path| path.to_string()).collect();
            let bases = lookup.meant(&call(cwd), &paths, None);
            (!bases.is_empty()).then(|| lookup.means_all(&call(cwd), &paths, &bases))
        };
        for cwd in ["", "/work"] {
            let prod = of("compose.prod.yaml");
            assert_eq!(all(&prod, cwd, &["compose.yaml", "compose.prod.yaml"]), Some(true), "{cwd}");
            assert_eq!(all(&prod, cwd, &["compose.prod.yaml", "compose.yaml"]), Some(false), "{cwd}");
            assert_eq!(all(&prod, cwd, &["compose.yaml"]), Some(false), "{cwd}");
            assert_eq!(all(&prod, cwd, &[]), Some(false), "Compose takes the first alone by itself");
            assert_eq!(all(&of("compose.override.yaml"), cwd, &[]), Some(true), "and merges this one");
            assert_eq!(all(&of("sub/compose.override.yaml"), cwd, &[]), Some(false), "not from elsewhere");
            assert_eq!(all(&prod, cwd, &["compose.yaml", "other.yaml"]), None, "it is no file of the stack");
        }
        let one = lookup("/repo/compose.yaml", "/repo");
        assert_eq!(all(&one, "/work", &["compose.yaml", "./compose.yaml"]), Some(true), "the same one twice");
        let anywhere = FileLookup { begins: None, ..one };
        assert_eq!(anywhere.meant(&call(""), &[], Some("/srv/shop")).len(), 1, "nobody knows where sessions begin");
        let call = |directory: &str| of("x.yaml").meant(&call(""), &[], Some(directory)).len();
        assert_eq!(
            (call("/work"), call("/srv/other"), call("sub")),
            (1, 0, 1),
            "what is absolute is known before the drill"
        );
    }

    #[test]
    fn an_env_file_beside_it_names_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("prod.yml");
        let files = ProjectFiles { files: vec![file.clone()], directory: dir.path().into(), env_files: Vec::new() };
        let lookup = || FileLookup::new(&files, Path::new(""), Some("/work"));
        std::fs::write(dir.path().join(".env"), "TAG=1\nCOMPOSE_FILE=other.yml\n").unwrap();
        assert_eq!(meant(&lookup(), "/work", &[]), "");
        std::fs::write(dir.path().join(".env"), "TAG=1\nCOMPOSE_FILE=prod.yml\n").unwrap();
        assert_ne!(meant(&lookup(), "/work", &[]), "");
    }
}
