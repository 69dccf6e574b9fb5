package stream

import (
	"time"

	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/sink"
)

// Sink hands the stream to a sink outside of Kafka. name names it in errors, logs and Describe. Delivery is at least
// once: see package sink. Records with null keys and null values are handed on like others.
func (s Stream[K, V]) Sink(name string, to sink.Sink[K, V]) {
	n := &graph.Node{Kind: graph.KindExternal, Detail: name, Effect: true}
	if to == nil {
		s.add(n)
		s.topology.graph.Find(n, "the sink is nil")
		return
	}
	n.External = &graph.External{Sink: to, Connect: to.Connect, Close: to.Close}
	n.Lower = func(b *graph.Builder, n *graph.Node) (any, error) {
		writer, err := to.Writer(b.Env.Context, sinkTask(b, name))
		if err != nil {
			return nil, graph.ExternalError(n, "open a writer", err)
		}
		return operator.Receiver[K, V](operator.NewSink(b.Env, n.ID, writer)), nil
	}
	s.add(n)
	if name == "" {
		s.topology.graph.Find(n, "the name of the sink is empty")
	}
}

// sinkTask names the task that is built, for a sink.
func sinkTask(b *graph.Builder, name string) sink.Task {
	task := sink.Task{
		Application: b.Application, SubTopology: b.SubTopology, Sink: name, Partition: b.Env.Origin.Partition,
		Logger: b.Env.Logger.With("sink", name), Now: b.Env.Now,
	}
	if task.Now == nil {
		task.Now = time.Now
	}
	return task
}
