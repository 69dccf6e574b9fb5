package sourcetest_test

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/sourcetest"
)

// server is a database in memory: the rows of each table.
type server struct {
	mu     sync.Mutex // guards tables
	tables map[string][]sourcetest.Item
}

func (s *server) insert(table string, items []sourcetest.Item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tables[table] = append(s.tables[table], items...)
}

func (s *server) rows(table string) []sourcetest.Item {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.tables[table])
}

// readFrom is the source under test. The position of a row is its number.
func (s *server) readFrom(table string) source.Source[*string, *string] {
	return source.Func(func(_ context.Context, position []byte, emit source.Emit[*string, *string]) error {
		next := 0
		if position != nil {
			last, err := strconv.Atoi(string(position))
			if err != nil {
				return err
			}
			next = last + 1
		}
		for i, row := range s.rows(table)[next:] {
			key, value := row.Pointers()
			if err := emit(weir.Record[*string, *string]{Key: key, Value: value}, strconv.AppendInt(nil, int64(next+i), 10)); err != nil {
				return err
			}
		}
		return nil
	})
}

// keepsItsPromises is the body of a test.
func keepsItsPromises(t *testing.T) {
	s := &server{tables: map[string][]sourcetest.Item{}}
	sourcetest.Run(t, sourcetest.System[*string, *string]{
		New:     func(_ testing.TB, place string) source.Source[*string, *string] { return s.readFrom(place) },
		Fill:    func(_ testing.TB, place string, items []sourcetest.Item) { s.insert(place, items) },
		Item:    func(r weir.Record[*string, *string]) sourcetest.Item { return sourcetest.OfPointers(r.Key, r.Value) },
		Bounded: true, Records: 1_000,
	})
}

func Example() {
	_ = keepsItsPromises // func TestTheSourceKeepsItsPromises(t *testing.T) calls it
}
