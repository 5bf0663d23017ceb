SET ROLE shop;

INSERT INTO inventory (sku, title, price_cents, stock)
SELECT format('SKU-%s', lpad(n::text, 4, '0')), format('Article %s', n), 199 + (n * 7919) % 20000, 1000000
FROM generate_series(1, 1000) AS n;

-- For smoke tests by people and monitors; never shipped.
INSERT INTO inventory (sku, title, price_cents, stock) VALUES
    ('SKU-TEST', 'Smoke test', 1, 1000000),
    ('SKU-TEST-L', 'Smoke test, large amount', 15000, 1000000);

INSERT INTO orders (sku, quantity, amount_cents, status, charge_id, created_at)
SELECT sku, 1, price_cents, 'paid', format('ch_seed_%s', n), now() - n * interval '5 minutes'
FROM generate_series(1, 5000) AS n
JOIN inventory ON sku = format('SKU-%s', lpad((1 + n % 1000)::text, 4, '0'));
