package postgres_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/changetest"
	"github.com/weirstreams/weir/source/postgres"
)

// TestEachChangeIsReadOnceWhateverTheSnapshotsAndRestarts lets several clients change two tables, also by transactions that are rolled back or stay open for
// long, and by rows that move to other keys, while a reader reads and is started again at each of its positions. Each change must follow from the state
// that the changes before have made: the row before it is the one that is known, and an inserted row is not known.
func TestEachChangeIsReadOnceWhateverTheSnapshotsAndRestarts(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { randomChanges(t, seed) })
	}
}

func randomChanges(t *testing.T, seed uint64) {
	s := schema(t)
	db := connect(t)
	tables := []string{s + ".a", s + ".b"}
	for _, table := range tables {
		exec(t, db, "CREATE TABLE "+table+" (id text PRIMARY KEY, n int); ALTER TABLE "+table+" REPLICA IDENTITY FULL")
		exec(t, db, "INSERT INTO "+table+" SELECT 'k' || n, 0 FROM generate_series(0, 59, 2) AS n")
	}
	done := make(chan struct{})
	var clients sync.WaitGroup
	for n := range 3 {
		c := connect(t)
		random := rand.New(rand.NewPCG(seed, uint64(n)))
		clients.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if err := transaction(c, random, tables); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	o := postgres.Options[string, postgres.Change]{
		Tables: tables, Slot: s, ChunkRows: 7,
		Record: func(c postgres.Change, emit func(weir.Record[string, postgres.Change])) error {
			emit(weir.Record[string, postgres.Change]{Key: c.Table + c.Key.String(), Value: c})
			return nil
		},
	}
	random := rand.New(rand.NewPCG(seed, 99))
	p := start(t, o, nil)
	known := changetest.Rows{}
	changes := 0
	read := func() int {
		records, err := p.read()
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			c := r.Value
			known.Apply(t, changetest.Change{Op: c.Op.String(), Table: c.Table, Key: c.Key, Before: c.Before, After: c.After, Time: c.Time})
			if c.Op != postgres.Read {
				changes++
			}
		}
		return len(records)
	}
	for i := 0; changes < 1500; i++ {
		if t.Failed() {
			break
		}
		read()
		if i < 60 && random.IntN(3) == 0 || random.IntN(40) == 0 {
			if random.IntN(2) == 0 {
				if err := p.reader.Acknowledge(t.Context(), p.at); err != nil {
					t.Fatal(err)
				}
			}
			p.close()
			p.open()
		}
	}
	close(done)
	clients.Wait()
	for quiet := 0; quiet < 3 && !t.Failed(); quiet++ {
		if read() > 0 {
			quiet = 0
		}
	}
	p.close()
	for _, table := range tables {
		rows, err := db.Query(context.Background(), "SELECT id, n FROM "+table)
		if err != nil {
			t.Fatal(err)
		}
		var id string
		var n int
		if _, err := pgx.ForEachRow(rows, []any{&id, &n}, func() error {
			key := fmt.Sprintf(`%s{"id":"%s"}`, table[len(s)+1:], id)
			if got, want := known[key].String(), fmt.Sprintf(`{"id":"%s","n":%d}`, id, n); got != want {
				t.Errorf("row %s is read as %s, want %s", key, got, want)
			}
			delete(known, key)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	for key := range known {
		t.Errorf("row %s is gone, and its removal was not read", key)
	}
}

// transaction changes some rows.
func transaction(c *pgx.Conn, random *rand.Rand, tables []string) error {
	ctx := context.Background()
	tx, err := c.Begin(ctx)
	if err != nil {
		return err
	}
	for range 1 + random.IntN(6) {
		table, id, other := tables[random.IntN(2)], fmt.Sprint("k", random.IntN(60)), fmt.Sprint("k", random.IntN(60))
		statement := []string{
			"INSERT INTO " + table + " VALUES ($1, length($2)) ON CONFLICT DO NOTHING",
			"UPDATE " + table + " SET n = n + length($2) WHERE id = $1",
			"DELETE FROM " + table + " WHERE id = $1 AND $2 <> ''",
			"UPDATE " + table + " SET id = $2, n = n + 1000 WHERE id = $1 AND NOT EXISTS (SELECT FROM " + table + " WHERE id = $2)",
		}[random.IntN(4)]
		if _, err := tx.Exec(ctx, statement, id, other); err != nil {
			_ = tx.Rollback(ctx)
			return nil // a deadlock, or two rows with one key
		}
		if random.IntN(20) == 0 {
			if _, err := tx.Exec(ctx, "SELECT pg_sleep($1)", float64(random.IntN(200))/1000); err != nil {
				return err
			}
		}
	}
	if random.IntN(5) == 0 {
		return tx.Rollback(ctx)
	}
	return tx.Commit(ctx)
}
