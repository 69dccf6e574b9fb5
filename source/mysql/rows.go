package mysql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-mysql-org/go-mysql/mysql"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/source"
)

// The rows that are there are read in the order of the primary key, a chunk at a time, all in one transaction with a known place in the log. After a restart
// another transaction goes on behind the last key. The log is read from the place of the first transaction, so it repeats changes that the rows have
// already. The position keeps the place that each part of a table was read at (span), and a change is left out if its transaction is before the place of its row.
// Thus each change is in exactly one of the two.

// readRows reads the next chunk.
func (r *reader[K, V]) readRows(ctx context.Context, into *source.Batch[K, V]) error {
	d := r.database
	if !r.inSnapshot {
		if err := r.beginSnapshot(ctx); err != nil {
			return err
		}
	}
	t := r.tables[r.at.Table]
	var where string
	var args []any
	if r.at.After != nil {
		condition, values, err := t.behind(r.at.After)
		if err != nil {
			return connector.Permanent{Err: err}
		}
		where, args = " WHERE "+condition, values
	}
	statement := fmt.Sprintf("SELECT %s FROM %s%s ORDER BY %s LIMIT %d", quotedNames(t.columns), t, where, quotedNames(t.key), d.options.ChunkRows)
	count := 0
	err := r.queries.during(ctx, func() error {
		prepared, err := r.queries.Prepare(statement) // values in binary form, because floats are rounded in texts
		if err != nil {
			return err
		}
		defer prepared.Close()
		var result mysql.Result
		return prepared.ExecuteSelectStreaming(&result, func(values []mysql.FieldValue) error {
			count++
			return r.takeRow(t, values, into)
		}, nil, args...)
	})
	if err != nil {
		return fmt.Errorf("read the rows of table %s: %w", t, err)
	}
	if count < d.options.ChunkRows {
		r.at.Table, r.at.After = r.at.Table+1, nil
		if r.at.Table == len(r.tables) {
			return r.endSnapshot(ctx)
		}
		r.noteSpan()
	}
	return nil
}

func (r *reader[K, V]) beginSnapshot(ctx context.Context) (err error) {
	d := r.database
	for _, statement := range []string{"SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SET SESSION lock_wait_timeout = " + fmt.Sprint(max(1, int(d.options.Timeout.Seconds())))} {
		if _, err := r.queries.query(ctx, statement); err != nil {
			return fmt.Errorf("begin the snapshot: %w", err)
		}
	}
	if d.options.SnapshotOnly {
		_, err = r.queries.query(ctx, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
	} else {
		r.snapshot, err = r.placedSnapshot(ctx)
	}
	if err != nil {
		return fmt.Errorf("begin the snapshot: %w", err)
	}
	r.tables = nil
	for _, t := range d.tables { // the columns that the snapshot has, which may be others than those of the start
		t := *t
		if err := d.readColumns(ctx, r.queries, &t); err != nil {
			return connector.Permanent{Err: err}
		}
		r.tables = append(r.tables, &t)
	}
	if !r.at.Started && !d.options.SnapshotOnly {
		r.at.Started, r.at.place = true, r.snapshot
	}
	r.time, r.inSnapshot = time.Now(), true
	r.noteSpan()
	r.task.Logger.Info("rows are read", "table", r.tables[r.at.Table].String(), "behind", r.at.After)
	return nil
}

// placedSnapshot begins a transaction, and returns its place in the log. MariaDB says it without locks. Other servers are locked for the moment, because a transaction
// is in their log before its rows are visible.
func (r *reader[K, V]) placedSnapshot(ctx context.Context) (at place, err error) {
	d := r.database
	if d.flavor == mysql.MariaDBFlavor && !d.lock {
		if _, err := r.queries.query(ctx, "START TRANSACTION WITH CONSISTENT SNAPSHOT"); err != nil {
			return at, err
		}
		status, err := r.queries.pairs(ctx, "SHOW STATUS WHERE Variable_name IN ('binlog_snapshot_file', 'binlog_snapshot_position')")
		if err != nil {
			return at, err
		}
		var pos uint32
		if _, err := fmt.Sscan(status["binlog_snapshot_position"], &pos); err != nil {
			return at, fmt.Errorf("place of the snapshot in the log, %q: %w", status["binlog_snapshot_position"], err)
		}
		return d.placeOf(ctx, r.queries, status["binlog_snapshot_file"], pos, "")
	}
	if _, err := r.queries.query(ctx, "FLUSH TABLES WITH READ LOCK"); err != nil {
		return at, fmt.Errorf("lock the server for the moment (GRANT RELOAD ON *.* TO the user): %w", err)
	}
	if _, err = r.queries.query(ctx, "START TRANSACTION WITH CONSISTENT SNAPSHOT"); err == nil {
		at, err = d.end(ctx, r.queries)
	}
	_, unlocked := r.queries.query(ctx, "UNLOCK TABLES")
	return at, errors.Join(err, unlocked)
}

// noteSpan keeps the place that the rest of the current table is read at.
func (r *reader[K, V]) noteSpan() {
	if r.database.options.SnapshotOnly {
		return
	}
	name := r.database.options.Tables[r.at.Table]
	spans := r.at.Ranges[name]
	if n := len(spans); n > 0 && slices.Equal(spans[n-1].From, r.at.After) {
		spans = spans[:n-1] // nothing was read with it
	}
	r.at.Ranges[name] = append(slices.Clone(spans), span{From: r.at.After, place: r.snapshot})
}

func (r *reader[K, V]) endSnapshot(ctx context.Context) error {
	r.inSnapshot = false
	if _, err := r.queries.query(ctx, "COMMIT"); err != nil {
		return fmt.Errorf("end the snapshot: %w", err)
	}
	r.at.Table, r.at.Done = 0, true
	return nil
}

// takeRow makes the records of a row.
func (r *reader[K, V]) takeRow(t *table, values []mysql.FieldValue, into *source.Batch[K, V]) error {
	fields := make([]row.Field, len(values))
	for i := range values {
		c := &t.columns[i]
		v, err := c.fromServer(&values[i], r.database.options.FloatDecimals)
		if err != nil {
			return connector.Permanent{Err: fmt.Errorf("table %s, column %q: %w", t, c.name, err)}
		}
		into.Bytes += int64(8 + len(values[i].AsString()))
		fields[i] = row.F(c.name, v)
	}
	change := Change{Op: Read, Schema: t.schema, Table: t.name, After: row.New(fields...), Time: r.time}
	var err error
	if change.Key, err = connector.Project(change.After, t.keyNames); err != nil {
		return connector.Permanent{Err: err}
	}
	after, err := t.keyTexts(change.Key)
	if err != nil {
		return connector.Permanent{Err: fmt.Errorf("table %s: %w", t, err)}
	}
	if err := r.emit(change, into); err != nil {
		return err
	}
	r.at.After = after
	return nil
}

// emit hands the records of a change to the batch.
func (r *reader[K, V]) emit(c Change, into *source.Batch[K, V]) error {
	err := r.database.options.Record(c, func(record weir.Record[K, V]) {
		if record.Millis == 0 {
			record.Millis = max(1, c.Time.UnixMilli())
		}
		into.Records = append(into.Records, record)
	})
	if err != nil {
		return connector.Permanent{Err: fmt.Errorf("record of the %v of %s.%s %v at %s: %w", c.Op, c.Schema, c.Table, c.Key, c.Time.UTC().Format(time.RFC3339), err)}
	}
	return nil
}
