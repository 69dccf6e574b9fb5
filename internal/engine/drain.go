package engine

import (
	"errors"

	"github.com/weirstreams/weir/internal/graph"
)

// full reports whether a sink of the task would like to be flushed, or a source wants its positions to count.
func (t *task) full() bool {
	for _, d := range t.env.Drains {
		if d.Full() {
			return true
		}
	}
	for _, f := range t.env.Feeds {
		if f.Full() {
			return true
		}
	}
	return false
}

// discard forgets unwritten records of the sinks, and the records in buffers.
func (t *task) discard() {
	for _, b := range t.env.Buffers {
		b.Discard()
	}
	for _, d := range t.env.Drains {
		d.Discard()
	}
}

// closeDrains closes the writers of the task.
func (t *task) closeDrains() error {
	var failed []error
	for _, d := range t.env.Drains {
		if err := d.Close(); err != nil {
			failed = append(failed, graph.ExternalError(t.plan.Graph.Nodes[d.Node], "close the writer", err))
		}
	}
	t.env.Drains = nil
	return errors.Join(failed...)
}
