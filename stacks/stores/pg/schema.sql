ALTER ROLE postgres PASSWORD :'admin';
CREATE ROLE app LOGIN PASSWORD 'app-local';
CREATE TABLESPACE small OWNER app LOCATION '/data/tables';
CREATE DATABASE stores OWNER app TABLESPACE small;
\connect stores
SET ROLE app;
CREATE TABLE items (id int PRIMARY KEY, name text NOT NULL);
INSERT INTO items SELECT n, 'item ' || n FROM generate_series(1, 100) AS n;
CREATE TABLE orders (id bigserial PRIMARY KEY, customer int NOT NULL, note text, reference bigint);
INSERT INTO orders (customer, note) SELECT n % 20000 + 1, 'x' FROM generate_series(1, 300000) AS n;
CREATE INDEX orders_customer ON orders (customer);
-- What a nightly job has left behind, and nobody needs.
CREATE TABLE export_of_last_week AS SELECT n, repeat('y', 200) AS line FROM generate_series(1, 60000) AS n;
