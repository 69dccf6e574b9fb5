package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/join/sqlite"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

type person struct {
	Name string `db:"name"`
	Age  *int64 `db:"age"`
}

// people is the table of EX-45, and a table with a name that has to be quoted.
const people = `
CREATE TABLE t (id INTEGER, name TEXT, age INTEGER);
INSERT INTO t VALUES (1, 'a', 30), (1, 'b', 40), (2, 'c', NULL);
CREATE TABLE "or""der by; --" ("select" TEXT, "a b" TEXT);
INSERT INTO "or""der by; --" VALUES ('x', 'quoted');
`

// create makes a database file.
func create(tb testing.TB, statements string) (path string) {
	tb.Helper()
	path = filepath.Join(tb.TempDir(), "a?b#c%20.db")
	db, err := sql.Open("sqlite", path)
	if strings.ContainsAny(path, "?") { // the driver takes what is behind it for settings
		path = filepath.Join(filepath.Dir(path), "a#c%20.db")
		db, err = sql.Open("sqlite", path)
	}
	if err != nil {
		tb.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statements); err != nil {
		tb.Fatal(err)
	}
	return path
}

func open(tb testing.TB, path string, config sqlite.Config) *sqlite.DB {
	tb.Helper()
	db, err := sqlite.Open(tb.Context(), path, config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Error(err)
		}
	})
	return db
}

// must returns a lookup.
func must[L any](lookup L, err error) L {
	if err != nil {
		panic(err)
	}
	return lookup
}

// ask looks queries up.
func ask[Q, R any](tb testing.TB, lookup join.Lookup[Q, R], queries ...Q) []*R {
	tb.Helper()
	found := make([]*R, len(queries))
	if err := lookup.Lookup(tb.Context(), queries, found); err != nil {
		tb.Fatal(err)
	}
	return found
}

func years(n int64) *int64 { return &n }

// L-10, L-11, EX-45.
func TestRowsOfATable(t *testing.T) {
	db := open(t, create(t, people), sqlite.Config{})
	byAge := sqlite.Table{Name: "t", On: "id", OrderBy: "age", Descending: true}
	first := must(sqlite.First[int64, person](db, byAge))
	want := []*person{{"b", years(40)}, nil, {"c", nil}, {"b", years(40)}}
	if diff := cmp.Diff(want, ask(t, first, 1, 9, 2, 1)); diff != "" {
		t.Error(diff)
	}
	byAge.Descending = false
	if diff := cmp.Diff([]*person{{"a", years(30)}}, ask(t, must(sqlite.First[int64, person](db, byAge)), 1)); diff != "" {
		t.Error(diff)
	}
	all := must(sqlite.All[int64, person](db, byAge))
	if diff := cmp.Diff([]*[]person{{{"a", years(30)}, {"b", years(40)}}, {}}, ask(t, all, 1, 9)); diff != "" {
		t.Error(diff)
	}
	// A row has its columns in order, and a single column needs no struct.
	rows := must(sqlite.First[int64, row.Row](db, sqlite.Table{Name: "t", On: "id", Columns: []string{"name", "age"}, OrderBy: "age"}))
	if got := fmt.Sprint(*ask(t, rows, 1)[0]); got != `{"name":"a","age":30}` {
		t.Errorf("got %s", got)
	}
	names := must(sqlite.All[int64, string](db, sqlite.Table{Name: "t", On: "id", Columns: []string{"name"}, OrderBy: "name"}))
	if diff := cmp.Diff([]string{"a", "b"}, *ask(t, names, 1)[0]); diff != "" {
		t.Error(diff)
	}
	// Without a default there is no row; with one there is.
	if diff := cmp.Diff([]*string{new("?")}, ask(t, join.WithDefault(must(sqlite.First[int64, string](db, sqlite.Table{
		Name: "t", On: "id", Columns: []string{"name"},
	})), "?"), 9)); diff != "" {
		t.Error(diff)
	}
}

// L-12, EX-45: parameters by name, and by place.
func TestRowsOfAQuery(t *testing.T) {
	db := open(t, create(t, people), sqlite.Config{})
	named := must(sqlite.Query[int64, string](db, `SELECT name FROM t WHERE age > :age`, func(age int64) []any {
		return []any{sql.Named("age", age)}
	}))
	if diff := cmp.Diff([]*string{new("b"), nil}, ask(t, named, 35, 99)); diff != "" {
		t.Error(diff)
	}
	all := must(sqlite.QueryAll[int64, person](db, `SELECT age, name FROM t WHERE age >= ? ORDER BY age`, nil))
	if diff := cmp.Diff([]*[]person{{{"a", years(30)}, {"b", years(40)}}, {}}, ask(t, all, 30, 99)); diff != "" {
		t.Error(diff)
	}
}

// L-13, L-14: the parameters are the key of the cache, and what is not there is kept too.
func TestACacheOfAQueryKnowsItsParameters(t *testing.T) {
	type between struct{ from, to int64 }
	db := open(t, create(t, people), sqlite.Config{})
	cached := join.Cached(must(sqlite.Query[between, string](db, `SELECT name FROM t WHERE age BETWEEN ? AND ?`, func(b between) []any {
		return []any{b.from, b.to}
	})), join.CacheConfig{})
	for range 2 {
		if diff := cmp.Diff([]*string{new("a"), new("b"), nil}, ask(t, cached, between{30, 31}, between{31, 40}, between{41, 50})); diff != "" {
			t.Error(diff)
		}
	}
	if info := cached.Info(); info.Hits != 3 || info.Misses != 3 {
		t.Errorf("got %+v", info)
	}
}

// Values never become SQL, whatever they say; names are quoted.
func TestInjections(t *testing.T) {
	path := create(t, people)
	db := open(t, path, sqlite.Config{})
	names := must(sqlite.All[string, string](db, sqlite.Table{Name: "t", On: "name", Columns: []string{"name"}}))
	for _, evil := range []string{`' OR '1'='1`, `'; DROP TABLE t; --`, `a' UNION SELECT name FROM sqlite_schema --`, "\x00", `"`, `a"`} {
		if found := ask(t, names, evil); len(*found[0]) != 0 {
			t.Errorf("%q finds %v", evil, *found[0])
		}
	}
	quoted := must(sqlite.First[string, string](db, sqlite.Table{Name: `or"der by; --`, On: "select", Columns: []string{"a b"}}))
	if diff := cmp.Diff([]*string{new("quoted")}, ask(t, quoted, "x")); diff != "" {
		t.Error(diff)
	}
	for _, table := range []sqlite.Table{
		{Name: `t"; DROP TABLE t; --`, On: "id", Columns: []string{"name"}},
		{Name: "t", On: `id" = 1 OR "id`, Columns: []string{"name"}},
		{Name: "t", On: "id", Columns: []string{`name", (SELECT count(*) FROM t) AS "x`}},
		{Name: "t", On: "id", Columns: []string{"name"}, OrderBy: `id"; DROP TABLE t; --`},
	} {
		lookup := must(sqlite.All[int64, string](db, table))
		found := make([]*[]string, 1)
		err := lookup.Lookup(t.Context(), []int64{1}, found)
		// SQLite takes a quoted name that is no column for a text, which is equal to nothing here.
		if err == nil && len(*found[0]) > 0 && table.On != "id" {
			t.Errorf("%+v finds %v", table, *found[0])
		}
	}
	if diff := cmp.Diff([]string{"a"}, *ask(t, names, "a")[0]); diff != "" {
		t.Error("the table is not what it was", diff)
	}
}

func TestBadTablesAndQueries(t *testing.T) {
	db := open(t, create(t, people), sqlite.Config{})
	type untagged struct{ Name string }
	type twice struct {
		A string `db:"name"`
		B string `db:"name"`
	}
	for want, build := range map[string]func() error{
		"Name is empty":     func() error { _, err := sqlite.First[int, person](db, sqlite.Table{On: "id"}); return err },
		"On is empty":       func() error { _, err := sqlite.First[int, person](db, sqlite.Table{Name: "t"}); return err },
		"it has no Columns": func() error { _, err := sqlite.First[int, string](db, sqlite.Table{Name: "t", On: "id"}); return err },
		`is "*"`: func() error {
			_, err := sqlite.First[int, row.Row](db, sqlite.Table{Name: "t", On: "id", Columns: []string{"*"}})
			return err
		},
		`no field for column`: func() error {
			_, err := sqlite.First[int, person](db, sqlite.Table{Name: "t", On: "id", Columns: []string{"id"}})
			return err
		},
		"room for one": func() error {
			_, err := sqlite.First[int, string](db, sqlite.Table{Name: "t", On: "id", Columns: []string{"id", "name"}})
			return err
		},
		"has a tag":          func() error { _, err := sqlite.First[int, untagged](db, sqlite.Table{Name: "t", On: "id"}); return err },
		"both for column":    func() error { _, err := sqlite.First[int, twice](db, sqlite.Table{Name: "t", On: "id"}); return err },
		"the query is empty": func() error { _, err := sqlite.Query[int, string](db, "", nil); return err },
		"no such table": func() error {
			return missing(t, must(sqlite.First[int, string](db, sqlite.Table{Name: "nobody", On: "id", Columns: []string{"x"}})))
		},
		"syntax error":    func() error { return missing(t, must(sqlite.Query[int, string](db, "SELEKT", nil))) },
		"converting NULL": func() error { return missing(t, must(sqlite.Query[int, string](db, "SELECT NULL WHERE ? = 0", nil))) },
		"missing named": func() error {
			return missing(t, must(sqlite.Query[int, string](db, "SELECT name FROM t WHERE id = :id", func(int) []any { return []any{sql.Named("other", 1)} })))
		},
		"open SQLite database": func() error {
			_, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "none.db"), sqlite.Config{})
			return err
		},
		"attempt to write a re": func() error {
			return missing(t, must(sqlite.Query[int, string](db, "DELETE FROM t WHERE id = ? RETURNING name", nil)))
		},
	} {
		if err := build(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func missing(t *testing.T, lookup join.Lookup[int, string]) error {
	err := lookup.Lookup(t.Context(), []int{0}, make([]*string, 1))
	if _, ok := errors.AsType[*join.UnavailableError](err); ok {
		t.Errorf("%v is no outage", err)
	}
	return err
}

// D-J9: whoever waits for a lock, or for too much work, is not kept for ever, and asks again.
func TestADatabaseThatDoesNotAnswerIsUnavailable(t *testing.T) {
	path := create(t, people)
	db := open(t, path, sqlite.Config{Timeout: 200 * time.Millisecond})
	lookup := must(sqlite.First[int64, person](db, sqlite.Table{Name: "t", On: "id", OrderBy: "age"}))
	endless := must(sqlite.Query[int64, int64](db,
		`WITH RECURSIVE n(i) AS (SELECT ? UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n`, nil))
	writer := must(sql.Open("sqlite", path))
	defer writer.Close()
	writer.SetMaxOpenConns(1)
	if _, err := writer.ExecContext(t.Context(), "BEGIN EXCLUSIVE"); err != nil {
		t.Fatal(err)
	}
	for name, ask := range map[string]func(context.Context) error{
		"locked":  func(ctx context.Context) error { return lookup.Lookup(ctx, []int64{1}, make([]*person, 1)) },
		"endless": func(ctx context.Context) error { return endless.Lookup(ctx, []int64{1}, make([]*int64, 1)) },
	} {
		began := time.Now()
		err := ask(t.Context())
		if _, ok := errors.AsType[*join.UnavailableError](err); !ok || time.Since(began) > 10*time.Second {
			t.Errorf("%s: got %v after %v", name, err, time.Since(began))
		}
	}
	if _, err := writer.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]*person{{"a", years(30)}}, ask(t, lookup, 1)); diff != "" {
		t.Error(diff)
	}
}

// However many are asked at once, each gets its own rows.
func TestLookupsAgreeWithAMap(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	want := map[string][]int64{}
	statements := strings.Builder{}
	statements.WriteString("CREATE TABLE n (k TEXT, v INTEGER); CREATE INDEX i ON n (k);")
	for v := range int64(2000) {
		k := fmt.Sprint("k", random.IntN(700))
		want[k] = append(want[k], v)
		fmt.Fprintf(&statements, "INSERT INTO n VALUES ('%s', %d);", k, v)
	}
	db := open(t, create(t, "BEGIN;"+statements.String()+"COMMIT;"), sqlite.Config{})
	table := sqlite.Table{Name: "n", On: "k", Columns: []string{"v"}, OrderBy: "v"}
	all, first := must(sqlite.All[string, int64](db, table)), must(sqlite.First[string, int64](db, table))
	for range 50 {
		queries := make([]string, random.IntN(350))
		for i := range queries {
			queries[i] = fmt.Sprint("k", random.IntN(800))
		}
		rows, one := ask(t, all, queries...), ask(t, first, queries...)
		for i, q := range queries {
			if diff := cmp.Diff(append([]int64{}, want[q]...), *rows[i]); diff != "" {
				t.Fatalf("%s: %s", q, diff)
			}
			if (one[i] == nil) != (want[q] == nil) || one[i] != nil && *one[i] != want[q][0] {
				t.Fatalf("%s: first %v of %v", q, one[i], want[q])
			}
		}
	}
}

func ExampleFirst() {
	path := filepath.Join(exampleDir, "people.db")
	db, err := sqlite.Open(context.Background(), path, sqlite.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	lookup, err := sqlite.First[int64, person](db, sqlite.Table{Name: "t", On: "id", OrderBy: "age"})
	if err != nil {
		fmt.Println(err)
		return
	}
	visits := stream.NewTopic("visits", codec.String(), codec.Int64())
	names := stream.NewTopic("names", codec.String(), codec.String())
	t := stream.NewTopology()
	t.From(visits).JoinLookup(join.Cached(lookup, join.CacheConfig{TTL: time.Minute}),
		func(id int64) int64 { return id },
		func(id int64, p person) string { return fmt.Sprint(id, " is ", p.Name) },
	).To(names)

	err = testkit.Run(t, func(d *testkit.Driver) {
		d.Input(visits).Send("door", 1, time.Unix(0, 0))
		d.Input(visits).Send("door", 2, time.Unix(1, 0))
		d.Input(visits).Send("door", 3, time.Unix(2, 0))
		for _, v := range d.Output(names).Values() {
			fmt.Println(v)
		}
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// 1 is a
	// 2 is c
}

// BenchmarkLookup is what a row costs that no cache has, alone and among 100.
func BenchmarkLookup(b *testing.B) {
	db := open(b, create(b, people+"CREATE INDEX i ON t (id);"), sqlite.Config{})
	lookup := must(sqlite.First[int64, person](db, sqlite.Table{Name: "t", On: "id", OrderBy: "age"}))
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprintf("batch=%d", n), func(b *testing.B) {
			queries, found := make([]int64, n), make([]*person, n)
			for i := range queries {
				queries[i] = int64(i%3 + 1)
			}
			b.ReportAllocs()
			for b.Loop() {
				clear(found)
				if err := lookup.Lookup(b.Context(), queries, found); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/row")
		})
	}
}
