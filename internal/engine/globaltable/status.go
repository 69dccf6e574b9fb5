package globaltable

import (
	"slices"
	"sync"
	"time"
)

// Status is the state of a global table.
type Status struct {
	Topic string
	// Loading is true until the table holds the records that were in the topic when reading began. Began is when that was.
	Loading bool
	Began   time.Time
	// Rows is how many rows the table has.
	Rows int64
	// Records is how many records were read, Bytes the size of their keys and values, and Remaining roughly how many are left
	// until the table is loaded.
	Records, Bytes, Remaining int64
	// DeadLetters is how many of the skipped records have dead letters.
	DeadLetters int64
	// Skipped is how many records failed and were skipped, Ignored those that a codec passed over, NullKeys those without a key.
	Skipped, Ignored, NullKeys int64
	// Lag is the number of offsets between the position and the last seen end of the topic.
	Lag int64
}

// board is where Globals leaves its status for other goroutines.
type board struct {
	mu     sync.Mutex // guards tables
	tables []Status
}

// publish updates the status. It is called after each batch.
func (g *Tables) publish() {
	g.board.mu.Lock()
	defer g.board.mu.Unlock()
	g.board.tables = g.board.tables[:0]
	for _, t := range g.tables {
		s := Status{
			Topic: t.topic, Loading: !t.loaded, Began: t.began, Rows: int64(t.rows.Len()), Records: t.records, Bytes: t.bytes,
			Remaining: t.remaining(), Skipped: t.skipped, DeadLetters: t.letters, Ignored: t.env.Ignored, NullKeys: t.env.NullKeys,
		}
		for _, p := range t.partitions {
			s.Lag += max(0, p.end-p.position)
		}
		g.board.tables = append(g.board.tables, s)
	}
}

// Status returns the status of the tables, in the order of their declaration. Any goroutine may call it.
func (g *Tables) Status() []Status {
	g.board.mu.Lock()
	defer g.board.mu.Unlock()
	return slices.Clone(g.board.tables)
}
