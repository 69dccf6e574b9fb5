package postgres_test

import (
	"fmt"
	"testing"

	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/join/internal/lookuptest"
	"github.com/weirstreams/weir/join/postgres"
)

// BenchmarkLookup is what a row of a table with an index costs: alone, among 100 and among 1,000, by a query of one's own, and
// with a cache that has it.
func BenchmarkLookup(b *testing.B) {
	const rows = 1000
	address := prepare(b)
	alter(b, address, `CREATE TABLE n (id bigint PRIMARY KEY, name text, age bigint);
		INSERT INTO n SELECT i, 'name ' || i, i FROM generate_series(0, 999) AS i; ANALYZE n`)
	db := open(b, address, postgres.Config{})
	table := lookuptest.Must(postgres.First[int64, person](b.Context(), db, postgres.Table{Name: "n", On: "id"}))
	query := lookuptest.Must(postgres.Query[int64, person](db, `SELECT name, age FROM n WHERE id = $1`, nil))
	for _, test := range []struct {
		name   string
		lookup join.Lookup[int64, person]
		batch  int
	}{
		{"table", table, 1},
		{"table", table, 100},
		{"table", table, 1000},
		{"query", query, 1},
		{"cached", join.Cached(table, join.CacheConfig{}), 1},
		{"cached", join.Cached(table, join.CacheConfig{}), 100},
	} {
		b.Run(fmt.Sprintf("%s/batch=%d", test.name, test.batch), func(b *testing.B) {
			queries, found := make([]int64, test.batch), make([]*person, test.batch)
			next := int64(0)
			ask := func() {
				for i := range queries {
					queries[i] = next % rows
					next++
				}
				clear(found)
				if err := test.lookup.Lookup(b.Context(), queries, found); err != nil {
					b.Fatal(err)
				}
			}
			for next < rows { // statements are prepared, and the cache is full
				ask()
			}
			b.ReportAllocs()
			for b.Loop() {
				ask()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*test.batch), "ns/row")
		})
	}
}
