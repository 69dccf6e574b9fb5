package postgres_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/postgres"
)

type reading struct {
	Sensor string  `json:"sensor"`
	Value  float64 `json:"value"`
	Count  int64   `json:"count"`
	Note   string  `json:"note"`
}

// BenchmarkSink compares the sink with the client alone: the same rows, 10,000 a checkpoint, in batches of pgx with one INSERT a row, and
// with COPY, each batch in a transaction. One operation is one record.
func BenchmarkSink(b *testing.B) {
	const checkpoint = 10_000
	of := func(i int) reading {
		return reading{fmt.Sprint("sensor-", i%1000), float64(i) / 7, int64(i), "a text of some length, as they are"}
	}
	columns := []string{"__key", "timestamp", "sensor", "value", "count", "note"}
	table := func(b *testing.B) (s string, c *pgx.Conn) {
		s = schema(b)
		exec(b, "CREATE TABLE "+s+`.t ("__key" text, "timestamp" timestamptz, sensor text, value double precision, count bigint, note text)`)
		return s, connect(b)
	}
	values := func(i int) []any {
		r := of(i)
		return []any{r.Sensor, at, r.Sensor, r.Value, r.Count, r.Note}
	}
	inTransaction := func(b *testing.B, c *pgx.Conn, f func(tx pgx.Tx) error) {
		if err := pgx.BeginFunc(context.Background(), c, f); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("pgx batch", func(b *testing.B) {
		s, c := table(b)
		insert := "INSERT INTO " + s + `.t ("__key", "timestamp", sensor, value, count, note) VALUES ($1, $2, $3, $4, $5, $6)`
		batch := &pgx.Batch{}
		flush := func() {
			inTransaction(b, c, func(tx pgx.Tx) error { return tx.SendBatch(context.Background(), batch).Close() })
			batch = &pgx.Batch{}
		}
		for i := 0; b.Loop(); i++ {
			if batch.Queue(insert, values(i)...); batch.Len() == checkpoint {
				flush()
			}
		}
		flush()
	})
	b.Run("pgx copy", func(b *testing.B) {
		s, c := table(b)
		var held [][]any
		flush := func() {
			inTransaction(b, c, func(tx pgx.Tx) error {
				_, err := tx.CopyFrom(context.Background(), pgx.Identifier{s, "t"}, columns, pgx.CopyFromRows(held))
				return err
			})
			held = held[:0]
		}
		for i := 0; b.Loop(); i++ {
			if held = append(held, values(i)); len(held) == checkpoint {
				flush()
			}
		}
		flush()
	})
	records := func(b *testing.B, add func(*weir.Record[string, reading]) error, flush func(id int64)) {
		r := &weir.Record[string, reading]{Millis: at.UnixMilli(), Origin: &weir.Origin{Topic: "in"}}
		id := int64(0)
		for i := 0; b.Loop(); i++ {
			r.Value = of(i)
			r.Key = r.Value.Sensor
			if err := add(r); err != nil {
				b.Fatal(err)
			}
			if i%checkpoint == checkpoint-1 {
				id++
				flush(id)
			}
		}
		flush(id + 1)
	}
	options := func(s string) postgres.Options[string, reading] {
		return postgres.Options[string, reading]{URL: secret.New(server), Schema: s, Table: "t", Batch: sink.BatchOptions{MaxRecords: checkpoint}}
	}
	b.Run("sink", func(b *testing.B) {
		s, _ := table(b)
		to := postgres.New(options(s))
		must(b, to.Connect(b.Context()))
		defer to.Close(context.Background())
		w, err := to.Writer(b.Context(), sink.Task{})
		must(b, err)
		records(b, func(r *weir.Record[string, reading]) error { return w.Add(b.Context(), r) }, func(id int64) {
			must(b, w.Flush(context.Background(), sink.Checkpoint{ID: id}))
		})
	})
	b.Run("sink, exactly once", func(b *testing.B) {
		s, _ := table(b)
		to := postgres.NewExactlyOnce(options(s))
		must(b, to.Connect(b.Context()))
		defer to.Close(context.Background())
		w, err := to.TwoPhaseWriter(b.Context(), sink.Task{})
		must(b, err)
		records(b, func(r *weir.Record[string, reading]) error { return w.Add(b.Context(), r) }, func(id int64) {
			token, err := w.Prepare(context.Background(), sink.Checkpoint{ID: id, Epoch: "01"})
			must(b, err)
			if token != nil {
				must(b, w.Commit(context.Background(), token))
			}
		})
	})
}
