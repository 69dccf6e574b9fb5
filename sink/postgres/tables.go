package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/weirstreams/weir/row"
)

// tables are the tables that the sink has looked at.
type tables struct {
	mu    sync.Mutex // guards known
	known map[string]*table
}

// table describes a table of the database. It is not changed.
type table struct {
	types map[string]string // by column
	// casts are the types without lengths. A cast to varchar(8) would cut a text off; an INSERT into such a column refuses it.
	casts map[string]string
	key   []string // of the primary key, sorted
	// managed are the columns that are not null, have a default, or are generated: the sink leaves them alone in rows without a value. plain are
	// the others, in the order of the table.
	managed map[string]bool
	plain   []string
}

func (t *tables) get(name string) *table {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.known[name]
}

func (t *tables) set(name string, to *table) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.known[name] = to
}

// forget lets all tables be looked at again.
func (t *tables) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.known)
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

func quoteAll(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = quote(n)
	}
	return strings.Join(quoted, ", ")
}

// full returns the name of a table with its schema, quoted.
func (d *database[K, V]) full(table string) string {
	return pgx.Identifier{d.options.Schema, table}.Sanitize()
}

// prepareTables makes the schema and the one table, or names the missing thing.
func (d *database[K, V]) prepareTables(ctx context.Context) error {
	o := &d.options
	var schema, may bool
	err := d.pool.QueryRow(ctx, "SELECT to_regnamespace($1) IS NOT NULL", quote(o.Schema)).Scan(&schema)
	if err != nil {
		return fmt.Errorf("look for schema %q: %w", o.Schema, err)
	}
	switch {
	case schema:
	case o.FixedTables:
		return fmt.Errorf("schema %q does not exist, and Options.FixedTables forbids to make it", o.Schema)
	default:
		if _, err := d.pool.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+quote(o.Schema)); err != nil && !duplicateOf(err) {
			return fmt.Errorf("create schema %q: %w", o.Schema, err)
		}
	}
	switch err := d.pool.QueryRow(ctx, "SELECT has_schema_privilege($1, 'USAGE')", o.Schema).Scan(&may); {
	case err != nil:
		return fmt.Errorf("look for the permissions on schema %q: %w", o.Schema, err)
	case !may:
		return fmt.Errorf("the user may not use schema %q: %w", o.Schema, errGrant)
	}
	if err := d.checkTypes(ctx); err != nil || o.Table == "" {
		return err
	}
	samples := []line{{table: o.Table}}
	for _, column := range o.Key {
		if column != o.KeyColumn && column != o.TimeColumn && o.Types[column] == "" {
			samples = nil // its type is that of the first value
		}
	}
	t, err := d.look(ctx, o.Table)
	switch {
	case err != nil:
		return err
	case t == nil && o.FixedTables:
		return fmt.Errorf("table %s does not exist, and Options.FixedTables forbids to make it", d.full(o.Table))
	case t == nil && samples == nil:
		return nil
	case t == nil:
		if t, err = d.ensure(ctx, o.Table, samples); err != nil {
			return err
		}
	}
	if err := d.checkKey(o.Table, t); err != nil {
		return err
	}
	privileges := "INSERT"
	if o.Mode == Upsert {
		privileges = "INSERT, UPDATE, SELECT, DELETE"
	}
	for privilege := range strings.SplitSeq(privileges, ", ") {
		switch err := d.pool.QueryRow(ctx, "SELECT has_table_privilege($1, $2)", d.full(o.Table), privilege).Scan(&may); {
		case err != nil:
			return fmt.Errorf("look for the permissions on table %s: %w", d.full(o.Table), err)
		case !may:
			return fmt.Errorf("the user lacks %s on table %s: %w", privilege, d.full(o.Table), errGrant)
		}
	}
	return nil
}

// checkTypes asks the database whether it knows the types of Options.Types.
func (d *database[K, V]) checkTypes(ctx context.Context) error {
	for _, column := range slices.Sorted(maps.Keys(d.options.Types)) {
		t := d.options.Types[column]
		if strings.Contains(strings.ToLower(t), "serial") { // known to CREATE TABLE alone
			continue
		}
		if _, err := d.pool.Exec(ctx, "SELECT NULL::"+t); err != nil {
			return fmt.Errorf("Options.Types: type %q of column %q: %w", t, column, err)
		}
	}
	return nil
}

var errGrant = errors.New("grant the permission to the user of Options.URL")

// checkKey compares the primary key of a table with that of the options.
func (d *database[K, V]) checkKey(name string, t *table) error {
	key := slices.Sorted(slices.Values(d.options.Key))
	if len(key) == 0 || len(t.key) == 0 || slices.Equal(key, t.key) || d.options.Mode != Upsert && d.options.FixedTables {
		return nil
	}
	return fmt.Errorf("table %s has the primary key (%s), and Options.Key says (%s): the sink never changes a key", d.full(name),
		strings.Join(t.key, ", "), strings.Join(d.options.Key, ", "))
}

// look reads the columns of a table. It returns nil if there is no such table.
func (d *database[K, V]) look(ctx context.Context, name string) (*table, error) {
	t := &table{types: map[string]string{}, casts: map[string]string{}, managed: map[string]bool{}}
	rows, err := d.pool.Query(ctx, `SELECT a.attname, format_type(a.atttypid, a.atttypmod), format_type(a.atttypid, -1), coalesce(a.attnum = ANY(i.indkey), false),
			a.attnotnull OR a.atthasdef OR a.attidentity <> ''
		FROM pg_attribute a LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
		WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`, d.full(name))
	if err != nil {
		return nil, fmt.Errorf("look at table %s: %w", d.full(name), err)
	}
	var column, kind, cast string
	var inKey, managed bool
	_, err = pgx.ForEachRow(rows, []any{&column, &kind, &cast, &inKey, &managed}, func() error {
		t.types[column], t.casts[column] = kind, cast
		if managed {
			t.managed[column] = true
		} else {
			t.plain = append(t.plain, column)
		}
		if inKey {
			t.key = append(t.key, column)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look at table %s: %w", d.full(name), err)
	}
	if len(t.types) == 0 {
		return nil, nil
	}
	slices.Sort(t.key)
	d.tables.set(name, t)
	return t, nil
}

// errUnknownColumn says that a table lacks a column which the sink may not add.
var errUnknownColumn = errors.New("the table has no such column, and Options.FixedTables forbids to add it")

// ensure returns a table that has the columns of lines. It makes the table and adds columns if it may.
func (d *database[K, V]) ensure(ctx context.Context, name string, lines []line) (*table, error) {
	t := d.tables.get(name)
	if t != nil && len(d.missing(t, lines)) == 0 {
		return t, nil
	}
	t, err := d.look(ctx, name)
	if err != nil {
		return nil, err
	}
	if d.options.FixedTables {
		if t == nil {
			return nil, fmt.Errorf("table %s does not exist, and Options.FixedTables forbids to make it", d.full(name))
		}
		return t, nil
	}
	if t != nil && len(d.missing(t, lines)) == 0 {
		return t, d.checkKey(name, t)
	}
	if err := d.define(ctx, name, t, lines); err != nil {
		if denied(err) {
			err = fmt.Errorf("%w (or define the table yourself, and set Options.FixedTables)", err)
		}
		return nil, fmt.Errorf("define table %s: %w", d.full(name), err)
	}
	if t, err = d.look(ctx, name); err != nil {
		return nil, err
	}
	if t == nil {
		return nil, fmt.Errorf("table %s was dropped while it was made", d.full(name))
	}
	return t, d.checkKey(name, t)
}

// column is a column that a table lacks.
type column struct{ name, kind string }

// missing returns the columns that a table lacks.
func (d *database[K, V]) missing(t *table, lines []line) (missing []column) {
	o := &d.options
	add := func(name, kind string) {
		if t != nil && t.types[name] != "" || slices.ContainsFunc(missing, func(c column) bool { return c.name == name }) {
			return
		}
		if declared := o.Types[name]; declared != "" {
			kind = declared
		}
		missing = append(missing, column{name, kind})
	}
	if o.TimeColumn != NoColumn {
		add(o.TimeColumn, "timestamptz")
	}
	if o.KeyColumn != NoColumn {
		add(o.KeyColumn, "text")
	}
	for i := range lines {
		for j, name := range lines[i].columns {
			add(name, kindOf(lines[i].values[j]))
		}
	}
	return missing
}

// kindOf returns the type of a column that is made for a value.
func kindOf(v row.Value) string {
	switch v.Kind() {
	case row.KindInt:
		return "bigint"
	case row.KindBig:
		return "numeric"
	case row.KindFloat:
		return "double precision"
	case row.KindBool:
		return "boolean"
	case row.KindString:
		return "text"
	}
	return "jsonb"
}

// define makes a table and its primary key, and adds columns. Sinks that do so at the same time wait for each other.
func (d *database[K, V]) define(ctx context.Context, name string, t *table, lines []line) error {
	return pgx.BeginFunc(ctx, d.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", "weir "+d.full(name)); err != nil {
			return err
		}
		missing := d.missing(t, lines)
		var statements []string
		if t == nil {
			var defined []string
			for _, c := range missing {
				defined = append(defined, quote(c.name)+" "+c.kind)
			}
			if len(d.options.Key) > 0 {
				defined = append(defined, "PRIMARY KEY ("+quoteAll(d.options.Key)+")")
			}
			statements = append(statements, "CREATE TABLE IF NOT EXISTS "+d.full(name)+" ("+strings.Join(defined, ", ")+")")
		}
		for _, c := range missing { // also those of a table that somebody has made since
			statements = append(statements, "ALTER TABLE "+d.full(name)+" ADD COLUMN IF NOT EXISTS "+quote(c.name)+" "+c.kind)
		}
		if t != nil && len(t.key) == 0 && len(d.options.Key) > 0 {
			statements = append(statements, "ALTER TABLE "+d.full(name)+" ADD PRIMARY KEY ("+quoteAll(d.options.Key)+")")
		}
		for _, s := range statements {
			if _, err := tx.Exec(ctx, s); err != nil {
				return err
			}
		}
		return nil
	})
}
