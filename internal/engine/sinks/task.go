// Package sinks flushes the sinks of tasks for checkpoints, and commits the work of sinks in two phases.
package sinks

import (
	"errors"
	"fmt"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/graph"
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

// Full reports whether a sink would like to be flushed.
func (t *Task) Full() bool {
	for _, d := range t.env.Drains {
		if d.Full() {
			return true
		}
	}
	return false
}

// Discard forgets unwritten records.
func (t *Task) Discard() {
	for _, d := range t.env.Drains {
		d.Discard()
	}
}

// Close ends the commits of the task, waits for them, and closes the writers.
func (t *Task) Close() error {
	t.stopCommits()
	var failed []error
	for _, d := range t.env.Drains {
		if err := d.Close(); err != nil {
			failed = append(failed, graph.ExternalError(t.graph.Nodes[d.Node], "close the writer", err))
		}
	}
	t.env.Drains = nil
	return errors.Join(failed...)
}

// call calls a method of a sink, or of its writer, and says in its error at which sink that was.
func (t *Task) call(node int, doing string, call func() error) (failure error) {
	n := t.graph.Nodes[node]
	defer func() {
		if p := recover(); p != nil {
			failure = graph.ExternalError(n, doing, fmt.Errorf("panic: %v", p))
		}
	}()
	if err := call(); err != nil {
		if e, ok := errors.AsType[*weir.RetryLaterError](err); ok {
			err = &operator.UnsettledError{RetryLaterError: weir.RetryLaterError{RetryAfter: e.RetryAfter, Err: err}}
		}
		return graph.ExternalError(n, doing, err)
	}
	return nil
}
