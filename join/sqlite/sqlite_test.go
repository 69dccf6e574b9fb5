package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/join/internal/lookuptest"
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
	path = filepath.Join(tb.TempDir(), "test.db")
	createAt(tb, path, statements)
	return path
}

// createAt makes a database in a file with a simple name, and gives it that name.
func createAt(tb testing.TB, path, statements string) {
	tb.Helper()
	plain := filepath.Join(tb.TempDir(), "plain.db")
	db, err := sql.Open("sqlite", plain)
	if err != nil {
		tb.Fatal(err)
	}
	_, err = db.Exec(statements)
	if err = errors.Join(err, db.Close()); err == nil {
		err = os.Rename(plain, path)
	}
	if err != nil {
		tb.Fatal(err)
	}
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

func years(n int64) *int64 { return &n }

// L-10, L-11, EX-45.
func TestRowsOfATable(t *testing.T) {
	db := open(t, create(t, people), sqlite.Config{})
	byAge := sqlite.Table{Name: "t", On: "id", OrderBy: "age", Descending: true}
	first := lookuptest.Must(sqlite.First[int64, person](t.Context(), db, byAge))
	want := []*person{{"b", years(40)}, nil, {"c", nil}, {"b", years(40)}}
	if diff := cmp.Diff(want, lookuptest.Ask(t, first, 1, 9, 2, 1)); diff != "" {
		t.Error(diff)
	}
	byAge.Descending = false
	if diff := cmp.Diff([]*person{{"a", years(30)}}, lookuptest.Ask(t, lookuptest.Must(sqlite.First[int64, person](t.Context(), db, byAge)), 1)); diff != "" {
		t.Error(diff)
	}
	all := lookuptest.Must(sqlite.All[int64, person](t.Context(), db, byAge))
	if diff := cmp.Diff([]*[]person{{{"a", years(30)}, {"b", years(40)}}, {}}, lookuptest.Ask(t, all, 1, 9)); diff != "" {
		t.Error(diff)
	}
	// A row has its columns in order, and a single column needs no struct.
	rows := lookuptest.Must(sqlite.First[int64, row.Row](t.Context(), db, sqlite.Table{Name: "t", On: "id", Columns: []string{"name", "age"}, OrderBy: "age"}))
	if got := fmt.Sprint(*lookuptest.Ask(t, rows, 1)[0]); got != `{"name":"a","age":30}` {
		t.Errorf("got %s", got)
	}
	names := lookuptest.Must(sqlite.All[int64, string](t.Context(), db, sqlite.Table{Name: "t", On: "id", Columns: []string{"name"}, OrderBy: "name"}))
	if diff := cmp.Diff([]string{"a", "b"}, *lookuptest.Ask(t, names, 1)[0]); diff != "" {
		t.Error(diff)
	}
	// Without a default there is no row; with one there is.
	if diff := cmp.Diff([]*string{new("?")}, lookuptest.Ask(t, join.WithDefault(lookuptest.Must(sqlite.First[int64, string](t.Context(), db, sqlite.Table{
		Name: "t", On: "id", Columns: []string{"name"},
	})), "?"), 9)); diff != "" {
		t.Error(diff)
	}
}

// L-12, EX-45: parameters by name, and by place.
func TestRowsOfAQuery(t *testing.T) {
	db := open(t, create(t, people), sqlite.Config{})
	named := lookuptest.Must(sqlite.Query[int64, string](db, `SELECT name FROM t WHERE age > :age`, func(age int64) []any {
		return []any{sql.Named("age", age)}
	}))
	if diff := cmp.Diff([]*string{new("b"), nil}, lookuptest.Ask(t, named, 35, 99)); diff != "" {
		t.Error(diff)
	}
	all := lookuptest.Must(sqlite.QueryAll[int64, person](db, `SELECT age, name FROM t WHERE age >= ? ORDER BY age`, nil))
	if diff := cmp.Diff([]*[]person{{{"a", years(30)}, {"b", years(40)}}, {}}, lookuptest.Ask(t, all, 30, 99)); diff != "" {
		t.Error(diff)
	}
}

// L-13, L-14: the parameters are the key of the cache, and what is not there is kept too.
func TestACacheOfAQueryKnowsItsParameters(t *testing.T) {
	type between struct{ from, to int64 }
	db := open(t, create(t, people), sqlite.Config{})
	cached := join.Cached(lookuptest.Must(sqlite.Query[between, string](db, `SELECT name FROM t WHERE age BETWEEN ? AND ?`, func(b between) []any {
		return []any{b.from, b.to}
	})), join.CacheConfig{})
	for range 2 {
		if diff := cmp.Diff([]*string{new("a"), new("b"), nil}, lookuptest.Ask(t, cached, between{30, 31}, between{31, 40}, between{41, 50})); diff != "" {
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
	names := lookuptest.Must(sqlite.All[string, string](t.Context(), db, sqlite.Table{Name: "t", On: "name", Columns: []string{"name"}}))
	for _, evil := range []string{`' OR '1'='1`, `'; DROP TABLE t; --`, `a' UNION SELECT name FROM sqlite_schema --`, "\x00", `"`, `a"`} {
		if found := lookuptest.Ask(t, names, evil); len(*found[0]) != 0 {
			t.Errorf("%q finds %v", evil, *found[0])
		}
	}
	quoted := lookuptest.Must(sqlite.First[string, string](t.Context(), db, sqlite.Table{Name: `or"der by; --`, On: "select", Columns: []string{"a b"}}))
	if diff := cmp.Diff([]*string{new("quoted")}, lookuptest.Ask(t, quoted, "x")); diff != "" {
		t.Error(diff)
	}
	for _, table := range []sqlite.Table{
		{Name: `t"; DROP TABLE t; --`, On: "id", Columns: []string{"name"}},
		{Schema: `main"."t" --`, Name: "t", On: "id", Columns: []string{"name"}},
		{Name: "t", On: `id" = 1 OR "id`, Columns: []string{"name"}},
		{Name: "t", On: "id", Columns: []string{`name", (SELECT count(*) FROM t) AS "x`}},
		{Name: "t", On: "id", Columns: []string{"name"}, OrderBy: `id"; DROP TABLE t; --`},
	} {
		_, err := sqlite.All[int64, string](t.Context(), db, table)
		if err == nil || !strings.Contains(err.Error(), "no such") {
			t.Errorf("%+v: %v", table, err)
		}
	}
	if diff := cmp.Diff([]string{"a"}, *lookuptest.Ask(t, names, "a")[0]); diff != "" {
		t.Error("the table is not what it was", diff)
	}
}

// L-15: a name that is no column is an error at once, and is none of SQLite's texts in quotes.
func TestAMisspelledColumnIsAnError(t *testing.T) {
	db := open(t, create(t, people), sqlite.Config{})
	for name, table := range map[string]sqlite.Table{
		"column: t.nam (": {Name: "t", On: "id", Columns: []string{"nam"}},
		"t.di":            {Name: "t", On: "di", Columns: []string{"name"}},
		"t.aeg":           {Name: "t", On: "id", Columns: []string{"name"}, OrderBy: "aeg"},
		"main.tt":         {Schema: "main", Name: "tt", On: "id", Columns: []string{"name"}},
		"there.t":         {Schema: "there", Name: "t", On: "id", Columns: []string{"name"}},
		"t.name\n":        {Name: "t", On: "id", Columns: []string{"name\n"}},
	} {
		_, first := sqlite.First[int64, string](t.Context(), db, table)
		_, all := sqlite.All[int64, string](t.Context(), db, table)
		for _, err := range []error{first, all} {
			if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), fmt.Sprintf("table %q", table.Name)) {
				t.Errorf("%+v: got %v, want %q", table, err, name)
			}
		}
	}
	type misspelled struct {
		Name string `db:"nam"`
	}
	if _, err := sqlite.First[int64, misspelled](t.Context(), db, sqlite.Table{Name: "t", On: "id"}); err == nil || !strings.Contains(err.Error(), "column: t.nam (") {
		t.Errorf("got %v", err)
	}
}

// L-15: values that are no parameters, and queries that cannot be compared, are errors of records.
func TestAValueThatIsNoParameterIsAnError(t *testing.T) {
	db := open(t, create(t, people), sqlite.Config{})
	type pair struct{ a, b int }
	pairs := lookuptest.Must(sqlite.First[pair, string](t.Context(), db, sqlite.Table{Name: "t", On: "id", Columns: []string{"name"}}))
	if _, err := lookuptest.Try(t.Context(), pairs, pair{1, 2}); err == nil || !strings.Contains(err.Error(), "unsupported type sqlite_test.pair") {
		t.Errorf("got %v", err)
	}
	anything := lookuptest.Must(sqlite.First[any, string](t.Context(), db, sqlite.Table{Name: "t", On: "id", Columns: []string{"name"}, OrderBy: "name"}))
	cached := join.Cached(anything, join.CacheConfig{})
	func() {
		defer func() {
			if p := fmt.Sprint(recover()); !strings.Contains(p, "unhashable") {
				t.Errorf("got %v", p)
			}
		}()
		_, _ = lookuptest.Try[any](t.Context(), cached, []byte("bytes"))
	}()
	if diff := cmp.Diff([]*string{new("a"), new("c")}, lookuptest.Ask[any](t, cached, 1, int8(2))); diff != "" {
		t.Error(diff)
	}
}

// L-15: what a cache says of itself.
func TestACacheOfATableIsCounted(t *testing.T) {
	db := open(t, create(t, people), sqlite.Config{})
	cached := join.Cached(lookuptest.Must(sqlite.First[int64, string](t.Context(), db, sqlite.Table{
		Name: "t", On: "id", Columns: []string{"name"}, OrderBy: "name",
	})), join.CacheConfig{Size: 2})
	for _, id := range []int64{1, 9, 9, 2, 1} { // the fourth takes the place of the first
		lookuptest.Ask(t, cached, id)
	}
	if diff := cmp.Diff(join.CacheInfo{Hits: 1, Misses: 4, Size: 2, MaxSize: 2}, cached.Info()); diff != "" {
		t.Error(diff)
	}
}

// A path is no URI: what would be settings in one is a part of the name.
func TestTheNameOfAFileIsTakenAsItIs(t *testing.T) {
	t.Chdir(t.TempDir())
	names := []string{
		"a?mode=rw.db", "a#b.db", "a%20b.db", "a%3Fb.db", "a b&c=d;e+f.db", "?", "#", "file:x.db", ":memory:", "ü'\".db", "a?_pragma=query_only(0)",
	}
	for i, name := range names {
		createAt(t, name, fmt.Sprintf("CREATE TABLE n (k INTEGER, v INTEGER); INSERT INTO n VALUES (1, %d);", i))
	}
	for i, name := range names {
		for _, path := range []string{name, filepath.Join(lookuptest.Must(os.Getwd()), name), "./" + name, "/" + filepath.Join(lookuptest.Must(os.Getwd()), name)} {
			db, err := sqlite.Open(t.Context(), path, sqlite.Config{})
			if err != nil {
				t.Error(err)
				continue
			}
			lookup := lookuptest.Must(sqlite.First[int, int](t.Context(), db, sqlite.Table{Name: "n", On: "k", Columns: []string{"v"}}))
			if diff := cmp.Diff([]*int{&i}, lookuptest.Ask(t, lookup, 1)); diff != "" {
				t.Errorf("%s: %s", path, diff)
			}
			write := lookuptest.Must(sqlite.Query[int, int](db, "DELETE FROM n WHERE k = ? RETURNING v", nil))
			if _, err := lookuptest.Try(t.Context(), write, 1); err == nil || !strings.Contains(err.Error(), "readonly") {
				t.Errorf("%s: %v", path, err)
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	if files := lookuptest.Must(os.ReadDir(".")); len(files) != len(names) {
		t.Errorf("there are %v", files)
	}
	for _, path := range []string{"", "nothing", "a"} {
		if _, err := sqlite.Open(t.Context(), path, sqlite.Config{}); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", path)) {
			t.Errorf("%q: %v", path, err)
		}
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
		"Name is empty": func() error { _, err := sqlite.First[int, person](t.Context(), db, sqlite.Table{On: "id"}); return err },
		"On is empty": func() error {
			_, err := sqlite.First[int, person](t.Context(), db, sqlite.Table{Name: "t"})
			return err
		},
		"it has no Columns": func() error {
			_, err := sqlite.First[int, string](t.Context(), db, sqlite.Table{Name: "t", On: "id"})
			return err
		},
		`is "*"`: func() error {
			_, err := sqlite.First[int, row.Row](t.Context(), db, sqlite.Table{Name: "t", On: "id", Columns: []string{"*"}})
			return err
		},
		`no field for column`: func() error {
			_, err := sqlite.First[int, person](t.Context(), db, sqlite.Table{Name: "t", On: "id", Columns: []string{"id"}})
			return err
		},
		"room for one": func() error {
			_, err := sqlite.First[int, string](t.Context(), db, sqlite.Table{Name: "t", On: "id", Columns: []string{"id", "name"}})
			return err
		},
		"has a tag": func() error {
			_, err := sqlite.First[int, untagged](t.Context(), db, sqlite.Table{Name: "t", On: "id"})
			return err
		},
		"both for column": func() error {
			_, err := sqlite.First[int, twice](t.Context(), db, sqlite.Table{Name: "t", On: "id"})
			return err
		},
		"the query is empty": func() error { _, err := sqlite.Query[int, string](db, "", nil); return err },
		"no such table": func() error {
			_, err := sqlite.First[int, string](t.Context(), db, sqlite.Table{Name: "nobody", On: "id", Columns: []string{"x"}})
			return err
		},
		"syntax error": func() error { return missing(t, lookuptest.Must(sqlite.Query[int, string](db, "SELEKT", nil))) },
		"converting NULL": func() error {
			return missing(t, lookuptest.Must(sqlite.Query[int, string](db, "SELECT NULL WHERE ? = 0", nil)))
		},
		"missing named": func() error {
			return missing(t, lookuptest.Must(sqlite.Query[int, string](db, "SELECT name FROM t WHERE id = :id", func(int) []any { return []any{sql.Named("other", 1)} })))
		},
		"open SQLite database": func() error {
			_, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "none.db"), sqlite.Config{})
			return err
		},
		"attempt to write a re": func() error {
			return missing(t, lookuptest.Must(sqlite.Query[int, string](db, "DELETE FROM t WHERE id = ? RETURNING name", nil)))
		},
	} {
		if err := build(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func missing(t *testing.T, lookup join.Lookup[int, string]) error {
	_, err := lookuptest.Try(t.Context(), lookup, 0)
	if lookuptest.Unavailable(err) {
		t.Errorf("%v is no outage", err)
	}
	return err
}

// D-J9: whoever waits for a lock, or for too much work, is not kept for ever, and asks again.
func TestADatabaseThatDoesNotAnswerIsUnavailable(t *testing.T) {
	path := create(t, people)
	db := open(t, path, sqlite.Config{Timeout: 200 * time.Millisecond})
	lookup := lookuptest.Must(sqlite.First[int64, person](t.Context(), db, sqlite.Table{Name: "t", On: "id", OrderBy: "age"}))
	endless := lookuptest.Must(sqlite.Query[int64, int64](db,
		`WITH RECURSIVE n(i) AS (SELECT ? UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n`, nil))
	writer := lookuptest.Must(sql.Open("sqlite", path))
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
		if !lookuptest.Unavailable(err) || time.Since(began) > 10*time.Second {
			t.Errorf("%s: got %v after %v", name, err, time.Since(began))
		}
	}
	if _, err := writer.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]*person{{"a", years(30)}}, lookuptest.Ask(t, lookup, 1)); diff != "" {
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
	all, first := lookuptest.Must(sqlite.All[string, int64](t.Context(), db, table)), lookuptest.Must(sqlite.First[string, int64](t.Context(), db, table))
	for range 50 {
		queries := make([]string, random.IntN(350))
		for i := range queries {
			queries[i] = fmt.Sprint("k", random.IntN(800))
		}
		rows, one := lookuptest.Ask(t, all, queries...), lookuptest.Ask(t, first, queries...)
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
	lookup, err := sqlite.First[int64, person](context.Background(), db, sqlite.Table{Name: "t", On: "id", OrderBy: "age"})
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

	err = testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
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
	lookup := lookuptest.Must(sqlite.First[int64, person](b.Context(), db, sqlite.Table{Name: "t", On: "id", OrderBy: "age"}))
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

// A file that is replaced by a rename is another file for the system. Connections keep the old one.
func TestAFileThatIsReplacedIsRead(t *testing.T) {
	t.Parallel()
	path := create(t, people)
	db := open(t, path, sqlite.Config{Reopen: time.Millisecond})
	names := lookuptest.Must(sqlite.First[int64, string](t.Context(), db, sqlite.Table{Name: "t", On: "id", Columns: []string{"name"}, OrderBy: "name"}))
	if got := *lookuptest.Ask(t, names, 1)[0]; got != "a" {
		t.Fatalf("got %q, want the row of the first file", got)
	}
	createAt(t, path, strings.ReplaceAll(people, "'a'", "'A'"))
	for *lookuptest.Ask(t, names, 1)[0] != "A" { // the deadline of the test ends it
	}
}
