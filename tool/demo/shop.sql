-- A small shop: 200 customers, 24 products, 2000 orders. Nothing in it is
-- random, so every run of the demo, and every example of the docs, gives the
-- same rows.
--
--   sqlite3 shop.db < tool/demo/shop.sql
BEGIN;

CREATE TABLE customers(
  id INTEGER PRIMARY KEY,
  name VARCHAR(40) NOT NULL,
  city VARCHAR(20) NOT NULL,
  region VARCHAR(5) NOT NULL,
  since DATE NOT NULL
);
CREATE TABLE products(
  id INTEGER PRIMARY KEY,
  name VARCHAR(40) NOT NULL,
  price NUMERIC(8,2) NOT NULL
);
CREATE TABLE orders(
  id INTEGER PRIMARY KEY,
  customer_id INTEGER NOT NULL REFERENCES customers,
  product_id INTEGER NOT NULL REFERENCES products,
  qty INTEGER NOT NULL,
  ordered_on DATE NOT NULL,
  note VARCHAR(40)
);

CREATE TEMP TABLE first(n INTEGER PRIMARY KEY, name);
INSERT INTO first(name) VALUES('Ada'),('Ben'),('Chloe'),('David'),('Emma'),
  ('Felix'),('Greta'),('Hugo'),('Ines'),('Jakob'),('Klara'),('Luis'),('Mona'),
  ('Nils'),('Olga'),('Paul'),('Rosa'),('Samir'),('Tara'),('Viktor');
CREATE TEMP TABLE last(n INTEGER PRIMARY KEY, name);
INSERT INTO last(name) VALUES('Berger'),('Costa'),('Dahl'),('Eriksen'),
  ('Fontaine'),('Greco'),('Horvat'),('Ivanova'),('Jansen'),('Kowalski');
CREATE TEMP TABLE town(n INTEGER PRIMARY KEY, name, region);
INSERT INTO town(name, region) VALUES('Bergen','north'),('Oslo','north'),
  ('Porto','south'),('Sevilla','south'),('Gdansk','east'),('Brno','east'),
  ('Lyon','west'),('Gent','west'),('Napoli','south');

WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < 200)
INSERT INTO customers
SELECT i.n, first.name || ' ' || last.name, town.name, town.region,
       date('2019-01-01', (i.n * 7877 % 1800) || ' days')
FROM i JOIN first ON first.n = 1 + (i.n - 1) % 20
       JOIN last ON last.n = 1 + (i.n - 1) / 20
       JOIN town ON town.n = 1 + i.n * 31 % 9;

INSERT INTO products(name, price) VALUES('Tea pot',24.90),('Tea cup',6.50),
  ('Green tea',7.90),('Black tea',6.90),('Rooibos',5.90),('Coffee mill',49.90),
  ('Espresso beans',11.90),('Filter coffee',8.90),('Milk jug',14.90),
  ('Sugar bowl',12.90),('Honey',4.90),('Fig jam',3.90),('Bread knife',18.90),
  ('Cutting board',21.90),('Apron',16.90),('Oven glove',9.90),('Scales',34.90),
  ('Timer',13.90),('Cookbook',29.90),('Lunch box',17.90),('Bottle',15.90),
  ('Napkins',5.50),('Candle',8.50),('Gift card',25.50);

-- The upper bits of n * 2654435761 look random enough.
WITH RECURSIVE
  i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < 2000),
  r(n, hash) AS (SELECT n, n * 2654435761 % 4294967296 / 256 FROM i)
INSERT INTO orders
SELECT n, 1 + hash % 200, 1 + hash / 200 % 24, 1 + hash / 4800 % 3,
       date('2024-01-01', (n * 366 / 2001) || ' days'),
       CASE WHEN hash % 19 = 0 THEN 'gift' END
FROM r;

CREATE INDEX orders_customer ON orders(customer_id);
DROP TABLE first;
DROP TABLE last;
DROP TABLE town;
COMMIT;
ANALYZE;
