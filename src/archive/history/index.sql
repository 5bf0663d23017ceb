CREATE TABLE run (
  id INTEGER PRIMARY KEY,
  run TEXT NOT NULL UNIQUE, scenario TEXT NOT NULL, title TEXT NOT NULL,
  started_utc TEXT NOT NULL, started_us INTEGER NOT NULL, ended INTEGER NOT NULL, control INTEGER NOT NULL,
  standing TEXT NOT NULL, verdict TEXT NOT NULL, expect TEXT NOT NULL, reason TEXT NOT NULL,
  disturbed TEXT, failed_step TEXT, day TEXT, attempt INTEGER, revision TEXT, tool_version TEXT NOT NULL,
  scenario_sha TEXT NOT NULL, runbook_sha TEXT, stack_sha TEXT NOT NULL, images_sha TEXT,
  to_impact_us INTEGER, to_detect_us INTEGER, to_mitigation_us INTEGER, to_recover_us INTEGER,
  mitigation_to_recover_us INTEGER, total_us INTEGER NOT NULL,
  requests INTEGER NOT NULL, late INTEGER NOT NULL, worst_late_us INTEGER NOT NULL, busy_mean REAL, pressure_max REAL
);
CREATE INDEX run_by_scenario ON run (scenario, started_us);
CREATE INDEX run_by_time ON run (started_us);
CREATE TABLE detail (run INTEGER PRIMARY KEY, json TEXT NOT NULL);
CREATE TABLE file (run TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, final INTEGER NOT NULL)
  WITHOUT ROWID;
CREATE TABLE unreadable (dir TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, why TEXT NOT NULL)
  WITHOUT ROWID;
