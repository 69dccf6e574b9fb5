package stream

import (
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/store"
)

// VersionedTableOf makes a table of a stream that keeps former rows by their times: a value is the row of its key from the time of the record on, and a null
// value deletes the row from then on. Records may come in any order of their times. Those that are older than the retention of the store, or further ahead of
// the clock than it allows, are late: they are skipped and counted.
//
// JoinTable and LeftJoinTable join a record with the row of its own time, and so do they with tables that Filter, Map and Join make of versioned ones. The
// table has the latest rows for all else: a record with an older time than the latest row of its key changes the past alone, and is no change of the table.
//
// JoinAsOf of two streams finds the same rows. It has a tolerance, and can look forward or wait; a table can be joined by several
// streams and with other tables, and has one store.
func VersionedTableOf[K, V any](s Stream[K, V], versions *store.VersionedHandle[V]) Table[K, V] {
	n := &graph.Node{Kind: "versionedtable"}
	var handle store.Handle[*store.Versioned[V]]
	if versions != nil {
		handle = versions
	}
	var err error
	if handle != nil {
		err = declare(n, handle, s.key)
	}
	copied := cloneHeld[V](s.node)
	rows := func(b *graph.Builder) (*operator.VersionedRows[K, V], error) {
		return graph.Share(b, n, func() (*operator.VersionedRows[K, V], error) {
			return operator.NewVersionedRows(b.Env, n.ID, versions, s.key)
		})
	}
	n.Lower = func(b *graph.Builder, n *graph.Node) (any, error) {
		r, err := rows(b)
		if err != nil {
			return nil, err
		}
		next, err := graph.Next[K, operator.Change[V]](b, n)
		if err != nil {
			return nil, err
		}
		return operator.Receiver[K, V](&operator.VersionedTable[K, V]{Rows: r, Clone: copied, Next: next}), nil
	}
	s.add(n)
	switch {
	case handle == nil:
		s.topology.graph.Find(n, "the store is nil")
	case err != nil:
		s.topology.graph.Find(n, "%v", err)
	}
	return Table[K, V]{
		topology: s.topology, node: n, key: s.key, value: codec.For[V](), of: []*graph.Node{n},
		view: func(b *graph.Builder) (operator.View[K, V], error) { return rows(b) },
	}
}
