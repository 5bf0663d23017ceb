SET ROLE shop;

CREATE TABLE inventory (
    sku         text PRIMARY KEY,
    title       text NOT NULL,
    price_cents integer NOT NULL CHECK (price_cents > 0),
    stock       integer NOT NULL CHECK (stock >= 0)
) WITH (fillfactor = 50); -- the stock changes with every order: leave room for it on the same page

CREATE TABLE orders (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sku          text NOT NULL REFERENCES inventory (sku),
    quantity     integer NOT NULL CHECK (quantity > 0),
    amount_cents integer NOT NULL,
    -- reserved: stock is taken, the charge is under way · queued: to be charged later, see charges_pending
    status       text NOT NULL CHECK (status IN ('reserved', 'paid', 'queued', 'failed')),
    charge_id    text,
    reference    text, -- the customer's own number, if they gave one
    created_at   timestamptz NOT NULL DEFAULT now()
);

-- Orders accepted while the circuit breaker around the payment provider is open.
CREATE TABLE charges_pending (
    order_id  bigint PRIMARY KEY REFERENCES orders (id),
    queued_at timestamptz NOT NULL DEFAULT now()
);
