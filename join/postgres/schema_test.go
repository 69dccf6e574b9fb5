package postgres_test

import (
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/join/internal/lookuptest"
	"github.com/weirstreams/weir/join/postgres"
	"github.com/weirstreams/weir/row"
)

// alter changes the tables of a test.
func alter(tb testing.TB, address, statement string) {
	tb.Helper()
	db := lookuptest.Must(sql.Open("pgx", address))
	defer db.Close()
	if _, err := db.ExecContext(tb.Context(), statement); err != nil {
		tb.Fatal(err)
	}
}

// A column that gets another type while the lookups are in use is read as it is now: on every connection, whatever statements
// it has prepared.
func TestATypeThatChanges(t *testing.T) {
	const connections = 4
	address := prepare(t)
	db := open(t, address, postgres.Config{Connections: connections})
	table := postgres.Table{Name: "t", On: "id", Columns: []string{"age"}, OrderBy: "name"}
	first := lookuptest.Must(postgres.First[int64, row.Row](t.Context(), db, table))
	all := lookuptest.Must(postgres.All[int64, row.Row](t.Context(), db, table))
	query := lookuptest.Must(postgres.Query[int64, row.Row](db, `SELECT age FROM t WHERE id = $1 ORDER BY name`, nil))
	queryAll := lookuptest.Must(postgres.QueryAll[int64, row.Row](db, `SELECT age FROM t WHERE id = $1 ORDER BY name`, nil))
	ask := func(want string) {
		t.Helper()
		var calls sync.WaitGroup
		for range connections { // at once, so that all connections have the statements
			calls.Go(func() {
				for range 10 {
					one, err1 := lookuptest.Try(t.Context(), first, 1)
					two, err2 := lookuptest.Try(t.Context(), all, 1, 9)
					three, err3 := lookuptest.Try(t.Context(), query, 1)
					four, err4 := lookuptest.Try(t.Context(), queryAll, 1)
					for _, err := range []error{err1, err2, err3, err4} {
						if err != nil {
							t.Error(err)
							return
						}
					}
					got := fmt.Sprint(*one[0], " ", (*two[0])[0], " ", *three[0], " ", (*four[0])[0])
					if diff := cmp.Diff(strings.TrimSuffix(strings.Repeat(want+" ", 4), " "), got); diff != "" {
						t.Error(diff)
					}
				}
			})
		}
		calls.Wait()
	}
	ask(`{"age":30}`)
	alter(t, address, `ALTER TABLE t ALTER age TYPE text USING age || ' years'`)
	ask(`{"age":"30 years"}`)
	alter(t, address, `ALTER TABLE t ALTER age TYPE double precision USING 0.5, ADD more text DEFAULT 'more'`)
	ask(`{"age":0.5}`)
	alter(t, address, `ALTER TABLE t ALTER id TYPE integer`)
	ask(`{"age":0.5}`)
	alter(t, address, `DROP TABLE t; CREATE TABLE t AS SELECT 1::bigint AS id, 'a' AS name, 7 AS age`)
	ask(`{"age":7}`)
}

// What a pooler does that has given a connection another server: prepared statements are not there any more.
func TestStatementsThatTheServerHasForgotten(t *testing.T) {
	db := open(t, prepare(t), postgres.Config{Connections: 1})
	lookup := lookuptest.Must(postgres.First[int64, string](t.Context(), db, namesTable))
	query := lookuptest.Must(postgres.Query[int64, string](db, `SELECT name FROM t WHERE id = $1 ORDER BY age`, nil))
	forget := lookuptest.Must(postgres.Query[int, row.Row](db, `DEALLOCATE ALL`, func(int) []any { return nil }))
	for range 3 {
		if diff := cmp.Diff([]*string{new("a"), new("c")}, lookuptest.Ask(t, lookup, 1, 2)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]*string{new("a"), new("c")}, lookuptest.Ask(t, query, 1, 2)); diff != "" {
			t.Error(diff)
		}
		if found := lookuptest.Ask(t, forget, 0); found[0] != nil {
			t.Errorf("got %v", *found[0])
		}
	}
}

// A column that goes away is an error of records, and no outage.
func TestAColumnThatGoesAway(t *testing.T) {
	address := prepare(t)
	lookup := lookuptest.Must(postgres.First[int64, person](t.Context(), open(t, address, postgres.Config{}), postgres.Table{Name: "t", On: "id"}))
	lookuptest.Ask(t, lookup, 1)
	alter(t, address, `ALTER TABLE t DROP age`)
	_, err := lookuptest.Try(t.Context(), lookup, 1)
	if err == nil || lookuptest.Unavailable(err) || !strings.Contains(err.Error(), "column t.age does not exist") {
		t.Errorf("got %v", err)
	}
}
