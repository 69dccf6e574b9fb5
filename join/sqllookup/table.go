package sqllookup

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/weirstreams/weir/join"
)

// DefaultTimeout is how long a call may take.
const DefaultTimeout = 10 * time.Second

// Database is where to look, and how.
type Database struct {
	DB *sql.DB
	// Placeholder returns that of the nth parameter of a statement, from 1. nil means "?".
	Placeholder func(n int) string
	// Unavailable says that an error is one of the database, which passes: the lookup is asked again. nil means that none is,
	// but those that database/sql has for lost connections.
	Unavailable func(error) bool
	// Timeout is how long a call may take; a longer one counts as unavailable. 0 means DefaultTimeout.
	Timeout time.Duration
}

// Table describes the rows of a table, found by the value of a column.
type Table struct {
	// Schema is the schema of the table. Empty means that of the connection.
	Schema string
	// Name is the name of the table, as the database has it.
	Name string
	// On is the column that is compared with the query.
	On string
	// Columns are the columns to read, in order. They may be left out if the row is a struct: then they are those of its tags.
	Columns []string
	// OrderBy is the column that says which row is the first. Empty leaves it to the database.
	OrderBy string
	// Descending turns the order around.
	Descending bool
}

// batchSize is how many values are looked up by one statement: SQLite takes 500 SELECTs in one.
const batchSize = 100

// First looks up the first row of the table in which the column has the value of the query. It returns an error for a table
// that cannot be one; whether the database has it shows the first call.
func First[Q, R any](db Database, t Table) (join.Lookup[Q, R], error) {
	l, err := newTableLookup[R](db, t, true)
	if err != nil {
		return nil, err
	}
	return join.LookupFunc[Q, R](func(ctx context.Context, queries []Q, found []*R) error {
		return lookup(ctx, l, queries, func(i int, row R) {
			if found[i] == nil {
				found[i] = &row
			}
		})
	}), nil
}

// All looks up all rows of the table in which the column has the value of the query, in order. If there is none, it finds an
// empty slice.
func All[Q, R any](db Database, t Table) (join.Lookup[Q, []R], error) {
	l, err := newTableLookup[R](db, t, false)
	if err != nil {
		return nil, err
	}
	return join.LookupFunc[Q, []R](func(ctx context.Context, queries []Q, found []*[]R) error {
		for i := range found {
			found[i] = &[]R{}
		}
		return lookup(ctx, l, queries, func(i int, row R) { *found[i] = append(*found[i], row) })
	}), nil
}

// tableLookup makes the statements for a table.
type tableLookup[R any] struct {
	db      Database
	t       Table
	first   bool
	scanner *scanner[R]

	mu       sync.Mutex // guards prepared
	prepared map[int]*sql.Stmt
}

func newTableLookup[R any](db Database, t Table, first bool) (*tableLookup[R], error) {
	if db.DB == nil {
		return nil, errors.New("sql lookup: there is no database")
	}
	s, err := newScanner[R]()
	if err != nil {
		return nil, err
	}
	if len(t.Columns) == 0 {
		t.Columns = s.names()
	}
	if len(t.Columns) == 0 {
		return nil, fmt.Errorf("sql lookup of table %q: it has no Columns", t.Name)
	}
	type named struct{ what, name string }
	names := []named{{"Name", t.Name}, {"On", t.On}}
	for _, c := range t.Columns {
		names = append(names, named{"a column", c})
	}
	if t.Schema != "" {
		names = append(names, named{"Schema", t.Schema})
	}
	if t.OrderBy != "" {
		names = append(names, named{"OrderBy", t.OrderBy})
	}
	for _, n := range names {
		switch {
		case n.name == "":
			return nil, fmt.Errorf("sql lookup of table %q: %s is empty", t.Name, n.what)
		case n.name == "*", strings.ContainsRune(n.name, 0):
			return nil, fmt.Errorf("sql lookup of table %q: %s is %q, which is no name", t.Name, n.what, n.name)
		}
	}
	if err := s.bind(t.Columns); err != nil {
		return nil, fmt.Errorf("sql lookup of table %q: %w", t.Name, err)
	}
	return &tableLookup[R]{db: db, t: t, first: first, scanner: s, prepared: map[int]*sql.Stmt{}}, nil
}

// quote makes an identifier of a name, as SQL-92 has it.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// statement looks n values up. Each has a SELECT of its own, so that the database compares it with the column by its own
// rules, and begins its rows with its number.
func (l *tableLookup[R]) statement(n int) string {
	t := &l.t
	columns := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		columns[i] = quote(c)
	}
	table, direction := quote(t.Name), ""
	if t.Schema != "" {
		table = quote(t.Schema) + "." + table
	}
	if t.Descending {
		direction = " DESC"
	}
	var b strings.Builder
	b.WriteString("SELECT * FROM (")
	for i := range n {
		if i > 0 {
			b.WriteString(" UNION ALL ")
		}
		fmt.Fprintf(&b, "SELECT * FROM (SELECT %d, %s", i, strings.Join(columns, ", "))
		if t.OrderBy != "" {
			fmt.Fprintf(&b, ", %s", quote(t.OrderBy))
		}
		fmt.Fprintf(&b, " FROM %s WHERE %s = %s", table, quote(t.On), l.db.placeholder(i+1))
		if l.first {
			if t.OrderBy != "" {
				fmt.Fprintf(&b, " ORDER BY %s%s", quote(t.OrderBy), direction)
			}
			b.WriteString(" LIMIT 1")
		}
		fmt.Fprintf(&b, ") AS r%d", i)
	}
	b.WriteString(") AS r ORDER BY 1")
	if t.OrderBy != "" {
		fmt.Fprintf(&b, ", %d%s", len(columns)+2, direction)
	}
	return b.String()
}

// lookup calls use with each row and the number of its query.
func lookup[Q, R any](ctx context.Context, l *tableLookup[R], queries []Q, use func(i int, row R)) error {
	ctx, cancel := l.db.bounded(ctx)
	defer cancel()
	for from := 0; from < len(queries); from += batchSize {
		batch := queries[from:min(len(queries), from+batchSize)]
		args := make([]any, len(batch))
		for i, q := range batch {
			args[i] = q
		}
		err := l.ask(ctx, args, func(i int, row R) { use(from+i, row) })
		if err != nil {
			return l.db.explain(ctx, fmt.Errorf("look up table %q: %w", l.t.Name, err))
		}
	}
	return nil
}

// prepare returns the statement for n values. It lives as long as the database does.
func (l *tableLookup[R]) prepare(ctx context.Context, n int) (*sql.Stmt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s, ok := l.prepared[n]; ok {
		return s, nil
	}
	s, err := l.db.DB.PrepareContext(ctx, l.statement(n))
	if err == nil {
		l.prepared[n] = s
	}
	return s, err
}

func (l *tableLookup[R]) ask(ctx context.Context, args []any, use func(i int, row R)) error {
	statement, err := l.prepare(ctx, len(args))
	if err != nil {
		return err
	}
	rows, err := statement.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	var i int
	into := []any{&i}
	var order any
	for rows.Next() {
		r, places := l.scanner.row()
		into = append(into[:1], places...)
		if l.t.OrderBy != "" {
			into = append(into, &order)
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		row, err := r()
		if err != nil {
			return err
		}
		use(i, row)
	}
	return rows.Err()
}

func (d *Database) placeholder(n int) string {
	if d.Placeholder == nil {
		return "?"
	}
	return d.Placeholder(n)
}

func (d *Database) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	timeout := d.Timeout
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	return context.WithTimeout(ctx, timeout)
}

// explain says that an error is one that passes, if it is.
func (d *Database) explain(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) || errors.Is(err, sql.ErrConnDone) ||
		d.Unavailable != nil && d.Unavailable(err) {
		return &join.UnavailableError{Err: err}
	}
	return err
}
