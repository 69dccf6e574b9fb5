package sinktest_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/sinktest"
)

// server is a database in memory: the rows of each table.
type server struct {
	mu     sync.Mutex // guards tables, as tasks write at the same time
	tables map[string][]sinktest.Item
}

// insertInto is the sink under test. It appends rows to a table.
func (s *server) insertInto(table string) sink.Sink[*string, *string] {
	return sink.Batch(func(_ context.Context, records []weir.Record[*string, *string]) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, r := range records {
			s.tables[table] = append(s.tables[table], sinktest.OfPointers(r.Key, r.Value))
		}
		return nil
	}, sink.BatchOptions{})
}

func (s *server) rows(table string) []sinktest.Item {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.tables[table])
}

// keepsItsPromises is the body of a test.
func keepsItsPromises(t *testing.T) {
	s := &server{tables: map[string][]sinktest.Item{}}
	sinktest.Run(t, sinktest.Target[*string, *string]{
		New:     func(_ testing.TB, place string) sink.Sink[*string, *string] { return s.insertInto(place) },
		Record:  func(i sinktest.Item) (key, value *string) { return i.Pointers() },
		Read:    func(_ testing.TB, place string) []sinktest.Item { return s.rows(place) },
		Records: 1_000,
	})
}

func Example() {
	_ = keepsItsPromises // func TestTheSinkKeepsItsPromises(t *testing.T) calls it
}
