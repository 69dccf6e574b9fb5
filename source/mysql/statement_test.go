package mysql

import "testing"

func TestStatementsThatChangeRowsWithoutALogAreFound(t *testing.T) {
	t.Parallel()
	tables := []*table{{schema: "shop", name: "t"}, {schema: "shop", name: "odd `name"}}
	for statement, want := range map[string]effect{
		"TRUNCATE TABLE t":                                truncates,
		"truncate `shop`.`t`":                             truncates,
		"/* a comment */ TRUNCATE t -- here":              truncates,
		"TRUNCATE other.t":                                noEffect,
		"DROP TABLE IF EXISTS a, shop.T, b":               loses,
		"DROP TABLE `odd ``name` /* generated */":         loses,
		"DROP TEMPORARY TABLE t":                          noEffect,
		"DROP TABLE other.t":                              noEffect,
		"DROP INDEX t ON u":                               noEffect,
		"DROP DATABASE shop":                              loses,
		"DROP DATABASE `other`":                           noEffect,
		"CREATE OR REPLACE TABLE t (id int)":              loses,
		"CREATE TABLE t (id int)":                         noEffect,
		"RENAME TABLE a TO b, t TO c":                     loses,
		"ALTER TABLE t RENAME TO u":                       loses,
		"ALTER TABLE t RENAME u":                          loses,
		"ALTER TABLE t RENAME COLUMN a TO b":              noEffect,
		"ALTER TABLE t RENAME INDEX a TO b":               noEffect,
		"ALTER TABLE t ADD COLUMN c int":                  noEffect,
		"ALTER TABLE t DROP COLUMN c":                     noEffect,
		"ALTER TABLE t DROP PARTITION p":                  loses,
		"ALTER TABLE t DISCARD TABLESPACE":                loses,
		"ALTER TABLE u EXCHANGE PARTITION p WITH TABLE t": loses,
		"ALTER TABLE u RENAME TO v":                       noEffect,
		"ALTER TABLE t COMMENT 'RENAME TO x'":             noEffect,
		"/*!40000 ALTER TABLE `t` RENAME u */":            loses,
		"INSERT INTO t VALUES (1)":                        loses,
		"INSERT INTO u VALUES ('t')":                      noEffect,
		"UPDATE u JOIN shop.t SET t.a = 1":                loses,
		"LOAD DATA INFILE 'x' INTO TABLE t":               loses,
		"ANALYZE TABLE t":                                 noEffect,
		"CREATE INDEX t ON t (a)":                         noEffect,
		"":                                                noEffect,
		"ALTER TABLE":                                     noEffect,
		"DROP TABLE `t":                                   loses,
		"TRUNCATE 'it\\'s":                                noEffect,
	} {
		if got, _ := effectOf(statement, "shop", tables); got != want {
			t.Errorf("%q has effect %d, want %d", statement, got, want)
		}
	}
}

func FuzzStatements(f *testing.F) {
	f.Add("ALTER TABLE `a`.b /*! RENAME */ TO \"c\" -- x")
	f.Fuzz(func(_ *testing.T, statement string) {
		effectOf(statement, "shop", []*table{{schema: "shop", name: "t"}})
	})
}
