package sim

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/background"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/sink"
)

// expectation is the result of the reference model for the logs of the input topics.
type expectation struct {
	// output is the expected content of each output partition, by source: records of one source are in order, and
	// there is no order between sources.
	output map[broker.TopicPartition]map[string][]string
	// sinks has the records of sinks.
	sinks map[sinkPlace][]string
	// state is the expected content of each store, by task and store.
	state map[string]map[string]map[string]string
	// origin says which input record an output record comes of.
	origin map[string]place
}

// modelling is told when the model runs: a test that puts bugs into the library spares the model.
var modelling = func(bool) {}

// model folds the topology over its input. The log of a repartition topic is the input of the next part,
// after it was compared with the expected output of the part before.
func (w *world) model() *expectation {
	modelling(true)
	defer modelling(false)
	want := &expectation{output: map[broker.TopicPartition]map[string][]string{}, sinks: map[sinkPlace][]string{}, state: map[string]map[string]map[string]string{}, origin: map[string]place{}}
	globals := w.modelGlobals(w.reference.Globals, w.reference.Topic)
	for _, t := range w.tasks() {
		if err := w.fold(t, want, globals); err != nil {
			w.failf("reference model: task %s: %v", t.dir, err)
		}
	}
	return want
}

// fold is a task without anything that can fail: one record after the other, all state in memory.
func (w *world) fold(t task, want *expectation, globals map[*graph.Node]operator.GlobalTable) error {
	source, ringing := "", false
	inOrder := &calls{choose: firstCall}
	var env *operator.Env
	env = &operator.Env{
		Context: background.With(withSinks(want.writeSink, want), inOrder), Logger: slog.New(slog.DiscardHandler), Origin: weir.Origin{Partition: t.partition},
		Landing: true, Calls: inOrder,
		Space: func(name string) (state.Space, error) {
			return state.Space{Name: name, Backend: state.NewMemory(), Prefix: []byte{1}, CacheBytes: 1 << 30}, nil
		},
		Output: func(topic string) (operator.Output, error) {
			return &modelOutput{topic: topic, partitions: w.partitions[topic], source: &source, unordered: &ringing, env: env, want: want}, nil
		},
		DynamicOutput: func(_ context.Context, _ int, topic string, _ operator.TopicTemplate) (string, operator.Output, error) {
			if w.partitions[topic] == 0 {
				return topic, nil, fmt.Errorf("topic %q was not created", topic)
			}
			output, err := env.Output(topic)
			return topic, output, err
		},
	}
	if slices.ContainsFunc(w.reference.Graph.Nodes, waitsByTheClock) {
		env.Now = func() time.Time { return w.clock.Now().Add(-clockAhead) } // so that all that waits is due in the end
	}
	inputs, err := w.build(t, env, globals)
	if err != nil {
		return err
	}
	places, records, _ := w.processed(t)
	ordered := w.ordered[t.topics[0]]
	if len(places) != len(records) {
		return fmt.Errorf("%d records of the input, %d were processed according to the commits", len(records), len(places))
	}
	for _, p := range places {
		source = t.dir + " " + p.tp.Topic
		if ordered {
			source = t.dir
		}
		r := records[p]
		if r == nil {
			return fmt.Errorf("%s at offset %d was processed, and does not exist", p.tp, p.offset)
		}
		env.Origin.Topic, env.Origin.Offset, env.Origin.Size, env.Origin.LeaderEpoch = p.tp.Topic, p.offset, len(r.Value), r.LeaderEpoch // which joins keep
		if err := inputs[p.tp.Topic].Process(r); err != nil && (w.simulation.Skip == nil || !w.simulation.Skip(err)) {
			return fmt.Errorf("%s at offset %d: %w", p.tp, p.offset, err)
		}
		for err := env.Settle(); err != nil; err = env.Settle() {
			if w.simulation.Skip == nil || !w.simulation.Skip(err) {
				return fmt.Errorf("%s at offset %d: %w", p.tp, p.offset, err)
			}
		}
	}
	// Work that waits for the clock is done at the end: its result must not depend on the time. Its output has no order.
	for _, c := range env.Clocks {
		ringing = true
		if err := c.Ring(w.clock.Now().UnixMilli()); err != nil {
			return err
		}
		if err := env.Settle(); err != nil {
			return fmt.Errorf("by the clock: %w", err)
		}
	}
	for _, d := range env.Drains {
		if err := d.Flush(env.Context, sink.Checkpoint{ID: 1}); err != nil {
			return err
		}
		if d.Phases == nil {
			continue
		}
		if err := d.Tokens.Flush(func(_, token []byte) error { return d.Phases.Commit(env.Context, token) }); err != nil {
			return err
		}
	}
	want.state[t.dir] = map[string]map[string]string{}
	for _, s := range env.Stores {
		if _, ok := s.(*state.Tokens); ok {
			continue
		}
		rows := map[string]string{}
		want.state[t.dir][s.Name()] = rows
		err := s.Flush(func(key, value []byte) error {
			if value == nil {
				delete(rows, string(key))
			} else {
				rows[string(key)] = string(value)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// waitsByTheClock reports whether records wait in an operator until a time of the clock.
func waitsByTheClock(n *graph.Node) bool {
	return n.Kind == "joinlookup" && n.Stores != nil || n.Kind == "joinasof" && len(n.Stores) == 3
}

// build makes the operators of a task, and returns its inputs by topic.
func (w *world) build(t task, env *operator.Env, globals map[*graph.Node]operator.GlobalTable) (map[string]operator.Input, error) {
	builder := &graph.Builder{
		Env: env, Application: groupName, SubTopology: t.part.StreamID, Topic: w.reference.Topic, Global: func(n *graph.Node) operator.GlobalTable { return globals[n] },
	}
	inputs := map[string]operator.Input{}
	for _, n := range w.reference.SubTopologies[t.part.ID].Sources {
		topic := w.reference.Topic(n)
		if !slices.Contains(t.topics, topic) {
			continue
		}
		var err error
		if inputs[topic], err = builder.Input(n); err != nil {
			return nil, err
		}
	}
	return inputs, nil
}

// processed returns the input of a task, the order of its processing, and the positions of the records in their partitions.
func (w *world) processed(t task) (order []place, records map[place]*broker.Record, positions map[place]int) {
	records, positions = map[place]*broker.Record{}, map[place]int{}
	for _, topic := range t.topics {
		tp := broker.TopicPartition{Topic: topic, Partition: t.partition}
		for i, r := range w.readAll(tp) {
			at := place{tp, w.remadeBefore(tp, i), r.Offset}
			records[at], positions[at] = &r, i
			order = append(order, at)
		}
	}
	if w.ordered[t.topics[0]] {
		order = w.order[t.dir]
	}
	return order, records, positions
}

// writeSink is the model of the outside world.
func (e *expectation) writeSink(at sinkPlace, lines []string) (int, error) {
	e.sinks[at] = append(e.sinks[at], lines...)
	return len(lines), nil
}

// modelOutput notes the output of a task to a topic.
type modelOutput struct {
	topic      string
	partitions int32
	source     *string
	// unordered is set while there is no order between records: each has a source of its own.
	unordered *bool
	env       *operator.Env
	want      *expectation
}

// Partitions implements [operator.Output].
func (o *modelOutput) Partitions() int32 { return o.partitions }

// Append implements [operator.Output].
func (o *modelOutput) Append(partition int32, r *broker.Record) error {
	tp := broker.TopicPartition{Topic: o.topic, Partition: partition}
	if o.want.output[tp] == nil {
		o.want.output[tp] = map[string][]string{}
	}
	line, source := describe(r), *o.source
	if *o.unordered {
		source = fmt.Sprintf("%s, by the clock %d", source, len(o.want.output[tp]))
	}
	o.want.output[tp][source] = append(o.want.output[tp][source], line)
	from := o.env.Origin
	o.want.origin[tp.String()+line] = place{tp: broker.TopicPartition{Topic: from.Topic, Partition: from.Partition}, offset: from.Offset}
	return nil
}

// describe writes down all of a record but its offset.
func describe(r *broker.Record) string {
	var b strings.Builder
	text := func(data []byte) string {
		if data == nil {
			return "null"
		}
		return fmt.Sprintf("%q", data)
	}
	fmt.Fprintf(&b, "%s: %s @%d", text(r.Key), text(r.Value), r.Millis)
	for _, h := range r.Headers {
		fmt.Fprintf(&b, " %s=%s", h.Key, text(h.Value))
	}
	return b.String()
}

// outputTopics returns the topics that the topology writes, repartition topics included, sorted.
func (w *world) outputTopics() []string {
	topics := map[string]bool{}
	for _, n := range w.plan.Graph.Nodes {
		if n.Sink != nil {
			topics[w.plan.Topic(n)] = true
		}
	}
	for _, topic := range w.dynamic {
		topics[topic] = true
	}
	return slices.Sorted(maps.Keys(topics))
}

// findDynamicTopics finds the topics that were created because functions of the topology have named them.
func (w *world) findDynamicTopics() {
	if !slices.ContainsFunc(w.plan.Graph.Nodes, func(n *graph.Node) bool { return n.Kind == graph.KindDynamic }) {
		return
	}
	infos, err := w.broker.Topics(context.Background(), w.broker.TopicNames()...)
	if err != nil {
		w.failf("look up topics: %v", err)
	}
	for _, topic := range w.broker.TopicNames() {
		if _, known := w.partitions[topic]; !known {
			w.partitions[topic] = infos[topic].Partitions
			w.dynamic = append(w.dynamic, topic)
		}
	}
}
