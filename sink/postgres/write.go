package postgres

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/sink"
)

// write writes lines to their tables in one transaction. Lines that the database refuses are left out, and are in the
// sink.RecordErrors that it returns then.
func (d *database[K, V]) write(ctx context.Context, lines []line) error {
	err := d.transact(ctx, lines, d.insert)
	if changedTable(err) {
		d.tables.forget()
		err = d.transact(ctx, lines, d.insert)
	}
	return err
}

// transact lets put write each group of lines, in one transaction.
func (d *database[K, V]) transact(ctx context.Context, lines []line, put func(context.Context, pgx.Tx, string, *table, []line) error) error {
	groups := byTable(lines)
	tables := make([]*table, len(groups))
	var refused sink.RecordErrors
	for i := range groups {
		g := &groups[i]
		t, err := d.ensure(ctx, g.table, g.lines)
		if tooWide(err) {
			var wide sink.RecordErrors
			t, wide, err = d.ensureEach(ctx, g)
			refused = append(refused, wide...)
		}
		if err != nil {
			return err
		}
		tables[i] = t
		if d.options.FixedTables {
			refused = append(refused, g.dropUnknown(t)...)
		}
	}
	err := pgx.BeginFunc(ctx, d.pool, func(tx pgx.Tx) error {
		for i, g := range groups {
			if len(g.lines) == 0 {
				continue
			}
			err := put(ctx, tx, g.table, tables[i], g.lines)
			if err == nil {
				continue
			}
			if !ofRecord(err) {
				return err
			}
			return errSift
		}
		return nil
	})
	if errors.Is(err, errSift) {
		err = pgx.BeginFunc(ctx, d.pool, func(tx pgx.Tx) error {
			for i, g := range groups {
				bad, err := d.sift(ctx, tx, g, tables[i], put)
				if err != nil {
					return err
				}
				refused = append(refused, bad...)
			}
			return nil
		})
	}
	if err != nil {
		return err
	}
	if len(refused) > 0 {
		return refused
	}
	return nil
}

// errSift says that the database has refused some line of a batch.
var errSift = errors.New("some row is refused")

// ensureEach is ensure for each line of a group, in turn. It takes the lines out of the group whose columns the table has no room for.
func (d *database[K, V]) ensureEach(ctx context.Context, g *group) (t *table, refused sink.RecordErrors, err error) {
	n := 0
	for i := range g.lines {
		fit, err := d.ensure(ctx, g.table, g.lines[i:i+1])
		switch {
		case tooWide(err):
			refused = append(refused, sink.RecordError{Index: g.index[i], Err: err})
			continue
		case err != nil:
			return nil, nil, err
		}
		t = fit
		g.lines[n], g.index[n] = g.lines[i], g.index[i]
		n++
	}
	g.lines, g.index = g.lines[:n], g.index[:n]
	return t, refused, nil
}

// dropUnknown takes the lines with columns that the table lacks out of the group.
func (g *group) dropUnknown(t *table) (refused sink.RecordErrors) {
	n := 0
	for i := range g.lines {
		var err error
		for _, c := range g.lines[i].columns {
			if t.types[c] == "" {
				err = fmt.Errorf("table %q, column %q: %w", g.table, c, errUnknownColumn)
				break
			}
		}
		if err != nil {
			refused = append(refused, sink.RecordError{Index: g.index[i], Err: err})
			continue
		}
		g.lines[n], g.index[n] = g.lines[i], g.index[i]
		n++
	}
	g.lines, g.index = g.lines[:n], g.index[:n]
	return refused
}

// sift writes the lines of a group that the database takes, and returns the errors of the others. It halves a refused group, each half under a
// savepoint.
func (d *database[K, V]) sift(
	ctx context.Context, tx pgx.Tx, g group, t *table, put func(context.Context, pgx.Tx, string, *table, []line) error,
) (refused sink.RecordErrors, err error) {
	if len(g.lines) == 0 {
		return nil, nil
	}
	err = pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error { return put(ctx, tx, g.table, t, g.lines) })
	switch {
	case err == nil:
		return nil, nil
	case !ofRecord(err):
		return nil, err
	case len(g.lines) == 1:
		return sink.RecordErrors{{Index: g.index[0], Err: explain(fmt.Errorf("table %s: %w", d.full(g.table), err))}}, nil
	}
	half := len(g.lines) / 2
	for _, part := range []group{{g.table, g.lines[:half], g.index[:half]}, {g.table, g.lines[half:], g.index[half:]}} {
		bad, err := d.sift(ctx, tx, part, t, put)
		if err != nil {
			return nil, err
		}
		refused = append(refused, bad...)
	}
	return refused, nil
}

// explain adds the detail of the server, such as the key that exists, and a remedy.
func explain(err error) error {
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return err
	}
	if e.Detail != "" {
		err = fmt.Errorf("%w: %s", err, e.Detail)
	}
	if e.Code == "23505" {
		err = fmt.Errorf("%w (with Options.Mode Upsert or InsertNew that is no error)", err)
	}
	return err
}

// insert writes lines into their table.
func (d *database[K, V]) insert(ctx context.Context, tx pgx.Tx, name string, t *table, lines []line) error {
	if d.options.Mode == InsertNew && len(d.options.Key) > 0 {
		lines = oneOfKeys(lines, false)
	}
	if d.options.Mode == Upsert {
		lines = oneOfKeys(lines, true)
		kept := make([]line, 0, len(lines))
		var removed []string
		for i := range lines {
			if !lines[i].removed {
				kept = append(kept, lines[i])
				continue
			}
			key, err := row.As[string](lines[i].values[0])
			if err != nil {
				return err
			}
			removed = append(removed, key)
		}
		if len(removed) > 0 {
			statement := fmt.Sprintf("DELETE FROM %s WHERE %s = ANY($1::text[]::%s[])", d.full(name), quote(d.options.KeyColumn), t.casts[d.options.KeyColumn])
			if _, err := tx.Exec(ctx, statement, removed); err != nil {
				return err
			}
		}
		lines = kept
	}
	for _, part := range byManaged(t, lines) {
		columns := columnsOf(part)
		a, err := arraysOf(t, columns, part)
		if err != nil {
			return err
		}
		statement := "INSERT INTO " + d.full(name) + " (" + quoteAll(columns) + ") SELECT " + a.selected + " FROM unnest(" + a.arrays + ") AS u(" + a.names + ")"
		if _, err := tx.Exec(ctx, statement+d.onConflict(t, columns), a.args...); err != nil {
			return err
		}
	}
	return nil
}

// byManaged divides lines by the managed columns that they have: a NULL would take the place of the default of a column.
func byManaged(t *table, lines []line) (parts [][]line) {
	if len(t.managed) == 0 && len(lines) > 0 {
		return [][]line{lines}
	}
	at := map[string]int{}
	var has []string
	for i := range lines {
		has = has[:0]
		for _, c := range lines[i].columns {
			if t.managed[c] {
				has = append(has, c)
			}
		}
		slices.Sort(has)
		pattern := strings.Join(has, "\x00")
		n, ok := at[pattern]
		if !ok {
			n = len(parts)
			at[pattern] = n
			parts = append(parts, nil)
		}
		parts[n] = append(parts[n], lines[i])
	}
	return parts
}

// onConflict returns the end of an INSERT into columns of a table. A row that is replaced does not keep the plain columns that the new one lacks.
func (d *database[K, V]) onConflict(t *table, columns []string) string {
	switch d.options.Mode {
	case InsertNew:
		return " ON CONFLICT DO NOTHING"
	case Upsert:
		var set []string
		for _, c := range columns {
			if !slices.Contains(d.options.Key, c) {
				set = append(set, quote(c)+" = EXCLUDED."+quote(c))
			}
		}
		for _, c := range t.plain {
			if !slices.Contains(d.options.Key, c) && !slices.Contains(columns, c) {
				set = append(set, quote(c)+" = NULL")
			}
		}
		if len(set) == 0 {
			return " ON CONFLICT (" + quoteAll(d.options.Key) + ") DO NOTHING"
		}
		return " ON CONFLICT (" + quoteAll(d.options.Key) + ") DO UPDATE SET " + strings.Join(set, ", ")
	}
	return ""
}

// arrays are lines as one array for each column: the parts of SELECT selected FROM unnest(arrays) AS u(names). The server casts to the types of
// the table.
type arrays struct {
	selected, arrays, names string
	args                    []any
}

func arraysOf(t *table, columns []string, lines []line) (a arrays, err error) {
	selected, parameters, names := make([]string, len(columns)), make([]string, len(columns)), make([]string, len(columns))
	for i, c := range columns {
		array, kind, err := arrayOf(c, t.casts[c], lines)
		if err != nil {
			return a, err
		}
		names[i] = fmt.Sprintf("c%d", i)
		parameters[i] = fmt.Sprintf("$%d::%s[]", i+1, kind)
		selected[i] = fmt.Sprintf("u.c%d::%s", i, t.casts[c])
		a.args = append(a.args, array)
	}
	a.selected, a.arrays, a.names = strings.Join(selected, ", "), strings.Join(parameters, ", "), strings.Join(names, ", ")
	return a, nil
}

// arrayOf returns the values of a column, and the type of the array: that of the values if they have one, and text otherwise.
func arrayOf(name, columnType string, lines []line) (array any, kind string, err error) {
	values := make([]row.Value, len(lines))
	var kinds [256]bool
	at := 0 // where the column was last
	for i := range lines {
		l := &lines[i]
		if at >= len(l.columns) || l.columns[at] != name {
			if at = slices.Index(l.columns, name); at < 0 {
				at = 0
				continue
			}
		}
		values[i] = l.values[at]
		kinds[values[i].Kind()] = true
	}
	document := columnType == "json" || columnType == "jsonb"
	only := func(k row.Kind) bool {
		for other, is := range kinds {
			if is && row.Kind(other) != k && row.Kind(other) != row.KindNull {
				return false
			}
		}
		return kinds[k]
	}
	// An array of another type than text is cast to the same values as the texts would be: a value must not depend on those that share its batch.
	switch {
	case only(row.KindInt) && (isInteger(columnType) || isFloat(columnType) || columnType == "text" || columnType == "numeric"):
		array, err = typed[int64](values)
		return array, "bigint", err
	case only(row.KindFloat) && isFloat(columnType):
		array, err = typed[float64](values)
		return array, "double precision", err
	case only(row.KindBool) && columnType == "boolean":
		array, err = typed[bool](values)
		return array, "boolean", err
	}
	texts := make([]*string, len(values))
	for i, v := range values {
		if v.IsNull() {
			continue
		}
		text, err := textOf(v, document, isInteger(columnType))
		if err != nil {
			return nil, "", fmt.Errorf("column %q: %w", name, err)
		}
		texts[i] = &text
	}
	return texts, "text", nil
}

func typed[T row.Scalar](values []row.Value) ([]*T, error) {
	array, room := make([]*T, len(values)), make([]T, len(values))
	for i, v := range values {
		if v.IsNull() {
			continue
		}
		x, err := row.As[T](v)
		if err != nil {
			return nil, err
		}
		room[i] = x
		array[i] = &room[i]
	}
	return array, nil
}

func isInteger(columnType string) bool {
	return columnType == "bigint" || columnType == "integer" || columnType == "smallint"
}

func isFloat(columnType string) bool { return columnType == "double precision" || columnType == "real" }

// textOf returns a value as the server reads it: text as it is outside of documents, everything else as JSON. An integer does not take a float
// with digits behind the point, and the server refuses such a text.
func textOf(v row.Value, document, integer bool) (string, error) {
	if !document {
		switch v.Kind() {
		case row.KindString:
			return row.As[string](v)
		case row.KindFloat: // NaN and the infinities have no JSON
			f, err := row.As[float64](v)
			switch {
			case err != nil || math.IsNaN(f) || math.IsInf(f, 0):
				return strings.TrimPrefix(fmt.Sprint(f), "+"), err
			case integer && f == math.Trunc(f):
				return strconv.FormatFloat(f, 'f', 0, 64), nil
			}
		}
	}
	data, err := v.MarshalJSON()
	return string(data), err
}

// duplicateOf says that somebody else has made the same schema or table at the same time.
func duplicateOf(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == "42P06" || e.Code == "42P07" || e.Code == "23505")
}
