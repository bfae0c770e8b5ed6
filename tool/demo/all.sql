-- Three servers, started for this demo: PostgreSQL has the orders, MariaDB
-- the customers, and a SQLite file the products.
.load ./dbfed
SELECT fed_server('sales', '@PG@') AS servers
UNION ALL SELECT fed_server('crm', '@MYSQL@')
UNION ALL SELECT fed_server('stock', 'sqlite:stock.db');
SELECT fed_attach('sales') + fed_attach('crm') + fed_attach('stock') AS tables;

-- One query over all three: where the big orders of December went.
SELECT c.name, c.city, p.name AS product, o.qty, o.qty * p.price AS total
  FROM sales.orders o
  JOIN crm.customers c ON c.id = o.customer_id
  JOIN stock.products p ON p.id = o.product_id
  WHERE o.ordered_on >= '2024-12-01' AND o.qty = 3
  ORDER BY total DESC LIMIT 5;

-- Each server was asked in its own dialect, for what was needed only.
SELECT server, sql, count(*) AS runs, sum(rows) AS rows,
       round(sum(total_ms), 1) AS ms
  FROM fed_log WHERE sql LIKE 'SELECT%' GROUP BY server, sql ORDER BY min(id);

-- A local table keeps what the servers said.
CREATE TABLE december AS SELECT customer_id, sum(qty) AS pieces
  FROM sales.orders WHERE ordered_on >= '2024-12-01' GROUP BY customer_id;
SELECT region, sum(pieces) AS pieces
  FROM crm.customers c JOIN december ON customer_id = c.id GROUP BY region;

-- Writing is done in the server's own dialect; rows affected come back.
SELECT fed_exec('sales', 'UPDATE orders SET note = $1 WHERE qty = 3
                          AND note IS NULL', 'call back') AS changed;

-- Servers and connections are tables as well (SELECT * FROM fed_help).
SELECT name, driver, state, version FROM fed_servers;
SELECT server, pool_max, idle, busy, lent_total, opened_total FROM fed_pool;
