package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/background"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/eventtime"
	"github.com/weirstreams/weir/internal/engine/provision"
	"github.com/weirstreams/weir/internal/engine/sinks"
	"github.com/weirstreams/weir/internal/engine/stores"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/operator"
)

// builder builds tasks: their databases, and their operators with everything that these ask for. It neither restores nor starts them. Only the
// goroutine of the worker calls its methods.
//
// It promises that a task with an error has left nothing open, and that a database which is damaged is deleted.
type builder struct {
	config   *Config
	plan     *graph.Plan
	cluster  broker.Cluster
	topics   *provision.Topics // those of the plan
	outputs  *outputs
	observer observer
	refusals *refusals
	// step returns the context of the call that is under way, and wake makes the worker look at sources and calls.
	step func() context.Context
	wake func()
	// rebuilt counts the databases that were deleted because they were damaged.
	rebuilt map[TaskID]int64
}

// open opens the database of a task and builds its operators. The task is neither restored nor fetching yet.
func (b *builder) open(ctx context.Context, id TaskID, topics []string) (t *task, err error) {
	part := b.plan.SubTopologies[id.Part]
	if err := b.topics.RefuseAdded(ctx, b.cluster, part, id.Partition, topics); err != nil {
		return nil, fmt.Errorf("task %s: %w", taskName(part, id.Partition), err)
	}
	t = &task{
		id: id, part: part, plan: b.plan, name: taskName(part, id.Partition),
		inputs:    map[string]operator.Input{},
		search:    &b.refusals.search,
		served:    b.config.Served,
		failures:  b.refusals.failures,
		upstreams: map[string]*eventtime.Upstream{}, promised: map[string]*eventtime.Output{},
	}
	logger := b.config.Logger.With(slog.String("task", t.name))
	t.stores = stores.New(stores.Config{
		Task: t.name, Partition: id.Partition, ExactlyOnce: b.config.ExactlyOnce, Partitions: b.topics.Partitions, Clock: b.config.Clock, Logger: logger,
	})
	t.input = t.stores.Input
	t.sinks = sinks.NewTask(t.name, b.plan.Graph, &t.env, func() { t.changed = true })
	defer func() {
		if err != nil {
			damage := t.stores.Damage()
			err = errors.Join(fmt.Errorf("task %s: %w", t.name, err), t.close(false))
			if damage != nil {
				err = errors.Join(err, b.dropDamaged(id, t.name, damage))
			}
		}
	}()
	if len(part.Stores) > 0 {
		if err = b.openState(t); err != nil {
			return t, err
		}
	}
	t.env = operator.Env{
		Context: background.With(ctx, b.config.Calls), Logger: logger,
		Origin: weir.Origin{Partition: id.Partition}, Now: b.config.Clock.Now,
		Step: b.step, OnLate: b.config.OnLate,
		Calls: b.config.Calls, Wake: b.wake, Landing: b.observer.lands(),
		Group: b.plan.Group, MayRead: b.config.MayRead,
		Space: func(name string) (state.Space, error) {
			backend, prefix, err := t.stores.Space(name)
			return state.Space{
				Name: name, Backend: backend, Prefix: prefix, CacheBytes: b.config.CacheBytes, Now: b.config.Clock.Now,
				Limits: b.config.StoreLimits,
			}, err
		},
		Output:    func(topic string) (operator.Output, error) { return b.outputs.of(t, topic) },
		KeepsTime: b.keepsTime(part), LeastMillis: eventtime.Absent, Paced: b.paced(),
		DynamicOutput: func(ctx context.Context, node int, topic string, template operator.TopicTemplate) (string, operator.Output, error) {
			return b.outputs.named(ctx, t, node, topic, template)
		},
	}
	if b.config.Tracing != nil {
		t.trace = b.config.Tracing.NewTask(&t.env, t.name)
		t.env.Trace = t.trace
	}
	if b.refusals.failures.policy.WatchesDrops() || b.refusals.failures.onDropped != nil {
		t.env.OnDrop = t.drop
	}
	if b.observer.observes() {
		t.observe = b.observer.observe
	}
	builder := &graph.Builder{Env: &t.env, Application: b.plan.Group, SubTopology: part.StreamID, Topic: b.plan.Topic}
	if g := b.config.Globals; g != nil {
		builder.Global = g.Table
	}
	for _, n := range part.Sources {
		topic := b.plan.Topic(n)
		if !slices.Contains(topics, topic) {
			continue
		}
		if t.inputs[topic], err = builder.Input(n); err != nil {
			return t, err
		}
		if t.trace != nil {
			t.inputs[topic] = t.trace.Input(t.inputs[topic], topic)
		}
		t.input.Add(topic)
		if writer := n.Source.Repartition; writer != nil {
			t.upstreams[topic] = eventtime.NewUpstream(eventtime.UpstreamTasks(b.plan, b.topics.Partitions, writer))
		}
	}
	t.sinks.Open()
	if b.config.IdleTimeout > 0 {
		t.time = eventtime.New(b.plan, t.part, t.id.Partition, b.config.IdleTimeout, &t.env, taskInput{t}, t.upstreams, t.promised)
	}
	for _, s := range part.Stores {
		i := slices.IndexFunc(t.env.Stores, func(o state.Store) bool { return o.Name() == s.Name })
		if i < 0 {
			continue // behind a source whose topic has fewer partitions
		}
		if err := t.stores.Add(s, t.env.Stores[i], i, b.outputs.outbox, b.config.OnReformat); err != nil {
			return t, err
		}
	}
	return t, nil
}

// openState opens the database of a task. A damaged one is deleted: the changelogs hold its content.
func (b *builder) openState(t *task) error {
	err := b.tryOpenState(t)
	if errors.Is(err, weir.ErrCorruptState) {
		if err := b.dropDamaged(t.id, t.name, err); err != nil {
			return err
		}
		err = b.tryOpenState(t)
	}
	return err
}

func (b *builder) tryOpenState(t *task) error {
	backend, err := b.config.OpenBackend(t.name)
	if err != nil {
		return err
	}
	return t.stores.Open(backend)
}

// dropDamaged deletes the database of a closed task, and counts it.
func (b *builder) dropDamaged(id TaskID, name string, damage error) error {
	b.config.Logger.Error("state is damaged; it is deleted and restored from the changelogs", "task", name, "error", damage)
	if lost := b.plan.SubTopologies[id.Part].UnloggedStores(); len(lost) > 0 {
		b.config.Logger.Error("stores without a changelog begin empty, because the database is damaged", "task", name, "stores", lost)
	}
	b.rebuilt[id]++
	return b.config.DestroyBackend(name)
}

// paced returns a function that reports whether the input of a node, by its number, comes through a repartition topic.
func (b *builder) paced() func(node int) bool {
	if b.config.IdleTimeout <= 0 {
		return nil
	}
	return func(node int) bool { return eventtime.BehindRepartition(b.plan.Graph.Nodes[node]) }
}

// keepsTime reports whether operators of a part have to know their watermarks, because something behind depends on them.
func (b *builder) keepsTime(part *graph.SubTopology) bool {
	return b.config.IdleTimeout > 0 && slices.ContainsFunc(part.Nodes, func(n *graph.Node) bool {
		return n.Source == nil && n.Sink == nil && eventtime.TimedBehind(b.plan.Graph, n)
	})
}
