package sim

import (
	"context"
	"log/slog"
	"reflect"
	"slices"
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/globaltable"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/operator"
)

// loadGlobals loads global tables as package runtime does: a routine reads them, and the process goes on when they are
// loaded.
func (p *process) loadGlobals(r *routine) error {
	w := p.world
	if len(w.plan.Globals) == 0 {
		return nil
	}
	inner, err := w.broker.NewFetcher(broker.FetcherConfig{})
	if err != nil {
		return err
	}
	f := &fetcher{Fetcher: inner, world: w, slow: map[broker.TopicPartition]time.Time{}, paused: map[broker.TopicPartition]bool{}}
	g := globaltable.New(w.config.engine.ForGlobals(w.plan, nil), w.plan, w.broker, f, w.partitions)
	if err := g.Begin(context.Background()); err != nil {
		return err
	}
	p.globals = g
	p.reader = p.spawn("globals", func(r *routine) {
		for !p.readEnough {
			worked, err := g.Step(context.Background(), 0)
			if err != nil {
				p.fail(err)
				break
			}
			r.worked = worked
			r.suspend()
		}
		_ = g.Close()
	})
	r.wait(func() bool { return !g.Loaded() && !p.reader.done && !p.stopping })
	return p.err
}

// stopGlobals ends the routine and waits for it.
func (p *process) stopGlobals(r *routine) {
	p.readEnough = true
	if p.reader != nil {
		r.wait(func() bool { return !p.reader.done })
	}
}

// readingGlobals reports whether there is a process with incomplete global tables.
func (w *world) readingGlobals() bool {
	return len(w.plan.Globals) > 0 && slices.ContainsFunc(w.members, func(m *member) bool {
		p := m.process
		return p == nil || p.globals == nil || !p.globals.Loaded() || !p.reader.runnable(w.clock.Now())
	})
}

// modelGlobals makes the global tables of the whole logs of their topics.
func (w *world) modelGlobals(globals []*graph.Node, topic func(*graph.Node) string) map[*graph.Node]operator.GlobalTable {
	tables := map[*graph.Node]operator.GlobalTable{}
	for _, n := range globals {
		table := n.Global.New()
		tables[n] = table
		input := table.Input(&operator.Env{Context: context.Background(), Logger: slog.New(slog.DiscardHandler)}, n.ID, topic(n))
		for p := range w.partitions[topic(n)] {
			for _, r := range w.broker.Read(broker.TopicPartition{Topic: topic(n), Partition: p}, 0) {
				if err := input.Process(&r); err != nil {
					w.failf("reference model: %s at offset %d: %v", n, r.Offset, err)
				}
			}
		}
	}
	return tables
}

// checkGlobals compares the global tables of all processes with the logs of their topics.
func (w *world) checkGlobals() {
	modelling(true)
	want := w.modelGlobals(w.plan.Globals, w.plan.Topic)
	modelling(false)
	for _, m := range w.members {
		if m.process == nil || m.process.globals == nil {
			continue
		}
		for _, n := range w.plan.Globals {
			wanted, got := contents(want[n]), contents(m.process.globals.Table(n))
			if !reflect.DeepEqual(wanted, got) {
				w.failf("%s: %s has the rows %v and not %v", m.process.name, n, got, wanted)
			}
		}
	}
}

func contents(t operator.GlobalTable) map[string]any {
	rows := map[string]any{}
	for key, row := range t.Rows() {
		rows[key] = row
	}
	return rows
}

// feedGlobals writes the first records of the topics of global tables before any process starts.
func (w *world) feedGlobals(inputs []Input) {
	for i, in := range inputs {
		if slices.ContainsFunc(w.plan.Globals, func(n *graph.Node) bool { return w.plan.Topic(n) == in.Topic }) {
			w.write(&w.inputs[i], len(in.Records)-in.Later)
		}
	}
}
