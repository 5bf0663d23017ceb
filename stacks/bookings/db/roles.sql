-- Passwords are set from the environment when the container starts for the first time.

-- The application.
CREATE ROLE bookings LOGIN;

-- The job that makes base backups.
CREATE ROLE backup LOGIN REPLICATION;
