// Package sinks flushes the sinks of tasks for checkpoints, and commits the work of sinks in two phases.
package sinks

import (
	"errors"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/internal/panics"
	"github.com/weirstreams/weir/operator"
)

// Task is the sinks of a task. It owns their writers, and the work that waits to be committed. Only the goroutine of the worker calls its
// methods.
type Task struct {
	name  string
	graph *graph.Graph
	env   *operator.Env
	// touch notes that the next checkpoint has something to do.
	touch func()
	// phases is nil if the task has no sink in two phases.
	phases *phases
	// broken is the panic of a method that returns no error. It is that of the next flush.
	broken error
}

// NewTask returns the sinks of a task, which its operators put into env. touch is called when the next checkpoint has something to
// do, tokens that are not needed any more.
func NewTask(name string, g *graph.Graph, env *operator.Env, touch func()) *Task {
	return &Task{name: name, graph: g, env: env, touch: touch}
}

// Open is called when the operators of the task are built.
func (t *Task) Open() {
	for i := range t.env.Drains {
		if t.env.Drains[i].Phases != nil {
			t.phases = &phases{results: make(chan commitResult, 1)}
		}
	}
}

// Any reports whether the task has sinks.
func (t *Task) Any() bool { return len(t.env.Drains) > 0 }

// Full reports whether a sink would like to be flushed. A sink that panics would: the flush returns the panic.
func (t *Task) Full() bool {
	for i := range t.env.Drains {
		if t.isFull(&t.env.Drains[i]) {
			return true
		}
	}
	return false
}

func (t *Task) isFull(d *operator.TaskDrain) (full bool) {
	defer func() {
		if p := recover(); p != nil {
			t.broken = graph.ExternalError(t.graph.Nodes[d.Node], "ask whether the writer is full", panics.Error(p))
			full = true
		}
	}()
	return d.Full()
}

// Discard forgets unwritten records. After a panic, which the next flush returns, nothing is written any more.
func (t *Task) Discard() {
	if t.env.Trace != nil {
		t.env.Trace.Discard()
	}
	for i := range t.env.Drains {
		d := &t.env.Drains[i]
		err := t.call(d.Node, "discard records", func() error {
			d.Discard()
			return nil
		})
		if err != nil {
			t.broken = err
		}
	}
}

// Close ends the commits of the task, waits for them, and closes the writers.
func (t *Task) Close() error {
	t.stopCommits()
	var failed []error
	for _, d := range t.env.Drains {
		if err := graph.CallExternal(t.graph.Nodes[d.Node], "close the writer", d.Close); err != nil {
			failed = append(failed, err)
		}
	}
	t.env.Drains = nil
	return errors.Join(failed...)
}

// call calls a method of a sink, or of its writer, and says in its error at which sink that was.
func (t *Task) call(node int, doing string, call func() error) error {
	return graph.CallExternal(t.graph.Nodes[node], doing, func() error {
		err := call()
		if e, ok := errors.AsType[*weir.RetryLaterError](err); ok {
			return &operator.UnsettledError{RetryLaterError: weir.RetryLaterError{RetryAfter: e.RetryAfter, Err: err}}
		}
		return err
	})
}
