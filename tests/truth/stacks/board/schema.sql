ALTER ROLE postgres PASSWORD 'postgres-local';
-- The application.
CREATE ROLE board LOGIN PASSWORD 'board-local';
-- The job that makes statistics.
CREATE ROLE stats LOGIN PASSWORD 'stats-local';
-- People on call: may end sessions and keep a role from logging in.
CREATE ROLE oncall LOGIN CREATEROLE PASSWORD 'oncall-local' IN ROLE pg_monitor, pg_signal_backend, pg_read_all_data, pg_write_all_data, board;

CREATE DATABASE board OWNER board;
\connect board
SET ROLE board;
CREATE TABLE entries (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    author     text NOT NULL,
    written_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE drafts (id bigint PRIMARY KEY);
GRANT SELECT, UPDATE ON entries TO stats;
INSERT INTO entries (author) SELECT format('author %s', n) FROM generate_series(1, 1000) AS n;
