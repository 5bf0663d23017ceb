//! Where a PostgreSQL server of the stack is and who to be there, as a scenario says it.

use super::session::PgTarget;
use crate::source::MapReader;
use std::collections::BTreeMap;
use std::num::NonZeroU16;

/// Where a server is and who to be there, as far as the scenario says.
#[derive(Debug, Clone)]
pub(crate) struct PgServer {
    pub(crate) service: String,
    pub(crate) database: Option<String>,
    user: Option<String>,
    password: Option<String>,
    port: u16,
}

impl PgServer {
    /// Reads `service`, `database`, `user`, `password` and `port`.
    pub(crate) fn read(map: &mut MapReader<'_>) -> Option<PgServer> {
        let service: Option<String> = map.require("service");
        let (database, user, password) = (map.optional("database"), map.optional("user"), map.optional("password"));
        let port = map.optional("port").map_or(5432, NonZeroU16::get);
        Some(PgServer { service: service?, database, user, password, port })
    }

    /// The password that the scenario gives.
    pub(crate) fn secrets(&self) -> Vec<String> {
        self.password.iter().cloned().collect()
    }

    /// The server with what the scenario leaves out taken from the service's own environment, in the words of the
    /// official image (`POSTGRES_USER` …) or of libpq (`PGUSER` …). `Err` has what was tried, and why nobody can be logged in as.
    pub(crate) fn target(&self, environment: &BTreeMap<String, String>) -> Result<PgTarget, (String, String)> {
        let from =
            |keys: [&str; 2]| keys.iter().find_map(|key| environment.get(*key)).filter(|v| !v.is_empty()).cloned();
        let theirs = from(["POSTGRES_USER", "PGUSER"]).unwrap_or_else(|| "postgres".into());
        let user = self.user.clone().unwrap_or_else(|| theirs.clone());
        // The environment's password belongs to the environment's user.
        let password = match &self.password {
            Some(password) => Some(password.clone()),
            None if user == theirs => from(["POSTGRES_PASSWORD", "PGPASSWORD"]),
            None => None,
        };
        if password.is_none() && user == theirs && environment.contains_key("POSTGRES_PASSWORD_FILE") {
            let cause = "the service reads it from a file (POSTGRES_PASSWORD_FILE); give it a `password:`";
            return Err((format!("find the password of {user} on `{}`", self.service), cause.into()));
        }
        let database = self.database.clone().or_else(|| from(["POSTGRES_DB", "PGDATABASE"]));
        let database = database.unwrap_or_else(|| user.clone());
        Ok(PgTarget { host: self.service.clone(), port: self.port, user, password, database })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(user: Option<&str>, password: Option<&str>, database: Option<&str>) -> PgServer {
        let own = |text: Option<&str>| text.map(str::to_string);
        let (user, password, database) = (own(user), own(password), own(database));
        PgServer { service: "db".into(), user, password, database, port: 5432 }
    }

    fn of(server: &PgServer, environment: &[(&str, &str)]) -> (String, Option<String>, String) {
        let environment = environment.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        let target = server.target(&environment).expect("a target");
        (target.user, target.password, target.database)
    }

    #[test]
    fn the_services_own_environment_fills_in_what_is_left_out() {
        let whole = [("POSTGRES_USER", "root"), ("POSTGRES_PASSWORD", "x"), ("POSTGRES_DB", "shop")];
        let some = |text: &str| Some(text.to_string());
        assert_eq!(of(&server(None, None, None), &whole), ("root".into(), some("x"), "shop".into()));
        assert_eq!(of(&server(None, None, Some("b")), &whole), ("root".into(), some("x"), "b".into()));
        assert_eq!(of(&server(Some("me"), None, None), &whole), ("me".into(), None, "shop".into()));
        assert_eq!(of(&server(Some("me"), Some("y"), None), &[]), ("me".into(), some("y"), "me".into()));
        assert_eq!(of(&server(None, None, None), &[]), ("postgres".into(), None, "postgres".into()));
        let libpq = [("PGUSER", "a"), ("PGPASSWORD", "b"), ("PGDATABASE", "c")];
        assert_eq!(of(&server(None, None, None), &libpq), ("a".into(), some("b"), "c".into()));
    }

    #[test]
    fn a_password_in_a_file_must_be_given() {
        let environment = BTreeMap::from([("POSTGRES_PASSWORD_FILE".to_string(), "/run/secrets/x".to_string())]);
        let error = server(None, None, None).target(&environment).expect_err("nobody can read it");
        assert!(error.1.contains("`password:`"), "{error:?}");
        server(None, Some("x"), None).target(&environment).expect("it is given");
    }
}
