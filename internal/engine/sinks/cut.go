package sinks

import (
	"time"

	"github.com/weirstreams/weir/internal/background"
)

// Cut lets the sinks of the task write all records that they hold beside the task. ok is false if one of them cannot do that, or is in two
// phases. ended is called when one of them is done, on another goroutine perhaps.
func (t *Task) Cut(ended func()) (cuts []background.Cut, ok bool) {
	for i := range t.env.Drains {
		d := &t.env.Drains[i]
		if d.Phases != nil {
			return nil, false
		}
		cut := background.CutOf(t.env.Context, d.Flusher, ended)
		if cut == nil {
			return nil, false
		}
		cuts = append(cuts, cut)
	}
	if t.env.Trace != nil {
		t.env.Trace.Cut()
	}
	return cuts, true
}

// Wrote reports that the sinks of a task have written what they were told to write beside it.
func (c *Committer) Wrote(t *Task, took time.Duration) {
	if report := c.config.OnFlush; report != nil {
		for _, d := range t.env.Drains {
			report(t.graph.Nodes[d.Node].Detail, took, nil)
		}
	}
	if t.env.Trace != nil {
		for _, d := range t.env.Drains {
			t.env.Trace.Wrote(d.Node, t.graph.Nodes[d.Node].Detail, took)
		}
	}
}
