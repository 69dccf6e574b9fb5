package postgres_test

import (
	"database/sql"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/join/internal/lookuptest"
	"github.com/weirstreams/weir/join/postgres"
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
CREATE TABLE t (id bigint, name text, age integer);
INSERT INTO t VALUES (1, 'a', 30), (1, 'b', 40), (2, 'c', NULL);
CREATE TABLE "or""der by; --" ("select" text, "a b" text);
INSERT INTO "or""der by; --" VALUES ('x', 'quoted');
CREATE TABLE "Other"."T" ("Id" uuid, seen timestamptz, ok boolean, share double precision, doc jsonb);
INSERT INTO "Other"."T" VALUES ('00000000-0000-0000-0000-000000000001', '2026-01-02T03:04:05Z', true, 0.5, '{"a":1}');
`

var server = os.Getenv("WEIR_TEST_POSTGRES")

// prepare makes a schema with the tables, and returns the URL for it. The schema goes away with the test.
func prepare(tb testing.TB) (address string) {
	tb.Helper()
	if server == "" {
		tb.Skip("needs a PostgreSQL: go run github.com/weirstreams/weir/internal/testserver postgres -- go test")
	}
	schema := fmt.Sprintf("weir_%d", time.Now().UnixNano())
	db, err := sql.Open("pgx", server)
	if err != nil {
		tb.Fatal(err)
	}
	db.SetMaxIdleConns(-1) // a test may break connections
	exec := func(statement string) {
		if _, err := db.Exec(statement); err != nil {
			tb.Errorf("%s: %v", statement, err)
		}
	}
	tb.Cleanup(func() {
		exec("DROP SCHEMA " + schema + " CASCADE")
		exec(`DROP SCHEMA "Other" CASCADE`)
		db.Close()
	})
	exec("CREATE SCHEMA " + schema)
	exec(`CREATE SCHEMA "Other"`)
	exec("SET search_path TO " + schema + ";" + people)
	return server + "?search_path=" + schema
}

func open(tb testing.TB, address string, config postgres.Config) *postgres.DB {
	tb.Helper()
	db, err := postgres.Open(tb.Context(), address, config)
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

// L-10, L-11, L-21, EX-45.
func TestRowsOfATable(t *testing.T) {
	db := open(t, prepare(t), postgres.Config{})
	byAge := postgres.Table{Name: "t", On: "id", OrderBy: "age", Descending: true}
	first := lookuptest.Must(postgres.First[int64, person](t.Context(), db, postgres.Table{Name: "t", On: "id", OrderBy: "age"}))
	want := []*person{{"a", years(30)}, nil, {"c", nil}, {"a", years(30)}}
	if diff := cmp.Diff(want, lookuptest.Ask(t, first, 1, 9, 2, 1)); diff != "" {
		t.Error(diff)
	}
	all := lookuptest.Must(postgres.All[int64, person](t.Context(), db, byAge))
	if diff := cmp.Diff([]*[]person{{{"b", years(40)}, {"a", years(30)}}, {}}, lookuptest.Ask(t, all, 1, 9)); diff != "" {
		t.Error(diff)
	}
	rows := lookuptest.Must(postgres.First[string, row.Row](t.Context(), db, postgres.Table{
		Schema: "Other", Name: "T", On: "Id", Columns: []string{"Id", "ok", "share", "doc"},
	}))
	got := fmt.Sprint(*lookuptest.Ask(t, rows, "00000000-0000-0000-0000-000000000001")[0])
	if want := `{"Id":"00000000-0000-0000-0000-000000000001","ok":true,"share":0.5,"doc":"{\"a\": 1}"}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	seen := lookuptest.Must(postgres.First[bool, time.Time](t.Context(), db, postgres.Table{Schema: "Other", Name: "T", On: "ok", Columns: []string{"seen"}}))
	if got := lookuptest.Ask(t, seen, true)[0]; !got.Equal(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)) {
		t.Errorf("got %v", got)
	}
}

// L-12, L-13, L-14: named parameters, and a cache that knows them.
func TestRowsOfAQuery(t *testing.T) {
	type between struct{ From, To int64 }
	db := open(t, prepare(t), postgres.Config{})
	query := lookuptest.Must(postgres.Query[between, string](db, `SELECT name FROM t WHERE age BETWEEN @from AND @to ORDER BY age`, func(b between) []any {
		return []any{pgx.NamedArgs{"from": b.From, "to": b.To}}
	}))
	cached := join.Cached(query, join.CacheConfig{})
	for range 2 {
		if diff := cmp.Diff([]*string{new("a"), new("b"), nil}, lookuptest.Ask(t, cached, between{30, 40}, between{31, 40}, between{41, 50})); diff != "" {
			t.Error(diff)
		}
	}
	if info := cached.Info(); info.Hits != 3 || info.Misses != 3 {
		t.Errorf("got %+v", info)
	}
	all := lookuptest.Must(postgres.QueryAll[int64, person](db, `SELECT age, name FROM t WHERE age >= $1 ORDER BY age`, nil))
	if diff := cmp.Diff([]*[]person{{{"a", years(30)}, {"b", years(40)}}, {}}, lookuptest.Ask(t, all, 30, 99)); diff != "" {
		t.Error(diff)
	}
}

// Values never become SQL, whatever they say; names are quoted.
func TestInjections(t *testing.T) {
	db := open(t, prepare(t), postgres.Config{})
	names := lookuptest.Must(postgres.All[string, string](t.Context(), db, postgres.Table{Name: "t", On: "name", Columns: []string{"name"}}))
	for _, evil := range []string{`' OR '1'='1`, `'; DROP TABLE t; --`, `a' UNION SELECT current_user --`, `$1`, `"`, `\`, `a"`} {
		if found := lookuptest.Ask(t, names, evil); len(*found[0]) != 0 {
			t.Errorf("%q finds %v", evil, *found[0])
		}
	}
	quoted := lookuptest.Must(postgres.First[string, string](t.Context(), db, postgres.Table{Name: `or"der by; --`, On: "select", Columns: []string{"a b"}}))
	if diff := cmp.Diff([]*string{new("quoted")}, lookuptest.Ask(t, quoted, "x")); diff != "" {
		t.Error(diff)
	}
	for _, table := range []postgres.Table{
		{Name: `t"; DROP TABLE t; --`, On: "id", Columns: []string{"name"}},
		{Schema: `public"."t" --`, Name: "t", On: "id", Columns: []string{"name"}},
		{Name: "t", On: `id" = 1 OR "id`, Columns: []string{"name"}},
		{Name: "t", On: "id", Columns: []string{`name", (SELECT count(*) FROM t) AS "x`}},
		{Name: "t", On: "id", Columns: []string{"name"}, OrderBy: `id"; DROP TABLE t; --`},
	} {
		_, err := postgres.All[int64, string](t.Context(), db, table)
		if err == nil || !strings.Contains(err.Error(), "does not exist") {
			t.Errorf("%+v: %v", table, err)
		}
	}
	if diff := cmp.Diff([]string{"a"}, *lookuptest.Ask(t, names, "a")[0]); diff != "" {
		t.Error("the table is not what it was", diff)
	}
}

// Names that the database does not have are errors at once.
func TestAMisspelledColumnIsAnError(t *testing.T) {
	db := open(t, prepare(t), postgres.Config{})
	for name, table := range map[string]postgres.Table{
		"column t.nam does": {Name: "t", On: "id", Columns: []string{"nam"}},
		"di":                {Name: "t", On: "di", Columns: []string{"name"}},
		"aeg":               {Name: "t", On: "id", Columns: []string{"name"}, OrderBy: "aeg"},
		"Name":              {Name: "t", On: "id", Columns: []string{"Name"}}, // which L-21 makes another one
		"Other.t\"":         {Schema: "Other", Name: "t", On: "id", Columns: []string{"name"}},
	} {
		_, first := postgres.First[int64, string](t.Context(), db, table)
		_, all := postgres.All[int64, string](t.Context(), db, table)
		for _, err := range []error{first, all} {
			if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "does not exist") {
				t.Errorf("%+v: got %v, want %q", table, err, name)
			}
		}
	}
}

// Records are joined with rows of the server.
func TestAStreamIsJoinedWithATable(t *testing.T) {
	db := open(t, prepare(t), postgres.Config{})
	lookup := lookuptest.Must(postgres.First[int64, person](t.Context(), db, postgres.Table{Name: "t", On: "id", OrderBy: "age"}))
	visits := stream.NewTopic("visits", codec.String(), codec.Int64())
	names := stream.NewTopic("names", codec.String(), codec.String())
	topology := stream.NewTopology()
	topology.From(visits).JoinLookup(join.Cached(lookup, join.CacheConfig{}),
		func(id int64) int64 { return id },
		func(id int64, p person) string { return fmt.Sprint(id, " is ", p.Name) },
	).To(names)
	d := testkit.New(t, topology, testkit.Config{})
	for i := range int64(4) {
		d.Input(visits).Send("door", i, time.Unix(i, 0))
	}
	if diff := cmp.Diff([]string{"1 is a", "2 is c"}, d.Output(names).Values()); diff != "" {
		t.Error(diff)
	}
}
