package stream

import (
	"errors"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/operator"
)

// GlobalTable is a table that each process has whole, independent of its partitions: streams join it by any key that
// their records contain. It is a small value to be copied.
type GlobalTable[K, V any] struct {
	topology *Topology
	node     *graph.Node
	key      codec.Codec[K]
}

// GlobalTable reads a topic as a table, all partitions of it in each process: the latest record of a key, by offset, is its
// row, and a null value deletes the row; all records of a key have to be in one partition. Records with a null key are
// skipped and counted. WithTimestamps of the topic has no effect.
//
// Committed records alone are read. A process reads the topic up to where it ends before it joins the group, and goes on
// reading it in the background. Rows are kept in memory, decoded, without a changelog: a start reads the topic from its
// beginning, so it should be compacted, and fit into memory. It may be a topic that the topology reads as a stream, or writes;
// later records then see the written rows, but not at once.
//
// A record that does not decode goes to the error policy of the application. If the policy skips it, the row keeps its former value.
func (t *Topology) GlobalTable[K, V any](topic Topic[K, V]) GlobalTable[K, V] {
	n := t.graph.Add(&graph.Node{
		Kind: graph.KindGlobal, Detail: topic.name, Site: callSite(),
		Global: &graph.Global{
			Topic: topic.name, Partitions: topic.partitions, Config: topic.config,
			New: func() operator.GlobalTable { return operator.NewGlobalRows(topic.key, topic.value) },
		},
	})
	checkTopic(t, n, topic)
	return GlobalTable[K, V]{t, n, topic.key}
}

// view returns the view of a task on the rows.
func (t GlobalTable[K, V]) view(b *graph.Builder) (*operator.GlobalView[K, V], error) {
	if b.Global == nil {
		return nil, errors.New("there are no global tables")
	}
	return b.Global(t.node).(*operator.GlobalRows[K, V]).View(b.Topic(t.node)), nil
}
