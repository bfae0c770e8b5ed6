-- shop.db is a SQLite file: 200 customers, 24 products, 2000 orders.
-- Load dbfed, name the file as a server, attach its tables.
.load ./dbfed
SELECT fed_server('shop', 'sqlite:shop.db') AS server;
SELECT fed_attach('shop') AS tables;

-- They join with tables of your own: parcels that came back this morning.
-- (ANALYZE tells SQLite how small the table is, so that it begins there.)
CREATE TABLE parcels(order_id INTEGER PRIMARY KEY, reason TEXT);
INSERT INTO parcels VALUES(17, 'broken'), (1204, 'too late'), (1790, 'broken');
ANALYZE parcels;
SELECT c.name, c.city, p.name AS product, qty * price AS refund, reason
  FROM parcels
  JOIN shop.orders o ON o.id = parcels.order_id
  JOIN shop.customers c ON c.id = o.customer_id
  JOIN shop.products p ON p.id = o.product_id;

-- What went to the server? The columns and rows that were needed, no others.
SELECT sql, count(*) AS runs, sum(rows) AS rows, round(sum(total_ms), 2) AS ms
  FROM fed_log WHERE sql LIKE 'SELECT%' GROUP BY sql ORDER BY min(id);

-- Ask before you run: the plan shows the SQL that each table will send.
EXPLAIN QUERY PLAN SELECT ordered_on, qty FROM shop.orders
  WHERE ordered_on >= '2024-12-01' AND qty > 2 ORDER BY ordered_on;

-- A SELECT that the server computes can be a table, too.
CREATE VIRTUAL TABLE best USING fed_query(shop, '
  SELECT name, sum(qty * price) AS sales FROM orders
  JOIN products ON products.id = product_id GROUP BY name');
SELECT name, round(sales, 2) AS sales FROM best ORDER BY sales DESC LIMIT 3;

-- Servers, tables and connections are tables as well (SELECT * FROM fed_help).
SELECT name, driver, state, version, origin FROM fed_servers;
SELECT schema, name, rows, count(*) AS columns FROM fed_tables
  GROUP BY schema, name;
SELECT server, pool_max, idle, busy, lent_total, opened_total FROM fed_pool;
