package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/changelog"
	"github.com/weirstreams/weir/internal/engine/eventtime"
	"github.com/weirstreams/weir/internal/engine/outbox"
	"github.com/weirstreams/weir/internal/engine/provision"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/operator"
)

// outputs finds the outputs that the operators of tasks write to. Only the goroutine of the worker calls its methods.
//
// It promises that an output which counts towards a limit, or carries watermarks, does so whichever way an operator has come by it.
type outputs struct {
	config  *Config
	plan    *graph.Plan
	outbox  *outbox.Outbox
	dynamic *outbox.Dynamic
	// partitions are the numbers of partitions of the plan's topics.
	partitions map[string]int32
	// repartitions are the nodes that write internal topics, by topic.
	repartitions map[string]*graph.Node
}

// newOutputs returns the outputs of an outbox. topics are those of the plan.
func newOutputs(config *Config, plan *graph.Plan, cluster broker.Cluster, out *outbox.Outbox, topics *provision.Topics) *outputs {
	return &outputs{
		config: config, plan: plan, outbox: out, partitions: topics.Partitions, repartitions: eventtime.Repartitions(plan),
		dynamic: &outbox.Dynamic{
			Outbox: out, Cluster: cluster, ClusterName: plan.ClusterName, Inputs: plan.InputTopics(), Sources: plan.SourceTopics(), DeadLetters: plan.DeadLetters, Create: config.CreateTopics,
			Partitions: config.Partitions, Replication: config.Replication, Clock: config.Clock, Logger: config.Logger,
		},
	}
}

// of returns where the records of a task for a topic go.
func (o *outputs) of(t *task, topic string) (operator.Output, error) {
	out, err := o.counting(t, topic)
	if err == nil && t.trace != nil {
		out = t.trace.Output(out, topic)
	}
	return out, err
}

// counting returns an output that counts, or carries watermarks, if it has to.
func (o *outputs) counting(t *task, topic string) (operator.Output, error) {
	out, err := o.outbox.Topic(topic)
	if err != nil {
		return out, err
	}
	writer := o.repartitions[topic]
	switch {
	case isFeed(t.part) && slices.Contains(o.plan.InputTopics(), topic):
		return out, nil // an internal topic in all but name: its records are no outputs
	case writer == nil && o.config.Outputs != nil:
		return outbox.Counting(out, &t.env.Outputs), nil
	case writer != nil && o.config.IdleTimeout > 0 && eventtime.TimedBehind(o.plan.Graph, writer):
		now := func() int64 { return o.config.Clock.Now().UnixMilli() }
		t.promised[topic] = eventtime.NewOutput(out, t.id.Partition, func() changelog.Epoch { return t.assigned }, eventtime.UpstreamTasks(o.plan, o.partitions, writer), now, o.config.IdleTimeout.Milliseconds())
		return t.promised[topic], nil
	default:
		return out, nil
	}
}

// named returns the name on the cluster, and the output, of a topic that the function of a node has named. It looks the
// topic up at first use, and creates it if Config.Topics.Create is set. An error is that of the record, except if the
// cluster could not be asked.
func (o *outputs) named(
	ctx context.Context, t *task, node int, name string, template operator.TopicTemplate,
) (string, operator.Output, error) {
	topic, err := o.dynamic.Find(ctx, name, template)
	if err != nil {
		return topic, nil, err
	}
	out, err := o.of(t, topic)
	if err == nil {
		o.dynamic.Found(topic, o.plan.Graph.Nodes[node])
	}
	return topic, out, err
}

// observer is told of the records and the outputs of tasks. Only the goroutine of the worker calls its methods.
//
// It promises that each output counts once, in the checkpoint that covers it, and not at all if the worker goes back.
type observer struct {
	limit       *outbox.Limit     // nil if any number of outputs may be made
	onProcessed func(weir.Origin) // nil if nobody wants to hear of each record
}

// halts reports whether enough outputs were made: the worker processes nothing more unless some turn out not to count.
func (o observer) halts() bool { return o.limit != nil && o.limit.Enough() }

// lands reports whether settling a task waits for its calls always: a limit of outputs counts those of each record.
func (o observer) lands() bool { return o.limit != nil }

// note adds the outputs that a task has made since the last call to those that no checkpoint covers.
func (o observer) note(t *task) {
	if n := t.env.Outputs; n > 0 && o.limit != nil {
		t.env.Outputs = 0
		t.outputs += n
		o.limit.Add(n)
	}
}

// count counts the outputs of a task, which a checkpoint covers now.
func (o observer) count(t *task) {
	o.note(t)
	if t.outputs > 0 {
		o.limit.Count(t.outputs)
		t.outputs = 0
	}
}

// drop forgets the outputs of a task since the last checkpoint.
func (o observer) drop(t *task) {
	t.env.Outputs = 0
	if t.outputs > 0 {
		o.limit.Drop(t.outputs)
		t.outputs = 0
	}
}

// observes reports whether somebody wants to hear of each record.
func (o observer) observes() bool { return o.onProcessed != nil || o.limit != nil }

// observe tells of a record that was processed or skipped, and whether to process no more.
func (o observer) observe(t *task, r *broker.Record) (enough bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("OnProcessed: panic: %v", p)
		}
	}()
	o.note(t)
	if f := o.onProcessed; f != nil {
		f(weir.Origin{
			Topic: t.env.Origin.Topic, Partition: t.id.Partition, Offset: r.Offset, Size: len(r.Value), LeaderEpoch: r.LeaderEpoch,
		})
	}
	return o.halts(), nil
}
