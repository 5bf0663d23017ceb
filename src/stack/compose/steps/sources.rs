//! The files that a stack is made from, read for the names of their variables: only what they name may come from a step,
//! and what chooses one of the host's files may not. What is not understood here lets no variable count.

use crate::stack::HostRequest;
use crate::stack::compose::model::ProjectFiles;
use crate::stack::compose::reads::{Reads, read_all};
use crate::stack::compose::variables::Variables;
use std::collections::BTreeSet;
use std::path::Path;

impl ProjectFiles {
    /// Every variable in these files and in those that they include or extend.
    ///
    /// # Errors
    /// Why one of them cannot be read as Compose would read it.
    pub(super) fn variables(&self) -> Result<Variables, String> {
        let (Reads { asks, mut variables, env_files, .. }, read) =
            read_all(&self.files, &self.directory, Path::new("/"));
        read.map_err(|why| format!("it is not understood here: {why}"))?;
        let takes_in = |ask: &&HostRequest| matches!(ask.key.as_str(), "include" | "extends");
        // What `!reset` takes away stands in the files all the same.
        let mut unknown = asks.iter().filter(takes_in).filter(|ask| ask.value != "\"!reset\"");
        if let Some(HostRequest { what, .. }) = unknown.next() {
            let why = what.split_once(": ").map_or(what.as_str(), |(_, why)| why);
            return Err(format!("a file that it includes or extends is not known here: {why}"));
        }
        variables.through(env_files.iter().chain(&self.env_files).filter(|file| file.is_file()))?;
        Ok(variables)
    }

    /// Those of them that a release may set.
    pub(in crate::stack::compose) fn of_releases(&self) -> Result<BTreeSet<String>, String> {
        let named = self.variables()?.named;
        Ok(named.into_iter().filter(|name| super::guard::may_decide(name)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(files: &[(&str, &str)]) -> Result<(String, String), String> {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let directory = dir.path().to_path_buf();
        let sources = ProjectFiles { files: vec![directory.join("compose.yml")], directory, env_files: Vec::new() };
        let joined = |names: BTreeSet<String>| names.into_iter().collect::<Vec<_>>().join(" ");
        sources.variables().map(|variables| (joined(variables.named), joined(variables.of_files)))
    }

    #[test]
    fn what_the_files_name_may_count_and_what_chooses_a_file_is_known() {
        let main = "include: [other.yml, { path: sub/inc.yml, project_directory: . }]\n\
            x-base: &base { env_file: '$MERGED' }\nservices:\n  web:\n    <<: *base\n    image: w:${TAG:-${OLD}}\n    \
            command: echo $$INSIDE\n    environment: [DEBUG, 'X=$Y']\n    env_file: [$A, { path: './${B:-x}.env' }]\n    \
            label_file: $L\n    extends: { file: base.yml, service: base }\n";
        let files = [
            ("compose.yml", main),
            ("base.yml", "services: { base: { env_file: '${C}', environment: { HANDED: , KEPT: 1 } } }\n"),
            ("other.yml", "services: { o: { image: '$IMAGE' } }\n"),
            // From the include's project directory, not from its own.
            ("sub/inc.yml", "services: { i: { extends: { file: base2.yml, service: b } } }\n"),
            ("base2.yml", "services: { b: { env_file: '${D}' } }\n"),
            (".env", "D=$THROUGH\nIMAGE=x:$RELEASE\nOTHER=$NOT_ASKED\n"),
        ];
        let (named, of_files) = of(&files).unwrap();
        assert_eq!(named, "A B C D DEBUG HANDED IMAGE L MERGED OLD RELEASE TAG THROUGH Y");
        assert_eq!(of_files, "A B C D L MERGED THROUGH");
    }

    #[test]
    fn every_document_counts_and_what_is_taken_away() {
        let main = "services: { w: { image: $A, ports: !reset [] } }\n---\ninclude: [other.yml]\n\
                    services: { w: { env_file: $E } }\n";
        let (named, of_files) = of(&[("compose.yml", main), ("other.yml", "{ x-a: $B }")]).unwrap();
        assert_eq!((named.as_str(), of_files.as_str()), ("A B E", "E"));
    }

    #[test]
    fn what_is_not_understood_is_no_set_of_variables() {
        for (main, why) in [
            ("services: [unclosed", "not understood"),
            ("include: ['${D}/x.yml']", "not known here: ${D}/x.yml: a variable"),
            (
                "services: { w: { extends: { file: '${BASE:-base.yml}', service: b } } }",
                "${BASE:-base.yml}: a variable",
            ),
            ("include: [{ path: a.yml, project_directory: $P }]", "not known here: $P: a variable"),
            ("include: [{ path: a.yml, env_file: $E }]", "not known here: $E: a variable"),
            ("include: [none.yml]", "none.yml cannot be read"),
            ("include: ['git@github.com:a/b.git']", "it is read from elsewhere"),
            ("include: [{ Path: a.yml }]", "`Path` is read by Compose"),
        ] {
            let found = of(&[("compose.yml", main), ("base.yml", "{}"), ("a.yml", "{}")]);
            assert!(found.as_ref().is_err_and(|found| found.contains(why)), "{main}: {found:?}");
        }
    }
}
