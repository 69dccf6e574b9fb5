package sqllookup

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/weirstreams/weir/join"
)

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

// First looks up the first row of the table with the value of the query in the column. It returns an error if the database
// does not have the table or a column: it asks for that, and waits as long as a call may take.
func First[Q, R any](ctx context.Context, db Database, t Table) (join.Lookup[Q, R], error) {
	l, err := newTableLookup[R](ctx, db, t, true)
	if err != nil {
		return nil, err
	}
	return join.LookupFunc[Q, R](func(ctx context.Context, queries []Q, found []*R) error {
		return lookup(ctx, l, queries, keepFirst(found))
	}), nil
}

// All looks up all rows of the table with the value of the query in the column, in order, as [First] does the first. If
// there is none, it finds an empty slice.
func All[Q, R any](ctx context.Context, db Database, t Table) (join.Lookup[Q, []R], error) {
	l, err := newTableLookup[R](ctx, db, t, false)
	if err != nil {
		return nil, err
	}
	return join.LookupFunc[Q, []R](func(ctx context.Context, queries []Q, found []*[]R) error {
		return lookup(ctx, l, queries, keepAll(found))
	}), nil
}

// tableLookup makes the statements for a table.
type tableLookup[R any] struct {
	db      Database
	t       Table
	first   bool
	binding *binding[R]
	// rows is the part of a SELECT between the number of its query and the parameter, limit the part behind the parameter.
	rows, limit string
	// texts are statements by how many values they look up, prepared are those of Database.Prepare, which live as long as
	// the database does.
	texts    [batchSize + 1]atomic.Pointer[string]
	prepared [batchSize + 1]atomic.Pointer[sql.Stmt]
}

func newTableLookup[R any](ctx context.Context, db Database, t Table, first bool) (*tableLookup[R], error) {
	l, err := describeTable[R](db, t, first)
	if err != nil {
		return nil, err
	}
	ctx, cancel := db.bounded(ctx)
	defer cancel()
	if err := l.check(ctx); err != nil {
		return nil, db.explain(ctx, fmt.Errorf("sql lookup of table %q: %w", t.Name, err))
	}
	return l, nil
}

// describeTable returns the lookup, unless the table cannot be one.
func describeTable[R any](db Database, t Table, first bool) (*tableLookup[R], error) {
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
	t.Columns = slices.Clone(t.Columns) // the caller may change them
	b, err := s.bind(t.Columns)
	if err != nil {
		return nil, fmt.Errorf("sql lookup of table %q: %w", t.Name, err)
	}
	l := &tableLookup[R]{db: db, t: t, first: first, binding: b}
	l.build()
	return l, nil
}

// quote makes an identifier of a name, as SQL-92 has it.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// column makes an expression of the name of a column. Without the table in front of it, SQLite takes a quoted name that is
// no column for a text.
func column(name string) string { return "t." + quote(name) }

// build makes the parts of statements.
func (l *tableLookup[R]) build() {
	table := quote(l.t.Name)
	if l.t.Schema != "" {
		table = quote(l.t.Schema) + "." + table
	}
	var columns strings.Builder
	for _, c := range l.t.Columns {
		columns.WriteString(", " + column(c))
	}
	if l.t.OrderBy != "" {
		columns.WriteString(", " + column(l.t.OrderBy))
	}
	l.rows = columns.String() + " FROM " + table + " AS t WHERE " + column(l.t.On) + " = "
	if l.first {
		if l.t.OrderBy != "" {
			l.limit = " ORDER BY " + column(l.t.OrderBy) + l.direction()
		}
		l.limit += " LIMIT 1"
	}
}

func (l *tableLookup[R]) direction() string {
	if l.t.Descending {
		return " DESC"
	}
	return ""
}

// statement looks n values up. Each has a SELECT of its own, so that the database compares it with the column by its own
// rules, and begins its rows with its number.
func (l *tableLookup[R]) statement(n int) string {
	var b strings.Builder
	b.WriteString("SELECT * FROM (")
	for i := range n {
		if i > 0 {
			b.WriteString(" UNION ALL ")
		}
		number := strconv.Itoa(i)
		for _, part := range []string{"SELECT * FROM (SELECT ", number, l.rows, l.db.placeholder(i + 1), l.limit, ") AS r", number} {
			b.WriteString(part)
		}
	}
	b.WriteString(") AS r ORDER BY 1")
	if l.t.OrderBy != "" {
		b.WriteString(", " + strconv.Itoa(len(l.t.Columns)+2) + l.direction())
	}
	return b.String()
}

// check makes sure that the database understands the statements.
func (l *tableLookup[R]) check(ctx context.Context) error {
	if l.db.Prepare {
		_, err := l.prepare(ctx, 1)
		return err
	}
	statement, err := l.db.DB.PrepareContext(ctx, l.statement(1))
	if err != nil {
		return err
	}
	return statement.Close()
}

// lookup calls use with each row and the number of its query.
func lookup[Q, R any](ctx context.Context, l *tableLookup[R], queries []Q, use func(i int, row R) bool) error {
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

// text returns the statement for n values, made once.
func (l *tableLookup[R]) text(n int) string {
	if s := l.texts[n].Load(); s != nil {
		return *s
	}
	s := l.statement(n)
	l.texts[n].Store(&s)
	return s
}

// prepare returns the statement for n values.
func (l *tableLookup[R]) prepare(ctx context.Context, n int) (*sql.Stmt, error) {
	if s := l.prepared[n].Load(); s != nil {
		return s, nil
	}
	s, err := l.db.DB.PrepareContext(ctx, l.statement(n))
	if err != nil {
		return nil, err
	}
	if !l.prepared[n].CompareAndSwap(nil, s) { // somebody else has been faster
		_ = s.Close() // it has not been used
		s = l.prepared[n].Load()
	}
	return s, nil
}

func (l *tableLookup[R]) ask(ctx context.Context, args []any, use func(i int, row R)) error {
	rows, err := l.query(ctx, args)
	if err != nil {
		return err
	}
	defer rows.Close()
	var i int
	var after []any
	if l.t.OrderBy != "" {
		after = []any{new(any)}
	}
	return l.binding.each(rows, []any{&i}, after, func(row R) bool {
		use(i, row)
		return true
	})
}

func (l *tableLookup[R]) query(ctx context.Context, args []any) (*sql.Rows, error) {
	if !l.db.Prepare {
		return l.db.query(ctx, l.text(len(args)), args)
	}
	s, err := l.prepare(ctx, len(args))
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}
