package postgres_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
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
		tb.Skip("needs a PostgreSQL: .ci/postgres run -- go test")
	}
	schema := fmt.Sprintf("weir_%d", time.Now().UnixNano())
	db, err := sql.Open("pgx", server)
	if err != nil {
		tb.Fatal(err)
	}
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
		lookup := lookuptest.Must(postgres.All[int64, string](t.Context(), db, table))
		if err := lookup.Lookup(t.Context(), []int64{1}, make([]*[]string, 1)); err == nil || !strings.Contains(err.Error(), "does not exist") {
			t.Errorf("%+v: %v", table, err)
		}
	}
	if diff := cmp.Diff([]string{"a"}, *lookuptest.Ask(t, names, "a")[0]); diff != "" {
		t.Error("the table is not what it was", diff)
	}
}

// L-22, D-J9: an error does not spoil what comes after it.
func TestAFailedStatementIsForgotten(t *testing.T) {
	db := open(t, prepare(t), postgres.Config{Connections: 1})
	divided := lookuptest.Must(postgres.Query[int64, int64](db, `SELECT 10 / $1::bigint`, nil))
	for range 3 {
		err := divided.Lookup(t.Context(), []int64{0}, make([]*int64, 1))
		if _, ok := errors.AsType[*join.UnavailableError](err); ok || err == nil || !strings.Contains(err.Error(), "division by zero") {
			t.Errorf("got %v", err)
		}
		if diff := cmp.Diff([]*int64{years(5)}, lookuptest.Ask(t, divided, 2)); diff != "" {
			t.Error(diff)
		}
	}
}

// L-20: the server gives up, and the connection is as good as before.
func TestASlowStatementIsUnavailable(t *testing.T) {
	address := prepare(t)
	for name, opened := range map[string]func() *postgres.DB{
		"our timeout": func() *postgres.DB { return open(t, address, postgres.Config{Timeout: 200 * time.Millisecond}) },
		"of the URL":  func() *postgres.DB { return open(t, address+"&statement_timeout=200", postgres.Config{}) },
	} {
		lookup := lookuptest.Must(postgres.Query[float64, string](opened(), `SELECT 'slept' FROM pg_sleep($1)`, nil))
		began := time.Now()
		err := lookup.Lookup(t.Context(), []float64{30}, make([]*string, 1))
		if !lookuptest.Unavailable(err) || time.Since(began) > 10*time.Second {
			t.Errorf("%s: got %v after %v", name, err, time.Since(began))
		}
		if diff := cmp.Diff([]*string{new("slept")}, lookuptest.Ask(t, lookup, 0)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// relay lets connections to the server be cut.
type relay struct {
	listener net.Listener
	mu       sync.Mutex // guards what follows
	conns    []net.Conn
	closed   bool
}

func newRelay(t *testing.T) *relay {
	t.Helper()
	target := lookuptest.Must(url.Parse(server)).Host
	r := &relay{listener: lookuptest.Must((&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0"))}
	t.Cleanup(func() {
		r.listener.Close()
		r.cut(false)
	})
	go func() {
		for {
			from, err := r.listener.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", target)
			r.mu.Lock()
			if err != nil || r.closed {
				from.Close()
				if err == nil {
					to.Close()
				}
				r.mu.Unlock()
				continue
			}
			r.conns = append(r.conns, from, to)
			r.mu.Unlock()
			go func() { _, _ = io.Copy(to, from) }()
			go func() { _, _ = io.Copy(from, to) }()
		}
	}()
	return r
}

// cut cuts all connections, and those to come until it is called again, if closed.
func (r *relay) cut(closed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = closed
	for _, c := range r.conns {
		c.Close()
	}
	r.conns = nil
}

func TestAServerThatIsAwayIsUnavailable(t *testing.T) {
	address := prepare(t)
	r := newRelay(t)
	through := lookuptest.Must(url.Parse(address))
	through.Host = r.listener.Addr().String()
	db := open(t, through.String(), postgres.Config{Timeout: 2 * time.Second})
	lookup := lookuptest.Must(postgres.First[int64, person](t.Context(), db, postgres.Table{Name: "t", On: "id", OrderBy: "age"}))
	want := []*person{{"a", years(30)}}
	for range 2 {
		r.cut(false)
		deadline := time.Now().Add(10 * time.Second)
		for {
			found := make([]*person, 1)
			err := lookup.Lookup(t.Context(), []int64{1}, found)
			if err == nil {
				if diff := cmp.Diff(want, found); diff != "" {
					t.Error(diff)
				}
				break
			}
			if !lookuptest.Unavailable(err) || time.Now().After(deadline) {
				t.Fatalf("got %v", err)
			}
		}
		r.cut(true)
		for range 3 {
			err := lookup.Lookup(t.Context(), []int64{1}, make([]*person, 1))
			if !lookuptest.Unavailable(err) {
				t.Fatalf("got %v", err)
			}
		}
	}
}

func TestOpeningWhatIsNotThere(t *testing.T) {
	address := prepare(t)
	wrong := lookuptest.Must(url.Parse(address))
	wrong.User = url.UserPassword("weir", "secret-and-wrong")
	for name, address := range map[string]string{
		"password authentication failed": wrong.String(),
		"refused":                        "postgres://weir:secret-and-wrong@127.0.0.1:1/postgres",
		"cannot parse":                   "postgres://weir:secret-and-wrong@:x/",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		_, err := postgres.Open(ctx, address, postgres.Config{})
		cancel()
		if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "secret-and-wrong") {
			t.Errorf("got %v, want %q", err, name)
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
	d := testkit.New(t, topology)
	for i := range int64(4) {
		d.Input(visits).Send("door", i, time.Unix(i, 0))
	}
	if diff := cmp.Diff([]string{"1 is a", "2 is c"}, d.Output(names).Values()); diff != "" {
		t.Error(diff)
	}
}
