package sqllookup

import (
	"context"
	"errors"
	"fmt"

	"github.com/weirstreams/weir/join"
)

// Query looks up the first row of a query of one's own. args returns the parameters, sql.Named among them where the driver
// takes names; a nil args passes the query itself as the only one. Rows come from one call of the database for each record,
// so put a join.Cached before it. Whether the database understands the query shows the first call.
func Query[Q, R any](db Database, query string, args func(Q) []any) (join.Lookup[Q, R], error) {
	l, err := newQueryLookup[Q, R](db, query, args)
	if err != nil {
		return nil, err
	}
	return join.LookupFunc[Q, R](func(ctx context.Context, queries []Q, found []*R) error {
		return l.lookup(ctx, queries, keepFirst(found))
	}), nil
}

// QueryAll looks up all rows of a query of one's own, as [Query] does the first. If there is none, it finds an empty slice.
func QueryAll[Q, R any](db Database, query string, args func(Q) []any) (join.Lookup[Q, []R], error) {
	l, err := newQueryLookup[Q, R](db, query, args)
	if err != nil {
		return nil, err
	}
	return join.LookupFunc[Q, []R](func(ctx context.Context, queries []Q, found []*[]R) error {
		return l.lookup(ctx, queries, keepAll(found))
	}), nil
}

// keepFirst returns a function that keeps the first row of each query, and then asks for no more rows of it.
func keepFirst[R any](found []*R) func(i int, row R) bool {
	return func(i int, row R) bool {
		if found[i] == nil {
			found[i] = &row
		}
		return false
	}
}

// keepAll returns a function that keeps all rows of each query.
func keepAll[R any](found []*[]R) func(i int, row R) bool {
	for i := range found {
		found[i] = &[]R{}
	}
	return func(i int, row R) bool {
		*found[i] = append(*found[i], row)
		return true
	}
}

type queryLookup[Q, R any] struct {
	db      Database
	query   string
	args    func(Q) []any
	scanner *scanner[R]
}

func newQueryLookup[Q, R any](db Database, query string, args func(Q) []any) (*queryLookup[Q, R], error) {
	if db.DB == nil {
		return nil, errors.New("sql lookup: there is no database")
	}
	if query == "" {
		return nil, errors.New("sql lookup: the query is empty")
	}
	s, err := newScanner[R]()
	if err != nil {
		return nil, err
	}
	if args == nil {
		args = func(q Q) []any { return []any{q} }
	}
	return &queryLookup[Q, R]{db, query, args, s}, nil
}

// lookup calls use with the rows of each query, until it returns false.
func (l *queryLookup[Q, R]) lookup(ctx context.Context, queries []Q, use func(i int, row R) bool) error {
	ctx, cancel := l.db.bounded(ctx)
	defer cancel()
	for i, q := range queries {
		err := l.ask(ctx, l.args(q), func(row R) bool { return use(i, row) })
		if err != nil {
			return l.db.explain(ctx, fmt.Errorf("look up by %q: %w", l.query, err))
		}
	}
	return nil
}

func (l *queryLookup[Q, R]) ask(ctx context.Context, args []any, use func(R) bool) error {
	rows, err := l.db.query(ctx, l.query, args)
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	b, err := l.scanner.bind(columns)
	if err != nil {
		return err
	}
	return b.each(rows, nil, nil, use)
}
