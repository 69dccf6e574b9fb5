package stream

import (
	"bytes"
	"context"
	"slices"
	"sync"

	"github.com/weirstreams/weir"
)

// Collector keeps records, for debugging and tests. The zero value is ready. Any goroutine may call its methods.
type Collector[K, V any] struct {
	mu      sync.Mutex // guards records
	records []weir.Record[K, V]
}

// Collect keeps all records in c and passes them on unchanged. Memory grows with each; records processed again after a
// failure are collected again. Values are not copied: a function that changes one later changes the kept value.
func (s Stream[K, V]) Collect(c *Collector[K, V]) Stream[K, V] {
	out := s.watch("collect", "", func(_ context.Context, r *weir.Record[K, V]) error {
		c.add(r)
		return nil
	})
	if c == nil {
		s.topology.graph.Find(out.node, "the collector is nil")
	}
	return out
}

func (c *Collector[K, V]) add(r *weir.Record[K, V]) {
	kept := *r
	kept.Headers = slices.Clone(r.Headers)
	for i := range kept.Headers {
		kept.Headers[i].Value = bytes.Clone(kept.Headers[i].Value)
	}
	if r.Origin != nil {
		origin := *r.Origin
		kept.Origin = &origin
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.records = append(c.records, kept)
}

// Records returns the collected records, with keys, times, headers and origins, in order of arrival. The order between
// partitions is not defined.
func (c *Collector[K, V]) Records() []weir.Record[K, V] {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.records)
}

// Values returns the values of Records.
func (c *Collector[K, V]) Values() []V {
	c.mu.Lock()
	defer c.mu.Unlock()
	values := make([]V, len(c.records))
	for i := range c.records {
		values[i] = c.records[i].Value
	}
	return values
}

// Len returns how many records were collected.
func (c *Collector[K, V]) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.records)
}
