//! The database faults against a real PostgreSQL: the shop's own image, one container per test.

mod containers;

use containers::engine;
use firedrill::agent::Clock;
use firedrill::agent::ability::{Ability, AgentContext, Holding};
use firedrill::agent::pg::{PgChange, PgConnections, PgLock, PgQuery, PgTarget};
use firedrill::agent::protocol::{AgentAnswer, AgentAsk, Told};
use firedrill::agent::source::{EventMaker, PacedQuestion};
use firedrill::load::LoadReport;
use firedrill::slis::{Good, Ratio, SliSpec};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use testcontainers::core::{ExecCommand, IntoContainerPort, WaitFor};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, GenericImage, ImageExt};
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_postgres::{Client, Error, NoTls};

const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// The shop's database image, built once.
fn image() -> &'static str {
    static IMAGE: OnceLock<()> = OnceLock::new();
    const NAME: &str = "firedrill-test-shop-db";
    IMAGE.get_or_init(|| {
        let context = concat!(env!("CARGO_MANIFEST_DIR"), "/stacks/checkout/db");
        engine().docker(&["build", "--quiet", "--tag", NAME, context]).expect("an image");
    });
    NAME
}

/// A running server. testcontainers removes it when the test ends or panics, and on Ctrl-C.
struct Db {
    container: ContainerAsync<GenericImage>,
    port: u16,
}

impl Db {
    async fn start(options: &[&str]) -> Db {
        let name = format!("firedrill-test-{:016x}", RandomState::new().build_hasher().finish());
        // Published on a port of our choice: Docker would choose another one after a restart.
        let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
        let ready = WaitFor::message_on_stderr("database system is ready to accept connections");
        let server = GenericImage::new(image(), "latest")
            .with_wait_for(ready)
            .with_startup_timeout(PATIENCE)
            .with_container_name(&name)
            .with_label("dev.firedrill.test", "pg-faults")
            .with_env_var("POSTGRES_PASSWORD", "of-postgres")
            .with_env_var("SHOP_PASSWORD", "of-shop")
            .with_env_var("ONCALL_PASSWORD", "of-oncall")
            .with_cmd(["postgres", "-c", "fsync=off"].iter().chain(options).copied())
            .with_mapped_port(port, 5432.tcp())
            .with_host_config_modifier(|host| {
                let bindings = host.port_bindings.iter_mut().flat_map(|ports| ports.values_mut());
                bindings.flatten().flatten().for_each(|binding| binding.host_ip = Some("127.0.0.1".into()));
            });
        match server.start().await {
            Ok(container) => Db { container, port },
            Err(error) => {
                // testcontainers forgets a container that was created and could not be started.
                let removed = engine().docker(&["rm", "--force", "--volumes", &name]);
                panic!("the database does not start: {error}; {name} is removed: {removed:?}");
            }
        }
    }

    /// A superuser's connection, as soon as the server lets one in.
    async fn admin(&self) -> Client {
        let began = Instant::now();
        loop {
            match self.open("postgres").await {
                Ok(client) => return client,
                Err(error) if began.elapsed() > PATIENCE => panic!("the database does not start: {error:?}"),
                Err(_) => tokio::time::sleep(POLL).await,
            }
        }
    }

    async fn open(&self, user: &str) -> Result<Client, Error> {
        let config = format!("host=127.0.0.1 port={} user={user} password=of-{user} dbname=shop", self.port);
        let (client, connection) = tokio_postgres::connect(&config, NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    async fn shop(&self) -> Client {
        self.open("shop").await.expect("the shop may connect")
    }

    fn target(&self) -> PgTarget {
        PgTarget {
            host: "127.0.0.1".into(),
            port: self.port,
            user: "postgres".into(),
            password: Some("of-postgres".into()),
            database: "shop".into(),
        }
    }

    async fn lock(&self, sql: &str, sessions: u32, returns_ms: Option<u64>) -> (Box<dyn Holding>, Notes) {
        let (target, table, statements) = (self.target(), "inventory".into(), vec![sql.into()]);
        let returns = returns_ms.map(Duration::from_millis);
        let (held, notes) = begin("postgres_lock", PgLock { target, statements, table, sessions, returns }).await;
        (held.expect("it can be held"), notes)
    }

    async fn connections(&self, returns_ms: Option<u64>) -> (Box<dyn Holding>, Notes) {
        let returns = returns_ms.map(Duration::from_millis);
        let connections = PgConnections { target: self.target(), returns };
        let (held, notes) = begin("postgres_connections", connections).await;
        (held.expect("it can be held"), notes)
    }
}

type Notes = UnboundedReceiver<Told>;

async fn begin(id: &str, ability: impl Ability) -> (Result<Box<dyn Holding>, String>, Notes) {
    let (tx, told) = unbounded_channel();
    let context = AgentContext { clock: Clock::start(), proxy: None, loads: Default::default() };
    (ability.begin(id, &context, std::sync::Arc::new(move |told| drop(tx.send(told)))).await, told)
}

const TABLE: &str = "LOCK TABLE inventory IN ACCESS EXCLUSIVE MODE";
const OUR_ROLES: &str = "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'firedrill%'";

/// Polls until the answer is as wanted, and returns its evidence.
async fn until(held: &dyn Holding, in_place: bool, says: &str) -> String {
    let began = Instant::now();
    loop {
        let answer = held.look().await;
        match &answer {
            AgentAnswer::InPlace { detail, .. } if in_place && detail.contains(says) => return detail.clone(),
            AgentAnswer::Gone { detail, .. } if !in_place && detail.contains(says) => return detail.clone(),
            _ if began.elapsed() > PATIENCE => panic!("{answer:?} instead of {in_place} {says:?}"),
            _ => tokio::time::sleep(POLL).await,
        }
    }
}

async fn note(notes: &mut Notes, says: &str) {
    let found = async {
        loop {
            match notes.recv().await {
                Some(Told::Note { text }) if text.contains(says) => return,
                Some(_) => {}
                None => panic!("no note says {says:?}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("no note says {says:?}"));
}

/// Whether the shop can take a row without waiting for a lock.
async fn free(client: &Client, sku: &str) -> bool {
    client.batch_execute("SET lock_timeout = '200ms'").await.expect("a setting");
    match client.query("SELECT stock FROM inventory WHERE sku = $1 FOR UPDATE", &[&sku]).await {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.code().map(|code| code.code()), Some("55P03"), "{error:?}");
            false
        }
    }
}

async fn count(client: &Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.expect("an answer").get(0)
}

#[tokio::test]
async fn upgraded_connections_pass_the_bridge_to_the_engine() {
    let db = Db::start(&[]).await;
    let command = ExecCommand::new(["sh", "-c", "seq 1 100000; psql -V >&2"]);
    let mut exec = db.container.exec(command).await.expect("a command");
    let (mut out, mut err) = (String::new(), String::new());
    exec.stdout().read_to_string(&mut out).await.expect("its output");
    exec.stderr().read_to_string(&mut err).await.expect("its errors");
    assert!(out.lines().map(str::to_string).eq((1..=100_000).map(|line| line.to_string())));
    assert!(err.starts_with("psql (PostgreSQL)"), "{err}");
    assert_eq!(exec.exit_code().await.expect("inspected"), Some(0));
}

#[tokio::test]
async fn a_table_lock_is_held_until_it_is_lifted_and_leaves_nothing() {
    let db = Db::start(&[]).await;
    let (admin, shop) = (db.admin().await, db.shop().await);
    // What an agent that was killed left behind is no obstacle.
    let remnant = "CREATE ROLE firedrill_batch LOGIN; GRANT ALL ON inventory TO firedrill_batch";
    admin.batch_execute(remnant).await.expect("a remnant");
    let (held, _notes) = db.lock(TABLE, 2, None).await;
    let evidence = until(&*held, true, "AccessExclusiveLock on inventory").await;
    assert!(evidence.contains("firedrill_batch") && evidence.contains("idle in transaction"), "{evidence}");
    until(&*held, true, "1 sessions wait").await;
    assert!(!free(&shop, "SKU-0001").await);
    assert_eq!(count(&admin, &format!("{OUR_ROLES} AND rolsuper")).await, 0);

    assert!(held.lift().await.expect("lifted").contains("was dropped"));
    assert!(free(&shop, "SKU-0001").await);
    assert_eq!(count(&admin, OUR_ROLES).await, 0);
    held.lift().await.expect("lifted again");
}

#[tokio::test]
async fn the_lock_waits_for_transactions_under_way() {
    let db = Db::start(&[]).await;
    let mut shop = db.shop().await;
    let order = shop.transaction().await.expect("a transaction");
    order.execute("UPDATE inventory SET stock = stock - 1 WHERE sku = 'SKU-0001'", &[]).await.expect("an order");
    let (held, _notes) = db.lock(TABLE, 1, None).await;
    until(&*held, false, "waits for the lock").await;
    order.commit().await.expect("committed");
    until(&*held, true, "AccessExclusiveLock").await;
    held.lift().await.expect("lifted");
}

#[tokio::test]
async fn lifting_ends_a_lock_that_is_still_queued() {
    let db = Db::start(&[]).await;
    let (admin, mut shop, other) = (db.admin().await, db.shop().await, db.shop().await);
    let order = shop.transaction().await.expect("a transaction");
    order.execute("UPDATE inventory SET stock = stock - 1 WHERE sku = 'SKU-0001'", &[]).await.expect("an order");
    let (held, _notes) = db.lock(TABLE, 1, None).await;
    until(&*held, false, "waits for the lock").await;
    assert!(!free(&other, "SKU-0002").await, "others queue behind it");
    held.lift().await.expect("lifted");
    assert!(free(&other, "SKU-0002").await);
    assert_eq!(count(&admin, OUR_ROLES).await, 0);
}

#[tokio::test]
async fn rows_are_locked_one_by_one_and_none_is_no_lock() {
    let db = Db::start(&[]).await;
    let shop = db.shop().await;
    let (held, _notes) = db.lock("SELECT 1 FROM inventory WHERE sku = 'SKU-0001' FOR UPDATE", 1, None).await;
    until(&*held, true, "1 rows locked").await;
    assert!(!free(&shop, "SKU-0001").await);
    assert!(free(&shop, "SKU-0002").await);
    held.lift().await.expect("lifted");
    assert!(free(&shop, "SKU-0001").await);

    let (held, mut notes) = db.lock("SELECT 1 FROM inventory WHERE sku = 'none' FOR UPDATE", 1, None).await;
    until(&*held, false, "no row matches").await;
    note(&mut notes, "no row matches").await;
    held.lift().await.expect("lifted");
}

#[tokio::test]
async fn a_terminated_session_stays_away_unless_it_is_to_return() {
    let db = Db::start(&[]).await;
    let (oncall, shop) = (db.open("oncall").await.expect("on call"), db.shop().await);
    let terminate = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'firedrill_batch'";
    let (held, mut notes) = db.lock(TABLE, 1, None).await;
    until(&*held, true, "AccessExclusiveLock").await;
    oncall.query(terminate, &[]).await.expect("terminated");
    until(&*held, false, "terminated by an administrator command").await;
    note(&mut notes, "the session was terminated by an administrator command").await;
    assert!(free(&shop, "SKU-0001").await);
    held.lift().await.expect("lifted");

    let (held, mut notes) = db.lock(TABLE, 1, Some(300)).await;
    until(&*held, true, "AccessExclusiveLock").await;
    oncall.query(terminate, &[]).await.expect("terminated");
    note(&mut notes, "comes back in 300 ms").await;
    let answer = held.look().await;
    assert!(matches!(answer, AgentAnswer::InPlace { .. }), "a lock that comes back is still in place: {answer:?}");
    note(&mut notes, "came back").await;
    until(&*held, true, "AccessExclusiveLock").await;
    assert!(!free(&shop, "SKU-0001").await);

    oncall.batch_execute("ALTER ROLE firedrill_batch NOLOGIN").await.expect("locked out");
    oncall.query(terminate, &[]).await.expect("terminated");
    until(&*held, false, "not permitted to log in").await;
    note(&mut notes, "cannot come back").await;
    assert!(free(&shop, "SKU-0001").await);
    oncall.batch_execute("ALTER ROLE firedrill_batch LOGIN").await.expect("let in again");
    note(&mut notes, "came back").await;
    until(&*held, true, "AccessExclusiveLock").await;
    held.lift().await.expect("lifted");
    assert_eq!(count(&db.admin().await, OUR_ROLES).await, 0);
}

#[tokio::test]
async fn a_lock_that_a_limit_of_the_server_ends_is_gone_by_itself() {
    let db = Db::start(&["-c", "idle_in_transaction_session_timeout=2s"]).await;
    let (held, _notes) = db.lock(TABLE, 1, None).await;
    until(&*held, false, "idle-in-transaction timeout").await;
    let answer = held.look().await;
    assert!(matches!(answer, AgentAnswer::Gone { by_itself: true, .. }), "{answer:?}");
    held.lift().await.expect("lifted");
}

#[tokio::test]
async fn a_restart_of_the_database_clears_the_lock_and_is_said_so() {
    let db = Db::start(&[]).await;
    let (held, mut notes) = db.lock(TABLE, 1, None).await;
    until(&*held, true, "AccessExclusiveLock").await;
    db.container.stop().await.expect("stopped");
    db.container.start().await.expect("started again");
    let admin = db.admin().await;
    until(&*held, false, "the database").await;
    note(&mut notes, "the database").await;
    held.lift().await.expect("lifted");
    assert_eq!(count(&admin, OUR_ROLES).await, 0);
}

#[tokio::test]
async fn without_a_database_lifting_says_so_and_does_not_fail() {
    let db = Db::start(&[]).await;
    let (held, _notes) = db.lock(TABLE, 1, None).await;
    until(&*held, true, "AccessExclusiveLock").await;
    db.container.stop().await.expect("stopped");
    until(&*held, false, "the database").await;
    let lifted = held.lift().await.expect("nothing is held");
    assert!(lifted.contains("away"), "{lifted}");
}

#[tokio::test]
async fn dropping_a_lock_releases_it() {
    let db = Db::start(&[]).await;
    let shop = db.shop().await;
    let (held, _notes) = db.lock(TABLE, 2, Some(1)).await;
    until(&*held, true, "1 sessions wait").await;
    assert!(!free(&shop, "SKU-0001").await);
    drop(held);
    let began = Instant::now();
    while !free(&shop, "SKU-0001").await {
        assert!(began.elapsed() < PATIENCE, "the lock outlives its agent");
    }
}

#[tokio::test]
async fn what_cannot_be_held_is_said_at_once() {
    let db = Db::start(&[]).await;
    let lock = |target, table: &str| PgLock {
        target,
        statements: vec![TABLE.into()],
        table: table.into(),
        sessions: 1,
        returns: None,
    };
    let error = begin("f", lock(db.target(), "nothing")).await.0.err().expect("no such table");
    assert!(error.contains("relation \"nothing\" does not exist"), "{error}");
    let wrong = PgTarget { password: Some("wrong".into()), ..db.target() };
    let error = begin("f", lock(wrong, "inventory")).await.0.err().expect("a wrong password");
    assert!(error.contains("password authentication failed"), "{error}");
    let nowhere = PgTarget { port: 1, ..db.target() };
    let error = begin("f", lock(nowhere, "inventory")).await.0.err().expect("nobody listens");
    assert!(error.contains("127.0.0.1:1") && error.contains("refused"), "{error}");
}

#[tokio::test]
async fn connections_are_used_up_and_pools_that_had_some_lose_them() {
    let db = Db::start(&["-c", "max_connections=20"]).await;
    let admin = db.admin().await;
    let pool = [db.shop().await, db.shop().await, db.shop().await];
    let (held, _notes) = db.connections(None).await;
    let evidence = until(&*held, true, "0 sessions of others").await;
    assert!(evidence.contains("FATAL"), "{evidence}");
    for connection in &pool {
        connection.batch_execute("SELECT 1").await.expect_err("the pool has lost its connections");
    }
    let error = db.open("shop").await.expect_err("no slot is free");
    assert_eq!(error.code().map(|code| code.code()), Some("53300"));
    db.open("postgres").await.expect("people on call still get in");

    assert!(held.lift().await.expect("lifted").contains("was dropped"));
    db.shop().await;
    assert_eq!(count(&admin, OUR_ROLES).await, 0);
}

#[tokio::test]
async fn a_lock_stays_while_connections_are_used_up_beside_it() {
    let db = Db::start(&["-c", "max_connections=20"]).await;
    let admin = db.admin().await;
    let (lock, _lock_notes) = db.lock(TABLE, 1, None).await;
    let before = until(&*lock, true, "AccessExclusiveLock on inventory").await;
    let (slots, _slot_notes) = db.connections(None).await;
    until(&*slots, true, "FATAL").await;
    let after = until(&*lock, true, "AccessExclusiveLock on inventory").await;
    let session = |evidence: &str| evidence.split(" holds ").next().map(str::to_string);
    assert_eq!(session(&after), session(&before), "it is the same session");
    slots.lift().await.expect("lifted");
    until(&*lock, true, "AccessExclusiveLock on inventory").await;
    lock.lift().await.expect("lifted");
    assert_eq!(count(&admin, OUR_ROLES).await, 0);
}

#[tokio::test]
async fn ended_connections_come_back_until_the_role_is_kept_out() {
    let db = Db::start(&["-c", "max_connections=20"]).await;
    let admin = db.admin().await;
    let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'firedrill_clients'";
    let (held, mut notes) = db.connections(None).await;
    until(&*held, true, "FATAL").await;
    admin.query(terminate, &[]).await.expect("terminated");
    until(&*held, false, "terminated by an administrator command").await;
    note(&mut notes, "terminated by an administrator command").await;
    db.shop().await;
    held.lift().await.expect("lifted");

    let (held, mut notes) = db.connections(Some(200)).await;
    until(&*held, true, "FATAL").await;
    admin.query(terminate, &[]).await.expect("terminated");
    note(&mut notes, "came back").await;
    until(&*held, true, "FATAL").await;
    admin.batch_execute("ALTER ROLE firedrill_clients NOLOGIN").await.expect("locked out");
    admin.query(terminate, &[]).await.expect("terminated");
    until(&*held, false, "may not log in any more").await;
    db.shop().await;
    admin.batch_execute("ALTER ROLE firedrill_clients LOGIN").await.expect("let in again");
    until(&*held, true, "FATAL").await;
    // Who is refused otherwise drives nobody out either.
    admin.batch_execute("ALTER ROLE firedrill_clients PASSWORD 'another'").await.expect("refused");
    admin.query(terminate, &[]).await.expect("terminated");
    until(&*held, false, "cannot come back: FATAL: password authentication failed").await;
    db.shop().await.batch_execute("SELECT pg_sleep(1)").await.expect("nobody ends it while they try again");
    held.lift().await.expect("lifted");
    assert_eq!(count(&admin, OUR_ROLES).await, 0);
}

const DELETE: &str = "DELETE FROM customers WHERE id = 1;\nDELETE FROM customers WHERE id = 2";
const DELETED: &str = "SELECT count(*) = 0 FROM customers WHERE id IN (1, 2)";

impl Db {
    /// A superuser's connection, and ten customers.
    async fn with_customers(&self) -> Client {
        let admin = self.admin().await;
        let made = admin.batch_execute("CREATE TABLE customers AS SELECT generate_series(1, 10) AS id").await;
        made.expect("customers");
        admin
    }

    /// A change by SQL: what it came to, or why it was not made.
    async fn change(&self, run: &str, confirm: &str, undo: Option<&str>) -> Result<Box<dyn Holding>, String> {
        let (run, confirm, undo) = (run.into(), confirm.into(), undo.map(str::to_string));
        begin("sql", PgChange { target: self.target(), run, confirm, undo }).await.0
    }
}

#[tokio::test]
async fn a_change_is_committed_when_it_is_begun_and_seen_through_a_restart() {
    let db = Db::start(&[]).await;
    let admin = db.with_customers().await;
    let before = count(&admin, "SELECT count(*) FROM customers").await;
    let held = db.change(DELETE, DELETED, None).await.expect("changed");
    assert_eq!(count(&admin, "SELECT count(*) FROM customers").await, before - 2);
    until(&*held, true, "`confirm` returns true").await;
    assert!(held.lift().await.expect("left").contains("irreversible"));
    assert_eq!(count(&admin, "SELECT count(*) FROM customers").await, before - 2, "nothing undoes it");

    db.container.stop().await.expect("stopped");
    assert!(matches!(held.look().await, AgentAnswer::Failed { .. }), "nobody can say");
    db.container.start().await.expect("started");
    let admin = db.admin().await;
    until(&*held, true, "true").await;
    admin.batch_execute("INSERT INTO customers VALUES (1)").await.expect("repaired");
    until(&*held, false, "`confirm` returns false").await;
}

#[tokio::test]
async fn a_change_is_undone_once_and_only_where_it_still_is() {
    let db = Db::start(&[]).await;
    let admin = db.with_customers().await;
    let (run, confirm) = ("ALTER TABLE customers RENAME TO away", "SELECT to_regclass('customers') IS NULL");
    let held = db.change(run, confirm, Some("ALTER TABLE away RENAME TO customers")).await.expect("changed");
    until(&*held, true, "true").await;
    let undone = held.lift().await.expect("undone");
    assert_eq!(undone, "undone: `confirm` returns false");
    assert!(held.lift().await.expect("nothing to do").contains("gone already"));
    assert!(count(&admin, "SELECT count(*) FROM customers").await > 0);

    let held = db.change(run, confirm, Some("ALTER TABLE away RENAME TO customers")).await.expect("changed");
    admin.batch_execute("ALTER TABLE away RENAME TO customers").await.expect("the runbook mends it");
    assert!(held.lift().await.expect("nothing to do").contains("gone already"));

    let held = db.change(run, confirm, Some("SELECT 1")).await.expect("changed");
    let useless = held.lift().await.expect_err("it is still there");
    assert_eq!(useless, "`undo` was carried out, and `confirm` still returns true");
    admin.batch_execute("ALTER TABLE away RENAME TO customers").await.expect("repaired");
}

async fn settings(admin: &Client) -> String {
    let sql = "SELECT format('%s %s', rolconnlimit, rolconfig) FROM pg_roles WHERE rolname = 'shop'";
    admin.query_one(sql, &[]).await.expect("a role").get(0)
}

/// The presets themselves, filled in as a scenario does.
#[tokio::test]
async fn presets_that_change_a_role_give_back_what_it_had() {
    let db = Db::start(&[]).await;
    let admin = db.admin().await;
    for (preset, before) in [
        ("postgres_role_limit", "CONNECTION LIMIT 7"),
        ("postgres_role_limit", "CONNECTION LIMIT -1"),
        ("postgres_statement_timeout", "SET statement_timeout = '7min'"),
        ("postgres_statement_timeout", "RESET statement_timeout"),
    ] {
        admin.batch_execute(&format!("ALTER ROLE shop {before}")).await.expect("changed");
        let had = settings(&admin).await;
        let file = format!("{}/faults/{preset}.yaml", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(file).expect("a preset");
        let filled = text.replace("{{role}}", "shop").replace("{{limit}}", "0").replace("{{timeout.ms}}", "1");
        let yaml: serde_json::Value = serde_yaml::from_str(&filled).expect("YAML");
        let sql = |key: &str| yaml["fault"]["sql"][key].as_str().expect("SQL");
        let held = db.change(sql("run"), sql("confirm"), Some(sql("undo"))).await.expect("changed");
        assert_ne!(settings(&admin).await, had, "{preset}");
        held.lift().await.expect("undone");
        assert_eq!(settings(&admin).await, had, "{preset} after {before}");
    }
}

#[tokio::test]
async fn a_change_that_fails_changes_nothing_and_says_where() {
    let db = Db::start(&[]).await;
    let admin = db.with_customers().await;
    let before = count(&admin, "SELECT count(*) FROM customers").await;
    let run = "DELETE FROM customers;\nDELETE FROM nothing";
    let error = db.change(run, "SELECT count(*) = 0 FROM customers", None).await.err().expect("no such table");
    let expected = "`run`: ERROR: relation \"nothing\" does not exist (SQLSTATE 42P01, line 2, column 13)";
    assert_eq!(error, expected);
    assert_eq!(count(&admin, "SELECT count(*) FROM customers").await, before);

    let wrong = [
        ("SELECT count(*) FROM customers", "it returns the type int8"),
        ("SELECT true, false", "it returns 2 columns"),
        ("SELECT true FROM generate_series(1, 2)", "it returns 2 rows"),
        ("SELECT true WHERE false", "it returns 0 rows"),
        ("SELECT null::boolean", "it returns null"),
        ("ANALYZE customers", "it returns 0 columns"),
        ("SELEC true", "SQLSTATE 42601, line 1, column 1"),
        ("SELECT true", "it is in place already, before `run`"),
    ];
    for (confirm, why) in wrong {
        let error = db.change(DELETE, confirm, None).await.err().expect(confirm);
        assert!(error.starts_with("`confirm`") && error.contains(why), "{confirm}: {error}");
    }
    assert_eq!(count(&admin, "SELECT count(*) FROM customers").await, before, "what cannot be confirmed is not begun");
    // It may look for what only the change makes.
    let held = db.change("CREATE TABLE junk (a int)", "SELECT count(*) = 0 FROM junk", None).await.expect("changed");
    until(&*held, true, "true").await;
}

/// Waits for a slice of which every event ended in one of these ways; how many were good in it.
async fn slice(told: &mut Notes, results: &[&str]) -> u64 {
    let found = async {
        loop {
            match told.recv().await {
                Some(Told::Load(LoadReport::Slice(counts)))
                    if counts.due > 0 && counts.results.keys().all(|result| results.contains(&result.as_str())) =>
                {
                    return counts.good["fresh"];
                }
                Some(_) => {}
                None => panic!("no slice with {results:?}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("no slice with {results:?}"))
}

#[tokio::test]
async fn a_question_is_a_good_event_when_the_answer_is_true_in_time() {
    let db = Db::start(&[]).await;
    let admin = db.admin().await;
    admin.batch_execute("CREATE TABLE fresh AS SELECT true AS yes").await.expect("a table");
    let queries = |sql: &str| {
        let (name, series) = ("fresh".into(), "query:fresh".to_string());
        let sli = SliSpec {
            name,
            series: series.clone(),
            good: Good::truth(),
            objective: Ratio::new(0.9).unwrap(),
            slo: None,
        };
        let (every, timeout) = (Duration::from_millis(50), Duration::from_millis(500));
        let question = PgQuery { target: db.target(), sql: sql.into(), timeout };
        PacedQuestion { series, every, timeout, slis: vec![sli], question }
    };
    for (sql, says) in
        [("SELECT 1", "must be a boolean"), ("SELECT no FROM nothing", "does not exist"), ("SELEC", "syntax")]
    {
        let error = begin("query:fresh", queries(sql)).await.0.err().expect(sql);
        assert!(error.contains(says), "{error}");
    }
    let (held, mut told) = begin("query:fresh", queries("SELECT yes FROM fresh")).await;
    let held = held.expect("it can be asked");
    assert_eq!(slice(&mut told, &["true"]).await, 2);
    admin.batch_execute("UPDATE fresh SET yes = false").await.expect("an update");
    assert_eq!(slice(&mut told, &["false"]).await, 0);
    admin.batch_execute("DELETE FROM fresh").await.expect("a change");
    assert_eq!(slice(&mut told, &["false"]).await, 0, "no row is no good event");
    admin.batch_execute("INSERT INTO fresh VALUES (true); BEGIN; LOCK TABLE fresh").await.expect("a lock");
    assert_eq!(slice(&mut told, &["timeout", "database", "no_connection"]).await, 0);
    admin.batch_execute("COMMIT").await.expect("the lock is gone");
    assert_eq!(slice(&mut told, &["true"]).await, 2);
    admin.batch_execute("DROP TABLE fresh").await.expect("a drop");
    note(&mut told, "no answer: ERROR: relation \"fresh\" does not exist").await;
    assert_eq!(slice(&mut told, &["database"]).await, 0);
    drop(held);
    // The age of the newest row, asked as a scenario has it.
    admin.batch_execute("CREATE TABLE deliveries (at timestamptz)").await.expect("a table");
    let freshness = |column: &str| {
        let dir = tempfile::tempdir().unwrap();
        let scenario = format!(
            "title: T\nstack: compose.yaml\nload: {{ l: {{ request: GET http://db/, rate: 50/s }} }}\nslis: {{ fresh: {{ freshness: \
             {{ query: {{ service: db, sql: 'SELECT max({column}) FROM deliveries -- newest', every: 100ms, timeout: 500ms }}, within: 10s }}, \
             objective: 90% }} }}\nsteady: {{ for: 1s }}\nfaults: [container_kill: {{ service: db }}]\nrecover: {{ within: 9s, hold: 1s }}\n"
        );
        std::fs::write(dir.path().join("compose.yaml"), "services: { db: { image: x } }\n").unwrap();
        std::fs::write(dir.path().join("s.yaml"), scenario).unwrap();
        let (plan, _) = firedrill::spec::load(&dir.path().join("s.yaml"), &Default::default());
        let plan = plan.expect("a plan");
        let source = plan.sources().find(|source| source.series == "freshness:fresh").expect("its source");
        let EventMaker::Agent(ask) = &source.made_by else { panic!("the agent is asked") };
        let AgentAsk::Begin { message, .. } = ask(&plan.slis, 7, &|_| Default::default()).expect("a question") else {
            panic!("nothing is begun");
        };
        let mut asked: PacedQuestion<PgQuery> = serde_json::from_value(message).expect("queries");
        asked.question.target = db.target();
        asked
    };
    let (held, mut told) = begin("freshness:fresh", freshness("at")).await;
    let held = held.expect("it can be asked");
    assert_eq!(slice(&mut told, &["false"]).await, 0, "no row is not young");
    for (age, young) in [("5 s", true), ("-1 hour", false), ("5 s", true), ("15 s", false)] {
        let sql = format!("DELETE FROM deliveries; INSERT INTO deliveries VALUES (now() - interval '{age}')");
        admin.batch_execute(&sql).await.expect("a row");
        assert_eq!(slice(&mut told, &[if young { "true" } else { "false" }]).await, u64::from(young), "{age}");
    }
    drop(held);
    let error = begin("freshness:fresh", freshness("extract(epoch from at)")).await.0.err().expect("no time");
    assert!(error.contains("operator does not exist"), "{error}");
    // What measures changes nothing.
    admin.batch_execute("CREATE SEQUENCE numbers").await.expect("a sequence");
    let (_held, mut told) = begin("query:fresh", queries("SELECT nextval('numbers') > 0")).await;
    note(&mut told, "read-only").await;
}
