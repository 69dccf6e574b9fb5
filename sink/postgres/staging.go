package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/sink"
)

// stagingPrefix begins the names of staging tables. One belongs to each table.
const stagingPrefix = "weir_staging_"

// The columns of a staging table beside those of its table.
const (
	taskColumn       = "weir_task"
	epochColumn      = "weir_epoch"
	checkpointColumn = "weir_checkpoint"
	orderColumn      = "weir_order"
	removedColumn    = "weir_removed"
)

var stagingColumns = []string{taskColumn, epochColumn, checkpointColumn, orderColumn, removedColumn}

// stagingOf returns the name of the staging table of a table. Tables with long names are told apart by the hash.
func stagingOf(table string) string {
	sum := sha256.Sum256([]byte(table))
	kept := strings.ToValidUTF8(table[:min(len(table), maxName-len(stagingPrefix)-9)], "")
	return stagingPrefix + hex.EncodeToString(sum[:4]) + "_" + kept
}

type twoPhase[K, V any] struct{ *database[K, V] }

// TwoPhaseWriter implements [sink.TwoPhase].
func (d *twoPhase[K, V]) TwoPhaseWriter(_ context.Context, task sink.Task) (sink.TwoPhaseWriter[K, V], error) {
	if d.pool == nil {
		return nil, errNotConnected
	}
	w := &preparing[K, V]{database: d.database, task: strings.Join([]string{task.Application, task.SubTopology, task.Sink, fmt.Sprint(task.Partition)}, "\x1f")}
	w.held = d.newWriter(task, "prepare rows", w.stage, true)
	return w, nil
}

// preparing is the writer of a task in two phases.
type preparing[K, V any] struct {
	database *database[K, V]
	task     string
	held     *writer[K, V]
	// begun is set from the first attempt to prepare records until they are prepared, or discarded. checkpoint is that of the first attempt: rows
	// of later attempts are stored under it too. written are its tables so far.
	begun      bool
	checkpoint sink.Checkpoint
	written    []stagedTable
	order      int64
}

// token names prepared rows.
type token struct {
	Epoch      string        `json:"epoch"`
	Checkpoint int64         `json:"checkpoint"`
	Tables     []stagedTable `json:"tables"`
}

// stagedTable is a table with prepared rows, and the columns that they have.
type stagedTable struct {
	Name    string   `json:"name"`
	Columns []string `json:"columns"`
}

// Add implements [sink.TwoPhaseWriter].
func (w *preparing[K, V]) Add(ctx context.Context, r *weir.Record[K, V]) error {
	return w.held.Add(ctx, r)
}

// Full implements [sink.TwoPhaseWriter].
func (w *preparing[K, V]) Full() bool { return w.held.Full() }

// Discard implements [sink.TwoPhaseWriter]. Rows of a checkpoint that is given up stay in the staging table until Recover.
func (w *preparing[K, V]) Discard() {
	w.begun, w.written = false, nil
	w.held.Discard()
}

// Close implements [sink.TwoPhaseWriter].
func (w *preparing[K, V]) Close() error { return w.held.Close() }

// Prepare implements [sink.TwoPhaseWriter].
func (w *preparing[K, V]) Prepare(ctx context.Context, c sink.Checkpoint) ([]byte, error) {
	if !w.begun {
		w.begun, w.checkpoint, w.written, w.order = true, c, nil, 0
	}
	if err := w.held.Flush(ctx, c); err != nil {
		return nil, err
	}
	w.begun = false
	if len(w.written) == 0 {
		return nil, nil
	}
	t := token{Epoch: w.checkpoint.Epoch, Checkpoint: w.checkpoint.ID, Tables: w.written}
	w.written = nil
	return json.Marshal(t)
}

// stage writes lines into staging tables.
func (w *preparing[K, V]) stage(ctx context.Context, lines []line) error {
	d := w.database
	written, order := w.written, w.order
	put := func(ctx context.Context, tx pgx.Tx, name string, t *table, lines []line) error {
		return w.insert(ctx, tx, name, t, lines)
	}
	err := d.transact(ctx, lines, put)
	if changedTable(err) { // most often: the staging table is not there yet, or lacks a column
		d.tables.forget()
		w.written, w.order = slices.Clone(written), order
		for _, g := range byTable(lines) {
			err := d.defineStaging(ctx, g)
			for i := 0; tooWide(err) && i < len(g.lines); i++ { // the table takes some of the lines; transact refuses the others
				if failed := d.defineStaging(ctx, group{g.table, g.lines[i : i+1], nil}); failed != nil && !tooWide(failed) {
					err = failed
				}
			}
			if err != nil && !tooWide(err) {
				return err
			}
		}
		err = d.transact(ctx, lines, put)
	}
	return err
}

// defineStaging makes the staging table of a table, or gives it the columns that it lacks.
func (d *database[K, V]) defineStaging(ctx context.Context, g group) error {
	t, err := d.ensure(ctx, g.table, g.lines)
	if err != nil {
		return err
	}
	name := d.full(stagingOf(g.table))
	return pgx.BeginFunc(ctx, d.pool, func(tx pgx.Tx) error {
		statements := []string{
			"CREATE TABLE IF NOT EXISTS " + name + " (" + taskColumn + " text NOT NULL, " + epochColumn + " text NOT NULL, " + checkpointColumn +
				" bigint NOT NULL, " + orderColumn + " bigint NOT NULL, " + removedColumn + " boolean NOT NULL, PRIMARY KEY (" +
				strings.Join(stagingColumns[:4], ", ") + "))",
		}
		for _, c := range columnsOf(g.lines) {
			if kind := t.types[c]; kind != "" {
				statements = append(statements, "ALTER TABLE "+name+" ADD COLUMN IF NOT EXISTS "+quote(c)+" "+kind)
			}
		}
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", "weir "+name); err != nil {
			return err
		}
		for _, s := range statements {
			if _, err := tx.Exec(ctx, s); err != nil {
				return fmt.Errorf("define the staging table %s: %w", name, err)
			}
		}
		return nil
	})
}

// insert writes lines into the staging table of their table.
func (w *preparing[K, V]) insert(ctx context.Context, tx pgx.Tx, name string, t *table, lines []line) error {
	d := w.database
	columns := columnsOf(lines)
	a, err := arraysOf(t, columns, lines)
	if err != nil {
		return err
	}
	orders, removed := make([]int64, len(lines)), make([]bool, len(lines))
	for i := range lines {
		w.order++
		orders[i], removed[i] = w.order, lines[i].removed
	}
	n := len(a.args)
	args := append(a.args, w.task, w.checkpoint.Epoch, w.checkpoint.ID, orders, removed)
	statement := fmt.Sprintf("INSERT INTO %s (%s, %s) SELECT %s, $%d, $%d, $%d::bigint, u.o, u.r FROM unnest(%s, $%d::bigint[], $%d::boolean[]) AS u(%s, o, r)",
		d.full(stagingOf(name)), quoteAll(columns), strings.Join(stagingColumns, ", "), a.selected, n+1, n+2, n+3, a.arrays, n+4, n+5, a.names)
	if _, err := tx.Exec(ctx, statement, args...); err != nil {
		return err
	}
	w.note(name, columns)
	return nil
}

// note keeps the columns of prepared rows for the token.
func (w *preparing[K, V]) note(name string, columns []string) {
	i := slices.IndexFunc(w.written, func(s stagedTable) bool { return s.Name == name })
	if i < 0 {
		w.written = append(w.written, stagedTable{name, slices.Clone(columns)})
		return
	}
	for _, c := range columns {
		if !slices.Contains(w.written[i].Columns, c) {
			w.written[i].Columns = append(w.written[i].Columns, c)
		}
	}
}

// Recover implements [sink.TwoPhaseWriter].
func (w *preparing[K, V]) Recover(ctx context.Context, epoch string, tokens [][]byte) error {
	kept := map[string][]int64{} // checkpoints by epoch
	for _, data := range tokens {
		var t token
		if err := json.Unmarshal(data, &t); err != nil {
			return fmt.Errorf("token of prepared rows: %w", err)
		}
		kept[t.Epoch] = append(kept[t.Epoch], t.Checkpoint)
	}
	epochs, checkpoints := []string{}, []int64{}
	for e, ids := range kept {
		for _, id := range ids {
			epochs, checkpoints = append(epochs, e), append(checkpoints, id)
		}
	}
	d := w.database
	return d.call(ctx, "remove rows of checkpoints that were given up", func(ctx context.Context) error {
		rows, err := d.pool.Query(ctx, `SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE n.nspname = $1 AND starts_with(c.relname, $2) AND c.relkind = 'r'`, d.options.Schema, stagingPrefix)
		if err != nil {
			return err
		}
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		for _, name := range names {
			_, err := d.pool.Exec(ctx, "DELETE FROM "+d.full(name)+` WHERE weir_task = $1 AND weir_epoch COLLATE "C" <= $2
				AND NOT EXISTS (SELECT FROM unnest($3::text[], $4::bigint[]) AS k(e, c) WHERE k.e = weir_epoch AND k.c = weir_checkpoint)`,
				w.task, epoch, epochs, checkpoints)
			if err != nil && !changedTable(err) {
				return fmt.Errorf("staging table %s: %w", d.full(name), err)
			}
		}
		return nil
	})
}

// Commit implements [sink.TwoPhaseWriter]. The rows of a token that was committed are not in the staging table any more, so that it does nothing.
func (w *preparing[K, V]) Commit(ctx context.Context, data []byte) error {
	var t token
	if err := json.Unmarshal(data, &t); err != nil {
		return fmt.Errorf("token of prepared rows: %w", err)
	}
	d := w.database
	return d.call(ctx, "move prepared rows", func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, d.pool, func(tx pgx.Tx) error {
			// Another owner of the task may commit the same token.
			if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1, 1))", w.task); err != nil {
				return err
			}
			for _, staged := range t.Tables {
				if err := w.move(ctx, tx, t, staged); err != nil {
					return explain(fmt.Errorf("into table %s: %w", d.full(staged.Name), err))
				}
			}
			return nil
		})
	})
}

// move moves the rows of a checkpoint into their table.
func (w *preparing[K, V]) move(ctx context.Context, tx pgx.Tx, of token, s stagedTable) error {
	d := w.database
	staging, args := d.full(stagingOf(s.Name)), []any{w.task, of.Epoch, of.Checkpoint}
	const those = " WHERE weir_task = $1 AND weir_epoch = $2 AND weir_checkpoint = $3"
	t, err := d.ensure(ctx, s.Name, nil)
	if err != nil {
		return err
	}
	from := staging + those
	key := quoteAll(d.options.Key)
	first := "SELECT DISTINCT ON (" + key + ") * FROM " + staging + those + " ORDER BY " + key + ", " + orderColumn
	if d.options.Mode == InsertNew && key != "" {
		from = "(" + first + ") AS first WHERE true"
	}
	if d.options.Mode == Upsert {
		last := first + " DESC"
		from = "(" + last + ") AS last WHERE true"
		var equal []string
		for _, c := range d.options.Key {
			equal = append(equal, "target."+quote(c)+" = last."+quote(c))
		}
		_, err := tx.Exec(ctx, "DELETE FROM "+d.full(s.Name)+" AS target USING ("+last+") AS last WHERE last."+removedColumn+" AND "+strings.Join(equal, " AND "), args...)
		if err != nil {
			return err
		}
	}
	patterns, err := w.patterns(ctx, tx, t, s, "FROM "+from, args)
	if err != nil {
		return err
	}
	for _, p := range patterns {
		columns := quoteAll(p.columns)
		_, err := tx.Exec(ctx, "INSERT INTO "+d.full(s.Name)+" ("+columns+") SELECT "+columns+" FROM "+from+" AND NOT "+removedColumn+p.condition+
			" ORDER BY "+orderColumn+d.onConflict(t, p.columns), args...)
		if err != nil {
			return err
		}
	}
	_, err = tx.Exec(ctx, "DELETE FROM "+staging+those, args...)
	return err
}

// pattern is a set of rows that have values in the same managed columns.
type pattern struct {
	columns   []string
	condition string
}

// patterns divides prepared rows by the managed columns that have values, as byManaged does. Most tables have no such columns.
func (w *preparing[K, V]) patterns(ctx context.Context, tx pgx.Tx, t *table, s stagedTable, from string, args []any) ([]pattern, error) {
	var managed, plain, present []string
	for _, c := range s.Columns {
		if t.managed[c] && !slices.Contains(w.database.options.Key, c) {
			managed = append(managed, c)
			present = append(present, quote(c)+" IS NOT NULL")
		} else {
			plain = append(plain, c)
		}
	}
	if len(managed) == 0 {
		return []pattern{{columns: s.Columns}}, nil
	}
	rows, err := tx.Query(ctx, "SELECT DISTINCT ARRAY["+strings.Join(present, ", ")+"] "+from+" AND NOT "+removedColumn, args...)
	if err != nil {
		return nil, err
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[[]bool])
	if err != nil {
		return nil, err
	}
	var patterns []pattern
	for _, has := range found {
		p := pattern{columns: slices.Clone(plain)}
		for i, c := range managed {
			if has[i] {
				p.columns = append(p.columns, c)
				p.condition += " AND " + quote(c) + " IS NOT NULL"
			} else {
				p.condition += " AND " + quote(c) + " IS NULL"
			}
		}
		patterns = append(patterns, p)
	}
	return patterns, nil
}
