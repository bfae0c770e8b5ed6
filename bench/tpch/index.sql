-- Foreign keys; those that begin a primary key have its index.
CREATE INDEX n_region ON nation(n_regionkey);
CREATE INDEX s_nation ON supplier(s_nationkey);
CREATE INDEX ps_supp ON partsupp(ps_suppkey);
CREATE INDEX c_nation ON customer(c_nationkey);
CREATE INDEX o_cust ON orders(o_custkey);
CREATE INDEX l_part_supp ON lineitem(l_partkey, l_suppkey);
CREATE INDEX l_supp ON lineitem(l_suppkey);
