package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/sink"
)

// table is a sink of one's own: it inserts records into a table of an SQLite database, which it makes if there is none.
//
// A row is known by the place of its record in Kafka, and inserted once: after a crash, records are written again, and their rows are
// there already. So the table has each record once although the sink is at least once. The condition: a topology hands at most one
// record to the sink for each record that it reads.
type table struct {
	file string
	db   *sql.DB // from Connect to Close
}

// Connect makes the table, before the first record is read.
func (t *table) Connect(ctx context.Context) (err error) {
	if t.db, err = sql.Open("sqlite", "file:"+t.file+"?_pragma=busy_timeout(1000)"); err == nil {
		_, err = t.db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS records (
			topic TEXT, partition INTEGER, at INTEGER, key TEXT, value TEXT, PRIMARY KEY (topic, partition, at))`)
	}
	if err != nil {
		return fmt.Errorf("SQLite database %q: %w", t.file, err)
	}
	return nil
}

func (t *table) Close(context.Context) error { return t.db.Close() }

// Writer makes the writer of a task. It collects records, and calls insert with up to 1,000 of them.
func (t *table) Writer(context.Context, sink.Task) (sink.Writer[*string, *string], error) {
	return sink.NewBatchWriter(t.insert, sink.BatchOptions{}), nil
}

func (t *table) insert(ctx context.Context, records []weir.Record[*string, *string]) error {
	values := make([]any, 0, 5*len(records))
	for _, r := range records {
		values = append(values, r.Origin.Topic, r.Origin.Partition, r.Origin.Offset, r.Key, r.Value)
	}
	rows := strings.TrimSuffix(strings.Repeat("(?, ?, ?, ?, ?),", len(records)), ",")
	_, err := t.db.ExecContext(ctx, "INSERT INTO records VALUES "+rows+" ON CONFLICT DO NOTHING", values...)
	if e, ok := errors.AsType[*sqlite.Error](err); ok && e.Code()&0xff == codes.SQLITE_BUSY {
		return &weir.RetryLaterError{RetryAfter: time.Second, Err: err} // another program writes: the pipeline waits
	}
	return err
}
