package sqllookup_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/join/internal/lookuptest"
	"github.com/weirstreams/weir/join/sqllookup"
)

// server is a database that answers what a test says.
type server struct {
	// prepare and answer may be nil: then every statement can be prepared, and there are no rows.
	prepare func(ctx context.Context, statement string) error
	answer  func(ctx context.Context, statement string, args []driver.NamedValue) (*answer, error)

	mu       sync.Mutex // guards what follows
	asked    []question
	prepared []string // the statements, in order
	closed   int      // how many of them
	open     int      // answers that are not closed
}

type question struct {
	Statement string
	Args      []any
}

// answer is what a statement gives.
type answer struct {
	columns []string
	rows    [][]driver.Value
	err     error // after the rows
	server  *server
}

// one is an answer of one row.
func one(columns []string, values ...driver.Value) *answer {
	return &answer{columns: columns, rows: [][]driver.Value{values}}
}

// database returns a database whose connections are to the server.
func (s *server) database(tb testing.TB) sqllookup.Database {
	db := sql.OpenDB(s)
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Error(err)
		}
		if s.open != 0 {
			tb.Errorf("%d answers have not been closed", s.open)
		}
	})
	return sqllookup.Database{DB: db}
}

// questions returns what has been asked since the last time.
func (s *server) questions() []question {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

func (s *server) Connect(context.Context) (driver.Conn, error) { return &connection{s}, nil }
func (s *server) Driver() driver.Driver                        { return nil }

type connection struct{ server *server }

func (c *connection) Close() error                        { return nil }
func (c *connection) Begin() (driver.Tx, error)           { return nil, errors.New("no transactions") }
func (c *connection) Prepare(string) (driver.Stmt, error) { return nil, errors.New("no context") }

func (c *connection) PrepareContext(ctx context.Context, text string) (driver.Stmt, error) {
	s := c.server
	if s.prepare != nil {
		if err := s.prepare(ctx, text); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prepared = append(s.prepared, text)
	return &statement{c, text}, nil
}

func (c *connection) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	s := c.server
	s.mu.Lock()
	q := question{Statement: text}
	for _, a := range args {
		if a.Name != "" {
			q.Args = append(q.Args, sql.Named(a.Name, a.Value))
		} else {
			q.Args = append(q.Args, a.Value)
		}
	}
	s.asked = append(s.asked, q)
	s.mu.Unlock()
	a := &answer{}
	if s.answer != nil {
		var err error
		if a, err = s.answer(ctx, text, args); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	s.open++
	s.mu.Unlock()
	a.server = s
	return a, nil
}

type statement struct {
	*connection
	text string
}

func (s *statement) NumInput() int                              { return -1 }
func (s *statement) Exec([]driver.Value) (driver.Result, error) { return nil, errors.New("no context") }

func (s *statement) Query([]driver.Value) (driver.Rows, error) { return nil, errors.New("no context") }

func (s *statement) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.connection.QueryContext(ctx, s.text, args)
}

func (s *statement) Close() error {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.closed++
	return nil
}

func (a *answer) Columns() []string { return a.columns }

func (a *answer) Next(into []driver.Value) error {
	if len(a.rows) == 0 {
		if a.err != nil {
			return a.err
		}
		return io.EOF
	}
	copy(into, a.rows[0])
	a.rows = a.rows[1:]
	return nil
}

func (a *answer) Close() error {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	a.server.open--
	return nil
}

func TestThereHasToBeADatabase(t *testing.T) {
	_, first := sqllookup.First[int, string](t.Context(), sqllookup.Database{}, sqllookup.Table{Name: "t", On: "id", Columns: []string{"name"}})
	_, all := sqllookup.All[int, string](t.Context(), sqllookup.Database{}, sqllookup.Table{Name: "t", On: "id", Columns: []string{"name"}})
	_, query := sqllookup.Query[int, string](sqllookup.Database{}, "SELECT 1", nil)
	_, queryAll := sqllookup.QueryAll[int, string](sqllookup.Database{}, "SELECT 1", nil)
	for _, err := range []error{first, all, query, queryAll} {
		if err == nil || !strings.Contains(err.Error(), "there is no database") {
			t.Errorf("got %v", err)
		}
	}
}

// Every call has a timeout, that which prepares the first statement among them.
func TestCallsHaveATimeout(t *testing.T) {
	for set, want := range map[time.Duration]time.Duration{0: sqllookup.DefaultTimeout, -1: sqllookup.DefaultTimeout, 3 * time.Second: 3 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			var left []time.Duration
			look := func(ctx context.Context) {
				deadline, _ := ctx.Deadline()
				left = append(left, time.Until(deadline))
			}
			s := &server{
				prepare: func(ctx context.Context, _ string) error {
					look(ctx)
					return nil
				},
				answer: func(ctx context.Context, _ string, _ []driver.NamedValue) (*answer, error) {
					look(ctx)
					return &answer{columns: []string{"name"}}, nil
				},
			}
			db := s.database(t)
			db.Timeout = set
			table := lookuptest.Must(sqllookup.First[int, string](t.Context(), db, sqllookup.Table{Name: "t", On: "id", Columns: []string{"name"}}))
			lookuptest.Ask(t, table, 1)
			lookuptest.Ask(t, lookuptest.Must(sqllookup.Query[int, string](db, "SELECT", nil)), 1)
			if diff := cmp.Diff([]time.Duration{want, want, want}, left); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What passes makes a worker wait. Anything else is an error of the record.
func TestErrorsThatPass(t *testing.T) {
	passes := errors.New("passes")
	for _, test := range []struct {
		err         error
		unavailable bool
	}{
		{errors.New("stays"), false},
		{context.Canceled, false},
		{passes, true},
		{sql.ErrConnDone, true},
		{driver.ErrBadConn, true}, // when database/sql has given up
	} {
		s := &server{answer: func(context.Context, string, []driver.NamedValue) (*answer, error) { return nil, test.err }}
		late := &server{answer: func(context.Context, string, []driver.NamedValue) (*answer, error) {
			return &answer{columns: []string{"0", "name"}, rows: [][]driver.Value{{int64(0), "a"}}, err: test.err}, nil
		}}
		for _, s := range []*server{s, late} {
			db := s.database(t)
			db.Unavailable = func(err error) bool { return errors.Is(err, passes) }
			table := lookuptest.Must(sqllookup.First[int, string](t.Context(), db, sqllookup.Table{Name: "t", On: "id", Columns: []string{"name"}}))
			_, err := lookuptest.Try(t.Context(), table, 1)
			if lookuptest.Unavailable(err) != test.unavailable || !errors.Is(err, test.err) || !strings.Contains(err.Error(), `look up table "t"`) {
				t.Errorf("%v: got %v", test.err, err)
			}
		}
		s.prepare = func(context.Context, string) error { return test.err }
		db := s.database(t)
		db.Unavailable = func(err error) bool { return errors.Is(err, passes) }
		_, err := sqllookup.All[int, string](t.Context(), db, sqllookup.Table{Name: "t", On: "id", Columns: []string{"name"}})
		if lookuptest.Unavailable(err) != test.unavailable || !errors.Is(err, test.err) || !strings.Contains(err.Error(), `sql lookup of table "t"`) {
			t.Errorf("%v: got %v", test.err, err)
		}
	}
}

// A call that is too slow is an outage; one that is called off is not.
func TestCallsThatEndEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: func(ctx context.Context, _ string, _ []driver.NamedValue) (*answer, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		lookup := lookuptest.Must(sqllookup.Query[int, string](s.database(t), "SELECT", nil))
		began := time.Now()
		if _, err := lookuptest.Try(t.Context(), lookup, 1); !lookuptest.Unavailable(err) || time.Since(began) != sqllookup.DefaultTimeout {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := lookuptest.Try(ctx, lookup, 1); lookuptest.Unavailable(err) || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

// While one call prepares a statement, others do not wait for it.
func TestCallsDoNotWaitForWhoPrepares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := false
		s := &server{prepare: func(ctx context.Context, _ string) error {
			if slow {
				<-ctx.Done()
			}
			return ctx.Err()
		}}
		db := s.database(t)
		db.Prepare = true
		lookup := lookuptest.Must(sqllookup.First[int, string](t.Context(), db, sqllookup.Table{Name: "t", On: "id", Columns: []string{"name"}}))
		slow = true
		began := time.Now()
		call := func(timeout time.Duration) {
			ctx, cancel := context.WithTimeout(t.Context(), timeout)
			defer cancel()
			if _, err := lookuptest.Try(ctx, lookup, 1, 2); !lookuptest.Unavailable(err) || time.Since(began) != timeout {
				t.Errorf("got %v after %v, want %v", err, time.Since(began), timeout)
			}
		}
		var others sync.WaitGroup
		others.Go(func() { call(4 * time.Second) })
		synctest.Wait()
		call(300 * time.Millisecond)
		others.Wait()
	})
}

// With Prepare each size of a batch has one statement, whoever prepares it first. Without, none is left.
func TestStatementsAreKept(t *testing.T) {
	s := &server{}
	db := s.database(t)
	lookuptest.Must(sqllookup.First[int, string](t.Context(), db, sqllookup.Table{Name: "t", On: "id", Columns: []string{"name"}}))
	if len(s.prepared) != 1 || s.closed != 1 {
		t.Errorf("prepared %q, closed %d", s.prepared, s.closed)
	}
	db.Prepare = true
	db.DB.SetMaxOpenConns(1)
	lookup := lookuptest.Must(sqllookup.First[int, string](t.Context(), db, sqllookup.Table{Name: "t", On: "id", Columns: []string{"name"}}))
	var calls sync.WaitGroup
	for range 10 {
		calls.Go(func() {
			for range 10 {
				if _, err := lookuptest.Try(t.Context(), lookup, make([]int, 102)...); err != nil {
					t.Error(err)
				}
			}
		})
	}
	calls.Wait()
	if left := len(s.prepared) - s.closed; left != 3 { // for 1, 2 and 100
		t.Errorf("%d statements are left of %d", left, len(s.prepared))
	}
	if asked := len(s.questions()); asked != 200 {
		t.Errorf("asked %d times", asked)
	}
}

// Of two calls that prepare the same statement at once, one lets go of its own.
func TestTwoPrepareAStatementAtOnce(t *testing.T) {
	var both sync.WaitGroup
	both.Add(2)
	var arrived atomic.Int64
	s := &server{prepare: func(_ context.Context, statement string) error {
		if strings.Contains(statement, "UNION ALL") {
			if arrived.Add(1) <= 2 {
				both.Done()
			}
			both.Wait()
		}
		return nil
	}}
	db := s.database(t)
	db.Prepare = true
	lookup := lookuptest.Must(sqllookup.First[int, string](t.Context(), db, sqllookup.Table{Name: "t", On: "id", Columns: []string{"name"}}))
	var calls sync.WaitGroup
	for range 2 {
		calls.Go(func() {
			if _, err := lookuptest.Try(t.Context(), lookup, 1, 2); err != nil {
				t.Error(err)
			}
		})
	}
	calls.Wait()
	if s.closed != 1 {
		t.Errorf("closed %d statements of %q", s.closed, s.prepared)
	}
}

// A statement that connections refuse as stale is run again, but not for ever.
func TestStaleStatementsAreAskedAgain(t *testing.T) {
	stale := errors.New("stale")
	var refusals int
	s := &server{answer: func(context.Context, string, []driver.NamedValue) (*answer, error) {
		if refusals > 0 {
			refusals--
			return nil, stale
		}
		return one([]string{"name"}, "a"), nil
	}}
	db := s.database(t)
	db.Stale = func(err error) bool { return errors.Is(err, stale) }
	lookup := lookuptest.Must(sqllookup.Query[int, string](db, "SELECT", nil))
	refusals = 1
	if diff := cmp.Diff([]*string{new("a")}, lookuptest.Ask(t, lookup, 1)); diff != "" {
		t.Error(diff)
	}
	refusals = 1_000_000
	if _, err := lookuptest.Try(t.Context(), lookup, 1); !errors.Is(err, stale) || lookuptest.Unavailable(err) || refusals < 999_000 {
		t.Errorf("got %v after %d refusals", err, 1_000_000-refusals)
	}
	db.Stale = nil
	refusals = 1
	lookup = lookuptest.Must(sqllookup.Query[int, string](db, "SELECT", nil))
	if _, err := lookuptest.Try(t.Context(), lookup, 1); !errors.Is(err, stale) {
		t.Errorf("got %v", err)
	}
}
