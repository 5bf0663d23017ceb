SET ROLE bookings;

INSERT INTO schema_migrations (name) VALUES ('0001_customers'), ('0002_bookings');

-- Customers 1 to 200 book no more: nothing has written to their pages since the backup. What is wrong with these pages in
-- a backup stays wrong; a page that was written since comes back whole from the WAL.
INSERT INTO customers (id, name, email, since)
SELECT n,
       CASE n WHEN 1 THEN 'Ada Lovelace' ELSE
           (ARRAY['Alan', 'Barbara', 'Donald', 'Edsger', 'Frances', 'Grace', 'Jean', 'John', 'Katherine', 'Niklaus'])[1 + n % 10]
           || ' ' ||
           (ARRAY['Allen', 'Backus', 'Bartik', 'Dijkstra', 'Hopper', 'Johnson', 'Knuth', 'Liskov', 'Turing', 'Wirth', 'Wilkes'])[1 + n % 11]
       END,
       format('customer-%s@example.com', lpad(n::text, 4, '0')),
       date '2019-01-01' + n * 5
FROM generate_series(1, 500) AS n;
