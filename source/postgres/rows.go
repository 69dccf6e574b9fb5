package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/source"
)

// The rows that are there are read in the order of the primary key, a chunk at a time, all in one transaction. After a restart another
// transaction goes on behind the last key. The slot is older than the snapshots of both, so the log repeats changes that the rows have
// already. The position keeps which snapshot which part of a table was read with (span), and a change is left out if the snapshot of its row shows the
// transaction. Thus each change is in exactly one of the two, and no lock is taken. DBLog (Andreakis and Papapanagiotou, 2020) is a
// relative: it marks chunks in the log, where this keeps the snapshot of the server.

// readRows reads the next chunk.
func (r *reader[K, V]) readRows(ctx context.Context, into *source.Batch[K, V]) error {
	d := r.database
	if !r.inSnapshot {
		if err := r.beginSnapshot(ctx); err != nil {
			return err
		}
	}
	t := d.tables[r.at.Table]
	var where string
	var args [][]byte
	if r.at.After != nil {
		var marks []string
		for i, kind := range t.types {
			marks = append(marks, fmt.Sprintf("$%d::%s", i+1, kind))
			args = append(args, []byte(r.at.After[i]))
		}
		where = " WHERE (" + identifiers(t.key) + ") > (" + strings.Join(marks, ", ") + ")"
	}
	statement := fmt.Sprintf("SELECT * FROM ONLY %s%s ORDER BY %s LIMIT %d", t, where, identifiers(t.key), d.options.ChunkRows)
	result := r.queries.PgConn().ExecParams(ctx, statement, args, nil, nil, nil)
	fields := result.FieldDescriptions()
	names, oids := make([]string, len(fields)), make([]uint32, len(fields))
	for i, f := range fields {
		names[i], oids[i] = f.Name, f.DataTypeOID
	}
	count := 0
	var failed error
	for result.NextRow() {
		if failed != nil {
			continue // the connection is read to the end of the result
		}
		count++
		failed = r.takeRow(t, names, oids, result.Values(), into)
	}
	if _, err := result.Close(); err != nil {
		return fmt.Errorf("read the rows of table %s: %w", t, err)
	}
	if failed != nil {
		return failed
	}
	if count < d.options.ChunkRows {
		r.at.Table, r.at.After = r.at.Table+1, nil
		if r.at.Table == len(d.tables) {
			return r.endSnapshot(ctx)
		}
		r.noteSpan()
	}
	return nil
}

func (r *reader[K, V]) beginSnapshot(ctx context.Context) error {
	if _, err := r.queries.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
		return fmt.Errorf("begin the snapshot: %w", err)
	}
	if err := r.queries.QueryRow(ctx, "SELECT pg_current_snapshot()::text, clock_timestamp()").Scan(&r.stream.snapshot, &r.time); err != nil {
		return fmt.Errorf("begin the snapshot: %w", err)
	}
	r.inSnapshot = true
	r.noteSpan()
	r.task.Logger.Info("rows are read", "table", r.database.tables[r.at.Table].String(), "behind", r.at.After)
	return nil
}

// noteSpan keeps the snapshot that the rest of the current table is read with.
func (r *reader[K, V]) noteSpan() {
	name := r.database.options.Tables[r.at.Table]
	spans := r.at.Ranges[name]
	if n := len(spans); n > 0 && slices.Equal(spans[n-1].From, r.at.After) {
		spans = spans[:n-1] // nothing was read with it
	}
	r.at.Ranges[name] = append(spans, span{From: r.at.After, Snapshot: r.stream.snapshot})
}

func (r *reader[K, V]) endSnapshot(ctx context.Context) error {
	r.inSnapshot = false
	if _, err := r.queries.Exec(ctx, "COMMIT"); err != nil {
		return fmt.Errorf("end the snapshot: %w", err)
	}
	r.at.Table, r.at.Done = 0, true
	return nil
}

// takeRow makes the records of a row.
func (r *reader[K, V]) takeRow(t *table, names []string, oids []uint32, values [][]byte, into *source.Batch[K, V]) error {
	fields := make([]row.Field, len(names))
	after := make([]string, len(t.key))
	for i, name := range names {
		fields[i] = row.F(name, row.Null())
		if values[i] == nil {
			continue
		}
		text := string(values[i])
		into.Bytes += int64(len(text))
		v, err := decode(text, oids[i], r.database.options.FloatDecimals)
		if err != nil {
			return connector.Permanent{Err: fmt.Errorf("table %s, column %q, value %.100q: %w", t, name, text, err)}
		}
		fields[i] = row.F(name, v)
		for j, k := range t.key {
			if k == name {
				after[j] = text
			}
		}
	}
	c := Change{Op: Read, Schema: t.schema, Table: t.name, After: row.New(fields...), Time: r.time}
	var err error
	if c.Key, err = connector.Project(c.After, t.key); err != nil {
		return connector.Permanent{Err: err}
	}
	if err := r.emit(c, into); err != nil {
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

func identifiers(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = pgx.Identifier{n}.Sanitize()
	}
	return strings.Join(quoted, ", ")
}
