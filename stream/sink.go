package stream

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/internal/topicname"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/sink"
)

// Sink hands the stream to a sink outside of Kafka. name names it in errors, logs and Describe. Delivery is at least
// once, or exactly once for a [sink.TwoPhase] under that guarantee, which has a store for its tokens: see package sink. Records with null keys and null values are handed on like others.
func (s Stream[K, V]) Sink(name string, to sink.Sink[K, V]) {
	n := &graph.Node{Kind: graph.KindExternal, Detail: name, Effect: true}
	if isNil(to) {
		s.add(n)
		s.topology.graph.Find(n, "the sink is nil")
		return
	}
	n.External = &graph.External{Sink: to, Connect: to.Connect, Close: to.Close}
	if phases, ok := to.(sink.TwoPhase[K, V]); ok {
		declarePhases(n, name, phases)
		s.add(n)
		if name == "" {
			s.topology.graph.Find(n, "the name of the sink is empty")
		}
		return
	}
	n.Lower = func(b *graph.Builder, n *graph.Node) (any, error) {
		writer, err := openWriter(b, n, name, to.Writer)
		if err != nil {
			return nil, err
		}
		return operator.Receiver[K, V](operator.NewSink(b.Env, n.ID, writer)), nil
	}
	s.add(n)
	if name == "" {
		s.topology.graph.Find(n, "the name of the sink is empty")
	}
}

// declarePhases declares the store of a sink in two phases, and how its operator is made.
func declarePhases[K, V any](n *graph.Node, name string, to sink.TwoPhase[K, V]) {
	store := tokenStore(name)
	n.Stores = []string{store}
	n.Keep(store, "checkpoint", "token")
	n.Lower = func(b *graph.Builder, n *graph.Node) (any, error) {
		writer, err := openWriter(b, n, name, to.TwoPhaseWriter)
		if err != nil {
			return nil, err
		}
		x, err := operator.NewTwoPhaseSink(b.Env, n.ID, store, writer)
		if err != nil {
			return nil, err
		}
		return operator.Receiver[K, V](x), nil
	}
}

// openWriter returns the writer that a sink opens for a task.
func openWriter[W any](b *graph.Builder, n *graph.Node, name string, open func(context.Context, sink.Task) (W, error)) (writer W, err error) {
	err = graph.CallExternal(n, "open a writer", func() (err error) {
		writer, err = open(b.Env.Context, sinkTask(b, name))
		if err == nil && isNil(writer) {
			err = errors.New("the sink has returned no writer")
		}
		return err
	})
	return writer, err
}

// tokenStore returns the name of the store of a sink in two phases: that of the sink, with underscores in place of characters that no name
// of a topic has.
func tokenStore(name string) string {
	return "sink_" + strings.Map(func(r rune) rune {
		if topicname.CheckPart(string(r)) != nil {
			return '_'
		}
		return r
	}, name)
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
