package sqllookup

import (
	"context"
	"errors"
	"fmt"

	"github.com/weirstreams/weir/join"
)

// Query looks up the first row of a query of one's own. args returns the parameters, sql.Named among them where the driver
// takes names; a nil args passes the query itself as the only one. Rows come from one call of the database for each record,
// so put a join.Cached before it.
func Query[Q, R any](db Database, query string, args func(Q) []any) (join.Lookup[Q, R], error) {
	if err := checkQuery[R](db, query); err != nil {
		return nil, err
	}
	return join.LookupFunc[Q, R](func(ctx context.Context, queries []Q, found []*R) error {
		ctx, cancel := db.bounded(ctx)
		defer cancel()
		for i, q := range queries {
			err := ask(ctx, db, query, parameters(q, args), func(row R) bool {
				found[i] = &row
				return false
			})
			if err != nil {
				return err
			}
		}
		return nil
	}), nil
}

// QueryAll looks up all rows of a query of one's own, as [Query] does the first. If there is none, it finds an empty slice.
func QueryAll[Q, R any](db Database, query string, args func(Q) []any) (join.Lookup[Q, []R], error) {
	if err := checkQuery[R](db, query); err != nil {
		return nil, err
	}
	return join.LookupFunc[Q, []R](func(ctx context.Context, queries []Q, found []*[]R) error {
		ctx, cancel := db.bounded(ctx)
		defer cancel()
		for i, q := range queries {
			rows := []R{}
			err := ask(ctx, db, query, parameters(q, args), func(row R) bool {
				rows = append(rows, row)
				return true
			})
			if err != nil {
				return err
			}
			found[i] = &rows
		}
		return nil
	}), nil
}

func checkQuery[R any](db Database, query string) error {
	if db.DB == nil {
		return errors.New("sql lookup: there is no database")
	}
	if query == "" {
		return errors.New("sql lookup: the query is empty")
	}
	_, err := newScanner[R]()
	return err
}

func parameters[Q any](q Q, args func(Q) []any) []any {
	if args == nil {
		return []any{q}
	}
	return args(q)
}

// ask calls use with each row, until it returns false.
func ask[R any](ctx context.Context, db Database, query string, args []any, use func(R) bool) error {
	err := func() error {
		rows, err := db.DB.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		columns, err := rows.Columns()
		if err != nil {
			return err
		}
		s, err := newScanner[R]()
		if err != nil {
			return err
		}
		if err := s.bind(columns); err != nil {
			return err
		}
		for rows.Next() {
			r, places := s.row()
			if err := rows.Scan(places...); err != nil {
				return err
			}
			row, err := r()
			if err != nil {
				return err
			}
			if !use(row) {
				return nil
			}
		}
		return rows.Err()
	}()
	if err != nil {
		return db.explain(ctx, fmt.Errorf("look up by %q: %w", query, err))
	}
	return nil
}
