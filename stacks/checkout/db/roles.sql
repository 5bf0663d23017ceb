-- Passwords are set from the environment when the container starts for the first time.

-- The application.
CREATE ROLE shop LOGIN;

-- People on call: may see what every session does and end it, and may keep a role from logging in
-- (PostgreSQL 15 wants CREATEROLE for that). No superuser: sessions of superusers stay out of reach.
CREATE ROLE oncall LOGIN CREATEROLE CONNECTION LIMIT 5 IN ROLE pg_monitor, pg_signal_backend, pg_read_all_data;
