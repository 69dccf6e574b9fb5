package postgres_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/nettest"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/join/internal/lookuptest"
	"github.com/weirstreams/weir/join/postgres"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

// L-20.
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

// L-20: the server gives up, and the connection is as good as before.
func TestASlowStatementIsUnavailable(t *testing.T) {
	address := prepare(t)
	for name, opened := range map[string]func() *postgres.DB{
		"our timeout": func() *postgres.DB { return open(t, address, postgres.Config{Timeout: 200 * time.Millisecond}) },
		"of the URL":  func() *postgres.DB { return open(t, address+"&statement_timeout=200", postgres.Config{}) },
		"of options": func() *postgres.DB {
			return open(t, address+"&options=-c%20statement_timeout%3D200", postgres.Config{})
		},
	} {
		lookup := lookuptest.Must(postgres.Query[float64, string](opened(), `SELECT 'slept' FROM pg_sleep($1)`, nil))
		began := time.Now()
		_, err := lookuptest.Try(t.Context(), lookup, 30)
		if !lookuptest.Unavailable(err) || time.Since(began) > 10*time.Second {
			t.Errorf("%s: got %v after %v", name, err, time.Since(began))
		}
		if diff := cmp.Diff([]*string{new("slept")}, lookuptest.Ask(t, lookup, 0)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// L-20: the statement timeout is what Config says, unless the URL or its options say otherwise.
func TestTheServerKnowsTheTimeout(t *testing.T) {
	address := prepare(t)
	for _, test := range []struct{ parameters, want string }{
		{"", "7s"},
		{"&statement_timeout=3000", "3s"},
		{"&options=-c%20statement_timeout%3D4000", "4s"},
		{"&options=-c%20work_mem%3D1MB", "7s"},
	} {
		db := open(t, address+test.parameters, postgres.Config{Timeout: 7 * time.Second})
		setting := lookuptest.Must(postgres.Query[string, string](db, `SELECT current_setting($1)`, nil))
		if diff := cmp.Diff([]*string{&test.want}, lookuptest.Ask(t, setting, "statement_timeout")); diff != "" {
			t.Errorf("%q: %s", test.parameters, diff)
		}
	}
}

// L-22, D-J9: an error does not spoil what comes after it, and leaves no transaction.
func TestAFailedStatementIsForgotten(t *testing.T) {
	db := open(t, prepare(t), postgres.Config{Connections: 1})
	divided := lookuptest.Must(postgres.Query[int64, int64](db, `SELECT 10 / $1::bigint`, nil))
	// Its own statement is the only one that is active; nothing is "idle in transaction".
	idle := lookuptest.Must(postgres.Query[string, int64](db, `SELECT count(*) FROM pg_stat_activity WHERE state LIKE $1`, nil))
	for range 3 {
		_, err := lookuptest.Try(t.Context(), divided, 0)
		if err == nil || lookuptest.Unavailable(err) || !strings.Contains(err.Error(), "division by zero") {
			t.Errorf("got %v", err)
		}
		if diff := cmp.Diff([]*int64{years(5)}, lookuptest.Ask(t, divided, 2)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]*int64{years(0)}, lookuptest.Ask(t, idle, "idle in transaction%")); diff != "" {
			t.Error(diff)
		}
	}
}

// L-22: a connection that is broken costs one call at most, which is repeated, and then there is another one.
func TestABrokenConnectionIsReplaced(t *testing.T) {
	address := prepare(t)
	r := nettest.NewRelay(t, server)
	lookup := lookuptest.Must(postgres.First[int64, person](t.Context(), open(t, r.Through(t, address), postgres.Config{Connections: 1}),
		postgres.Table{Name: "t", On: "id", OrderBy: "age"}))
	for range 20 {
		if diff := cmp.Diff([]*person{{"a", years(30)}}, lookuptest.Ask(t, lookup, 1)); diff != "" {
			t.Error(diff)
		}
		r.Cut()
		if _, err := lookuptest.Try(t.Context(), lookup, 1); err != nil && !lookuptest.Unavailable(err) {
			t.Errorf("got %v", err)
		}
	}
}

// A call does not wait for longer than its context, whoever else waits for a connection.
func TestACallEndsWithItsContext(t *testing.T) {
	db := open(t, prepare(t), postgres.Config{Connections: 1})
	sleep := lookuptest.Must(postgres.Query[float64, string](db, `SELECT 'slept' FROM pg_sleep($1)`, nil))
	lookup := lookuptest.Must(postgres.First[int64, string](t.Context(), db, namesTable))
	slow, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := lookuptest.Try(slow, sleep, 30)
		ended <- err
	}()
	admin := lookuptest.Must(sql.Open("pgx", server))
	defer admin.Close()
	for sleeping := 0; sleeping == 0; {
		err := admin.QueryRowContext(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'`).Scan(&sleeping)
		if err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	var calls sync.WaitGroup
	for range 20 {
		calls.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			if _, err := lookuptest.Try(ctx, lookup, 1, 2); !lookuptest.Unavailable(err) {
				t.Errorf("got %v", err)
			}
		})
	}
	calls.Wait()
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("20 calls at once took %v", took)
	}
	cancel()
	if err := <-ended; err == nil {
		t.Error("the connection was not in use")
	}
}

// visits joins visits with the names of visitors.
type visits struct {
	driver *testkit.Driver
	in     *testkit.Input[string, int64]
	out    *testkit.Output[string, string]
	sent   int64
	want   []string
}

func joinVisits(t *testing.T, lookup join.Lookup[int64, string]) *visits {
	ids := stream.NewTopic("visits", codec.String(), codec.Int64())
	names := stream.NewTopic("names", codec.String(), codec.String())
	topology := stream.NewTopology()
	topology.From(ids).LeftJoinLookup(lookup, func(id int64) int64 { return id % 4 }, func(id int64, name *string) string {
		if name == nil {
			return fmt.Sprint(id, " is nobody")
		}
		return fmt.Sprint(id, " is ", *name)
	}).To(names)
	d := testkit.New(t, topology, testkit.Config{})
	return &visits{driver: d, in: d.Input(ids), out: d.Output(names)}
}

// send sends n visits.
func (v *visits) send(n int) {
	for range n {
		name := []string{"nobody", "a", "c", "nobody"}[v.sent%4]
		v.want = append(v.want, fmt.Sprint(v.sent, " is ", name))
		v.in.Send("door", v.sent, time.Unix(v.sent, 0))
		v.sent++
	}
}

// held makes sure that there is no output, however often it is tried.
func (v *visits) held(t *testing.T, tries int) {
	t.Helper()
	for range tries {
		v.driver.Advance(2 * time.Second)
	}
	if got := v.out.Values(); len(got) > 0 {
		t.Errorf("there is output: %v", got)
	}
}

// complete makes sure that all that was sent comes out in the end, once and in order.
func (v *visits) complete(t *testing.T) {
	t.Helper()
	var got []string
	tick := time.NewTicker(10 * time.Millisecond) // the clock of the driver is not that of the server
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); len(got) < len(v.want) && time.Now().Before(deadline); <-tick.C {
		v.driver.Advance(2 * time.Second)
		got = append(got, v.out.Values()...)
	}
	v.driver.Advance(time.Minute)
	got = append(got, v.out.Values()...)
	if diff := cmp.Diff(v.want, got); diff != "" {
		t.Error(diff)
	}
	v.want = nil
}

var namesTable = postgres.Table{Name: "t", On: "id", Columns: []string{"name"}, OrderBy: "age"}

// A server that does not answer any more, nor refuses: records are held back, and go on when it does.
func TestRecordsWaitForASilentServer(t *testing.T) {
	address := prepare(t)
	r := nettest.NewRelay(t, server)
	db := open(t, r.Through(t, address), postgres.Config{Timeout: 200 * time.Millisecond, ConnectTimeout: 300 * time.Millisecond})
	v := joinVisits(t, lookuptest.Must(postgres.First[int64, string](t.Context(), db, namesTable)))
	v.send(5)
	v.complete(t)
	for range 2 {
		r.Silence(true)
		began := time.Now()
		v.send(5)
		v.held(t, 3)
		if took := time.Since(began); took > 15*time.Second {
			t.Errorf("8 calls took %v", took)
		}
		r.Silence(false)
		v.complete(t)
	}
}

// A server that is away, with what is there cut off and what comes refused.
func TestRecordsWaitForAServerThatIsAway(t *testing.T) {
	address := prepare(t)
	r := nettest.NewRelay(t, server)
	db := open(t, r.Through(t, address), postgres.Config{Timeout: 2 * time.Second})
	lookup := lookuptest.Must(postgres.First[int64, string](t.Context(), db, namesTable))
	v := joinVisits(t, lookup)
	for range 2 {
		v.send(5)
		v.complete(t)
		r.Refuse(true)
		if _, err := lookuptest.Try(t.Context(), lookup, 1); !lookuptest.Unavailable(err) {
			t.Errorf("got %v", err)
		}
		v.send(5)
		v.held(t, 3)
		r.Refuse(false)
		v.complete(t)
	}
}

// A connection that is lost within a call, after any number of bytes of the answer: the rows of the call do not count.
func TestAConnectionLostWithinACall(t *testing.T) {
	address := prepare(t)
	r := nettest.NewRelay(t, server)
	db := open(t, r.Through(t, address), postgres.Config{Timeout: 5 * time.Second, Connections: 1})
	wide := lookuptest.Must(postgres.QueryAll[int64, filled](db, `SELECT i, repeat('x', 500) AS filling FROM generate_series(1, $1) AS i`, nil))
	lookup := lookuptest.Must(postgres.First[int64, string](t.Context(), db, namesTable))
	v := joinVisits(t, join.LookupFunc[int64, string](func(ctx context.Context, queries []int64, found []*string) error {
		if _, err := lookuptest.Try(ctx, wide, 20); err != nil {
			return err
		}
		return lookup.Lookup(ctx, queries, found)
	}))
	lost := 0
	for bytes := 1; bytes < 12_000; bytes += 1 + bytes/3 {
		r.CutAfter(bytes)
		rows, err := lookuptest.Try(t.Context(), wide, 20)
		switch {
		case lookuptest.Unavailable(err):
			lost++
		case err != nil || len(*rows[0]) != 20:
			t.Errorf("after %d bytes: %d rows, %v", bytes, len(*rows[0]), err)
		}
		r.CutAfter(bytes)
		v.send(3)
		v.complete(t)
	}
	if lost < 5 {
		t.Errorf("lost %d calls", lost)
	}
}

type filled struct {
	Number  int64  `db:"i"`
	Filling string `db:"filling"`
}

// A server that restarts: after a crash of one of its processes it ends all, recovers, and refuses everybody meanwhile.
func TestRecordsWaitForAServerThatRestarts(t *testing.T) {
	address := prepare(t)
	db := open(t, address, postgres.Config{})
	cause := map[string]string{
		"crash":    `COPY (SELECT 1) TO PROGRAM 'kill -9 $PPID'`, // the process of this connection
		"shutdown": `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`,
	}
	v := joinVisits(t, lookuptest.Must(postgres.First[int64, string](t.Context(), db, namesTable)))
	admin := lookuptest.Must(sql.Open("pgx", server))
	defer admin.Close()
	for name, statement := range cause {
		v.send(5)
		v.complete(t)
		if _, err := admin.ExecContext(t.Context(), statement); (err != nil) != (name == "crash") {
			t.Errorf("%s: %v", name, err)
		}
		v.send(5)
		v.complete(t)
	}
}
