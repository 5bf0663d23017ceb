//! The shipped presets, each on a real service: its users fail while it is in, it is seen in place, undone and seen gone. Three
//! at a time, one for each store of `stacks/stores`, where they leave each other alone. `heavy_user` and `restart_loop` are drilled in
//! the scenarios of the kinds on which they are built (`releases`, `verdicts`).

use crate::drill::{Drill, Project};
use firedrill::record::{DrillTime, Event, FaultAfter, FaultEvent, Verdict};

const STORES: [&str; 3] = ["pg", "maria", "redis"];
const MARIA: &str = "user: app, password: app-local";

/// Breaks each store by the preset that stands at its place.
fn each_store_suffers(name: &str, faults: [&str; 3]) {
    let project = Project::empty();
    let each = |line: &dyn Fn(&str) -> String| STORES.map(line).concat();
    let loads =
        each(&|store| format!("  {store}: {{ request: GET http://front:8080/{store}, rate: 10/s, timeout: 1s }}\n"));
    let slis = each(&|store| format!("  {store}: {{ load: {store}, good: status < 500, objective: 80% }}\n"));
    let faults = faults.map(|fault| format!("  - {fault}\n"));
    let scenario = format!(
        "title: {name}\nstack: ../shipped/stacks/stores/compose.yaml\nload:\n{loads}slis:\n{slis}steady: {{ for: 2s, within: 60s }}\n\
         faults:\n{}impact: {{ below: 50%, within: 30s }}\nrecover: {{ within: 6s, hold: 4s }}\nrevert: {{ hold: 3s }}\n\
         expect: {{ verdict: not_recovered }}\n",
        faults.concat()
    );
    project.write(&format!("scenarios/{name}.yaml"), &scenario);
    let drill = project.drill(name, &[]);
    drill.came_to(Verdict::NotRecovered, 0, &[]).reverted();
    for store in STORES {
        let (good, due) = while_all_are_in(&drill, store);
        assert!(due > 0 && good * 2 < due, "{store}: {good} of {due} events were good\n{}", drill.story());
    }
}

/// Good and due events of a load from one second after the last fault was seen in place until the verdict.
fn while_all_are_in(drill: &Drill, load: &str) -> (u64, u64) {
    let confirmed = drill.record.faults.iter().filter_map(|fault| fault.at(FaultEvent::Confirmed));
    let from = confirmed.max().expect("a fault that was in place");
    let to = drill.record.judged_us.expect("a verdict");
    let apart = |later: DrillTime, earlier: DrillTime| later > earlier && later.since(earlier).as_secs_f64() >= 1.0;
    let slices = drill.events.iter().filter_map(|stamped| match &stamped.event {
        Event::Slice(slice) if slice.load == load => Some(slice),
        _ => None,
    });
    let within = slices.filter(|slice| apart(slice.start_us, from) && apart(to, slice.start_us));
    within.fold((0, 0), |(good, due), slice| (good + slice.good[load], due + slice.due))
}

#[test]
fn stores_that_take_no_writes() {
    let pg = "postgres_read_only: { service: pg, database: stores }";
    each_store_suffers(
        "read-only",
        [pg, "mariadb_read_only: { service: maria }", "redis_read_only: { service: redis }"],
    );
}

#[test]
fn stores_that_let_nobody_in() {
    let maria = format!("mariadb_connections: {{ service: maria, {MARIA}, connections: 64 }}");
    let pg = "postgres_role_limit: { service: pg, role: app }";
    each_store_suffers("nobody-in", [pg, &maria, "redis_paused: { service: redis }"]);
}

#[test]
fn stores_that_wait_or_have_no_room() {
    let maria = format!("mariadb_metadata_lock: {{ service: maria, {MARIA}, database: stores, table: orders }}");
    let pg = "disk_full: { service: pg, directory: /data, at_most: 256MiB }";
    each_store_suffers("no-room", [pg, &maria, "redis_full: { service: redis }"]);
}

#[test]
fn stores_that_nobody_reaches() {
    let pg = "postgres_statement_timeout: { service: pg, role: app }";
    each_store_suffers("out-of-reach", [pg, "dns_name_gone: { service: maria }", "network_cut: { service: redis }"]);
}

/// One fault in a stack of its own, of which users notice until it is undone. `slis` is what they are promised, with the load.
fn users_suffer(stack: &str, slis: &str, fault: &str) {
    let project = Project::empty();
    project.write("shipped/stacks/stores/report.yaml", REPORT);
    let scenario = format!(
        "title: One fault\nstack: ../shipped/stacks/stores/{stack}.yaml\n{slis}steady: {{ for: 2s, within: 60s }}\n\
         faults:\n  - {fault}\nimpact: {{ below: 50%, within: 30s }}\n\
         recover: {{ within: 4s, hold: 3s }}\nrevert: {{ hold: 3s }}\nexpect: {{ verdict: not_recovered }}\n"
    );
    project.write("scenarios/one.yaml", &scenario);
    println!("{fault}");
    project.drill("one", &[]).came_to(Verdict::NotRecovered, 0, &[]).reverted();
}

/// Requests of a page of the front, most of which are to be answered.
fn requests(page: &str) -> String {
    format!(
        "load:\n  users: {{ request: GET http://front:8080/{page}, rate: 10/s, timeout: 500ms }}\n\
         slis:\n  users: {{ load: users, good: status < 500, objective: 80% }}\n"
    )
}

#[test]
fn a_file_system_without_inodes_takes_no_uploads() {
    users_suffer("compose", &requests("upload"), "inodes_full: { service: front, directory: /uploads, at_most: 5000 }");
}

/// A service that needs a thread, 48 MiB and a few hundredths of a second of a processor for each request.
const REPORT: &str = "services:
  front:
    build: front
    restart: unless-stopped
    expose: [8080]
    command:
      - python3
      - -c
      - |
        import http.server

        class Front(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                len(b'x' * (48 << 20))
                self.send_response(200)
                self.end_headers()

        http.server.ThreadingHTTPServer(('', 8080), Front).serve_forever()
";

#[test]
fn a_service_that_gets_less_than_it_needs() {
    for fault in [
        "cpu_starved: { service: front }",
        "out_of_memory: { service: front, memory: 40MiB }",
        "process_limit: { service: front }",
    ] {
        users_suffer("report", &requests(""), fault);
    }
}

#[test]
fn a_store_that_is_kept_busy() {
    let killed = "postgres_sessions_killed: { service: pg, database: stores }";
    // More than the server lets in.
    let slow = "postgres_slow_queries: { service: pg, database: stores, sessions: 100 }";
    let command = "redis_slow_command: { service: redis, loops: 150000000 }";
    for (page, fault) in
        [("pg", killed), ("pg", slow), ("redis", command), ("redis", "redis_hot_client: { service: redis }")]
    {
        users_suffer("compose", &requests(page), fault);
    }
}

#[test]
fn a_store_without_an_index() {
    // Milliseconds by the index, about a second without it.
    let slis = "load:\n  visits: { request: GET http://front:8080/healthz, rate: 1/s }\nslis:\n  users:\n    objective: 80%\n    \
         query:\n      service: pg\n      database: stores\n      every: 200ms\n      timeout: 400ms\n      \
         sql: SELECT bool_and((SELECT count(*) FROM orders WHERE customer = -n) = 0) FROM generate_series(1, 200) AS n\n";
    let fault = "postgres_missing_index: { service: pg, database: stores, index: orders_customer, \
         definition: CREATE INDEX IF NOT EXISTS orders_customer ON orders (customer) }";
    users_suffer("compose", slis, fault);
}

#[test]
fn a_cache_that_has_lost_everything_is_filled_again() {
    let project = Project::empty();
    let page = "# Cache\n\n## Mitigation\n\n### Step 1: Log in again\n\n```bash\ndocker compose restart front\n```\n";
    project.write("runbooks/cache.md", page);
    let scenario = format!(
        "title: Cache\nstack: ../shipped/stacks/stores/compose.yaml\nrunbook: ../runbooks/cache.md\n{}\
         steady: {{ for: 2s, within: 60s }}\nfaults:\n  - redis_flushed: {{ service: redis, key: \"session:1\" }}\n\
         impact: {{ below: 50%, within: 30s }}\nrespond: {{ phases: [mitigate] }}\n\
         recover: {{ within: 20s, hold: 4s }}\nrevert: {{ hold: 3s }}\n",
        requests("redis")
    );
    project.write("scenarios/cache.yaml", &scenario);
    let drill = project.drill("cache", &[]);
    drill.came_to(Verdict::Passed, 0, &[]).fault_after("redis_flushed", FaultAfter::ClearedByRunbook);
}

/// A broker as Debian has it, and a service that publishes a message, with the broker's confirmation, for each request.
const QUEUE: [(&str, &str); 4] = [
    (
        "queue/compose.yaml",
        "services:
  rabbit:
    build: rabbit
    healthcheck: { test: bash -c '</dev/tcp/127.0.0.1/5672', interval: 1s, timeout: 1s, retries: 60 }
  front:
    build: front
    init: true
    expose: [8080]
    depends_on: { rabbit: { condition: service_healthy } }
",
    ),
    (
        "queue/rabbit/Dockerfile",
        "FROM debian:bookworm-slim
RUN apt-get update && apt-get install --yes --no-install-recommends rabbitmq-server && rm -rf /var/lib/apt/lists/* && \\
    echo 'loopback_users = none' > /etc/rabbitmq/rabbitmq.conf
USER rabbitmq
CMD [\"rabbitmq-server\"]
",
    ),
    (
        "queue/front/Dockerfile",
        "FROM debian:bookworm-slim
RUN apt-get update && apt-get install --yes --no-install-recommends python3-pika && rm -rf /var/lib/apt/lists/*
COPY front.py /
CMD [\"python3\", \"/front.py\"]
",
    ),
    (
        "queue/front/front.py",
        "import http.server
import pika

class Front(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            broker = pika.BlockingConnection(pika.ConnectionParameters('rabbit', blocked_connection_timeout=0.5))
            channel = broker.channel()
            channel.queue_declare('orders')
            channel.confirm_delivery()
            channel.basic_publish('', 'orders', b'one')
            broker.close()
            self.send_response(200)
        except Exception as error:
            self.send_response(503, type(error).__name__)
        self.end_headers()

http.server.ThreadingHTTPServer(('', 8080), Front).serve_forever()
",
    ),
];

#[test]
fn a_broker_with_a_memory_alarm_takes_no_messages_until_its_watermark_is_put_right() {
    let project = Project::empty();
    for (path, text) in QUEUE {
        project.write(path, text);
    }
    let page = "# Queue\n\n## Mitigation\n\n### Step 1: The watermark of the configuration\n\n```bash\n\
                docker compose exec -T rabbit rabbitmqctl -q set_vm_memory_high_watermark 0.4\n```\n";
    project.write("runbooks/queue.md", page);
    let scenario = "title: Queue\nstack: ../queue/compose.yaml\nrunbook: ../runbooks/queue.md\n\
         load:\n  orders: { request: GET http://front:8080/, rate: 10/s, timeout: 1s }\n\
         slis:\n  orders: { load: orders, good: status < 500, objective: 80% }\nsteady: { for: 2s, within: 60s }\n\
         faults:\n  - rabbitmq_memory_alarm: { service: rabbit }\nimpact: { below: 50%, within: 30s }\n\
         respond: { phases: [mitigate] }\nrecover: { within: 20s, hold: 4s }\nrevert: { hold: 3s }\n";
    project.write("scenarios/queue.yaml", scenario);
    let drill = project.drill("queue", &[]);
    drill.came_to(Verdict::Passed, 0, &[]).reverted();
    drill.fault_after("rabbitmq_memory_alarm", FaultAfter::ClearedByRunbook);
}
