package iceberg

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
	"unsafe"

	client "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/measure"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/sink"
)

// writer holds the rows of a task until its next checkpoint, so that these are in as few files as possible.
type writer[K, V any] struct {
	sink    *icebergSink[K, V]
	task    sink.Task
	now     func() time.Time
	measure measure.Measurer[row.Row]

	rows  []held
	bytes int64
	since time.Time
	// columns are those that the table needs for the rows.
	columns *columns
	// prepared are the works of this owner that are not committed, in order.
	prepared []*work
}

// held is a record that waits for a checkpoint.
type held struct {
	row     row.Row
	key     string
	keyNull bool
	millis  int64
	origin  weir.Origin
}

func newWriter[K, V any](s *icebergSink[K, V], task sink.Task) *writer[K, V] {
	w := &writer[K, V]{sink: s, task: task, now: task.Now, measure: measure.Of[row.Row]()}
	if w.now == nil {
		w.now = time.Now
	}
	return w
}

// Add implements [sink.TwoPhaseWriter]: it finds out whether the row fits the table, and the rows before it.
func (w *writer[K, V]) Add(_ context.Context, r *weir.Record[K, V]) error {
	s := w.sink
	h := held{keyNull: r.KeyNull, millis: r.Millis, origin: *r.Origin}
	var err error
	switch {
	case s.options.Row != nil:
		h.row, err = s.options.Row(r)
	case !r.ValueNull:
		h.row, err = s.toRow(r.Value)
	}
	if err != nil {
		return fmt.Errorf("make the row: %w", err)
	}
	if h.row.IsNil() {
		return errors.New("the value is null, which is no row")
	}
	if !h.keyNull {
		if h.key, h.keyNull, err = s.keyText(r.Key); err != nil {
			return fmt.Errorf("key of the record: %w", err)
		}
	}
	next, err := w.fit(w.columns, &h)
	if err != nil {
		return err
	}
	w.columns = next
	if len(w.rows) == 0 && s.options.MaxAge > 0 {
		w.since = w.now()
	}
	w.rows = append(w.rows, h)
	w.bytes += int64(int(unsafe.Sizeof(h)) + w.measure.Bytes(&h.row) + len(h.key))
	return nil
}

// fit returns the columns that the table needs for a row too.
func (w *writer[K, V]) fit(c *columns, h *held) (*columns, error) {
	o := &w.sink.options
	given := []string{o.TimeColumn, o.KeyColumn}
	if h.keyNull {
		given = given[:1]
	}
	return c.with(h.row, o.FixedTable, w.sink.settings.declared, given...)
}

// Full implements [sink.TwoPhaseWriter].
func (w *writer[K, V]) Full() bool {
	o := &w.sink.options
	return w.bytes >= o.HoldBytes || len(w.rows) > 0 && o.MaxAge > 0 && w.now().Sub(w.since) >= o.MaxAge
}

// Discard implements [sink.TwoPhaseWriter]. Files of a checkpoint that is given up go with the next commit.
func (w *writer[K, V]) Discard() {
	clear(w.rows)
	w.rows, w.bytes = w.rows[:0], 0
}

// Close implements [sink.TwoPhaseWriter].
func (w *writer[K, V]) Close() error {
	w.Discard()
	return nil
}

// Recover implements [sink.TwoPhaseWriter]. Files that a process had written for a checkpoint that never was are in no snapshot, and the cleaning of the table removes them as those of
// other writers.
func (w *writer[K, V]) Recover(context.Context, string, [][]byte) error { return nil }

// Prepare implements [sink.TwoPhaseWriter].
func (w *writer[K, V]) Prepare(ctx context.Context, _ sink.Checkpoint) (token []byte, err error) {
	if len(w.rows) == 0 {
		return nil, nil
	}
	err = w.sink.call(ctx, "prepare rows", func(ctx context.Context) error {
		t, err := w.fitting(ctx)
		if err != nil {
			return err
		}
		prepared, err := w.write(ctx, t)
		if err == nil {
			token, err = prepared.token.encode()
		}
		if err == nil {
			w.prepared = append(w.prepared, prepared)
		}
		return err
	})
	if err == nil {
		w.Discard()
	}
	return token, err
}

// fitting returns a table that has the columns of all held rows.
func (w *writer[K, V]) fitting(ctx context.Context) (*table.Table, error) {
	t, err := w.sink.seen(ctx)
	if err != nil {
		return nil, err
	}
	if w.columns.added == 0 && w.columns.version == t.Schema().ID {
		return t, nil
	}
	err = w.sink.alone(ctx, func() error {
		if t, err = w.sink.load(ctx); err != nil {
			return err
		}
		c, refused := w.refit(columnsOf(t.Schema().ID, t.Schema().Fields()))
		if len(refused) > 0 {
			return refused
		}
		if c.added > 0 {
			if t, err = evolve(ctx, t, c.fields); err != nil {
				return err
			}
			w.sink.keep(t)
		}
		w.columns = columnsOf(t.Schema().ID, t.Schema().Fields())
		return nil
	})
	return t, err
}

// refit compares all rows with the columns of a table, which another task or program may have changed since they were added. Rows that do not fit any more are
// not held any longer.
func (w *writer[K, V]) refit(c *columns) (*columns, sink.RecordErrors) {
	var refused sink.RecordErrors
	kept := w.rows[:0:0]
	for i := range w.rows {
		next, err := w.fit(c, &w.rows[i])
		if err != nil {
			refused = append(refused, sink.RecordError{Index: i, Origin: w.rows[i].origin, Err: err})
			continue
		}
		c = next
		kept = append(kept, w.rows[i])
	}
	if len(refused) > 0 {
		w.rows = kept
	}
	return c, refused
}

// evolve gives a table the columns that it lacks, and makes others wider.
func evolve(ctx context.Context, t *table.Table, fields []client.NestedField) (*table.Table, error) {
	tx := t.NewTransaction()
	// The IDs tell new columns from others here; iceberg-go goes by their names.
	if err := tx.UpdateSchema(true, false).UnionByNameWith(client.NewSchema(0, slices.Clone(fields)...)).Commit(); err != nil {
		return nil, fmt.Errorf("change the columns: %w", err)
	}
	t, err := tx.Commit(ctx)
	if err != nil {
		return nil, fmt.Errorf("change the columns: %w", err)
	}
	return t, nil
}
