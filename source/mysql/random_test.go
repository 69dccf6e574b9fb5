package mysql_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/go-mysql-org/go-mysql/client"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/changetest"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/source/mysql"
)

// TestEachChangeIsReadOnceWhateverTheSnapshotsAndRestarts lets several clients change two tables, also by transactions that are rolled back or stay open for
// long, and by rows that move to other keys, while a reader reads and is started again at each of its positions. Each change must follow from the state
// that the changes before have made: the row before it is the one that is known, and an inserted row is not known.
func TestEachChangeIsReadOnceWhateverTheSnapshotsAndRestarts(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { randomChanges(t, seed) })
	}
}

func randomChanges(t *testing.T, seed uint64) {
	t.Parallel()
	s := schema(t)
	db := connect(t)
	tables := []string{s + ".a", s + ".b"}
	for _, table := range tables { // keys with an order that only the server knows
		exec(t, db, "CREATE TABLE "+table+" (id varchar(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_german2_ci PRIMARY KEY, n int)")
		for n := 0; n < keys; n += 2 {
			exec(t, db, "INSERT INTO "+table+" VALUES (?, 0)", keyOf(n))
		}
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
	o := mysql.Options[string, mysql.Change]{
		URL: secret.New(server), Tables: tables, ChunkRows: 7,
		Record: func(c mysql.Change, emit func(weir.Record[string, mysql.Change])) error {
			emit(weir.Record[string, mysql.Change]{Key: c.Table + c.Key.String(), Value: c})
			return nil
		},
	}
	random := rand.New(rand.NewPCG(seed, 99))
	from := mysql.New(o)
	if seed%2 == 1 {
		mysql.Plain(from, false)
	}
	p := startOf(t, from, nil)
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
			if c.Op != mysql.Read {
				changes++
			}
		}
		return len(records)
	}
	for i := 0; changes < 500; i++ {
		if t.Failed() {
			break
		}
		read()
		if i < 30 && random.IntN(2) == 0 || random.IntN(40) == 0 {
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
		rows, err := db.Execute("SELECT id, n FROM " + table)
		if err != nil {
			t.Fatal(err)
		}
		for i := range rows.RowNumber() {
			id, _ := rows.GetString(i, 0)
			n, _ := rows.GetInt(i, 1)
			key := fmt.Sprintf(`%s{"id":"%s"}`, table[len(s)+1:], id)
			if got, want := known[key].String(), fmt.Sprintf(`{"id":"%s","n":%d}`, id, n); got != want {
				t.Errorf("row %s is read as %s, want %s", key, got, want)
			}
			delete(known, key)
		}
	}
	for key := range known {
		t.Errorf("row %s is gone, and its removal was not read", key)
	}
}

const keys = 60

// keyOf returns a key. The order of the letters is not that of their bytes.
func keyOf(n int) string {
	return string([]rune("aäBbCdDßsS"[:])[n%8]) + fmt.Sprint(n)
}

// transaction changes some rows.
func transaction(c *client.Conn, random *rand.Rand, tables []string) error {
	if err := c.Begin(); err != nil {
		return err
	}
	for range 1 + random.IntN(6) {
		table, id, other := tables[random.IntN(2)], keyOf(random.IntN(keys)), keyOf(random.IntN(keys))
		statement := strings.NewReplacer("$1", "'"+id+"'", "$2", "'"+other+"'").Replace([]string{
			"INSERT IGNORE INTO " + table + " VALUES ($1, length($2))",
			"UPDATE " + table + " SET n = n + length($2) WHERE id = $1",
			"DELETE FROM " + table + " WHERE id = $1",
			"UPDATE IGNORE " + table + " SET id = $2, n = n + 1000 WHERE id = $1",
		}[random.IntN(4)])
		if _, err := c.Execute(statement); err != nil {
			_ = c.Rollback()
			return nil // a deadlock, or two rows with one key
		}
		if random.IntN(20) == 0 {
			if _, err := c.Execute(fmt.Sprintf("DO sleep(%f)", float64(random.IntN(50))/1000)); err != nil {
				return err
			}
		}
	}
	if random.IntN(5) == 0 {
		return c.Rollback()
	}
	return c.Commit()
}
