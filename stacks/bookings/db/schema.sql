SET ROLE bookings;

CREATE TABLE customers (
    id    integer PRIMARY KEY,
    name  text NOT NULL,
    email text NOT NULL UNIQUE,
    since date NOT NULL
);

-- Names stay out of the statistics: who looks for one in a backup finds it in the table alone.
ALTER TABLE customers ALTER COLUMN name SET STATISTICS 0;

CREATE TABLE bookings (
    n         bigint PRIMARY KEY,
    customer  integer NOT NULL REFERENCES customers ON DELETE CASCADE,
    booked_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- What the migration tool has applied. It adds the row at the end of the migration, in the same transaction.
CREATE TABLE schema_migrations (
    name       text PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
