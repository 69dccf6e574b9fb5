package sim

import (
	"context"
	"errors"
	"slices"

	"github.com/weirstreams/weir/internal/graph"
)

// calls are the calls of asynchronous operators, and the writes of sinks beside their tasks, that have not returned. They return one by
// one, in an order of the world's.
type calls struct {
	pending []func()
	choose  func(n int) int
	// running counts calls whose routine is suspended in the middle. await suspends the routine that waits for them; it is nil if there
	// are no routines.
	running int
	await   func(blocked func() bool)
}

// Start implements operator.Calls.
func (c *calls) Start(f func()) { c.pending = append(c.pending, f) }

// Wait implements operator.Calls.
func (c *calls) Wait(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	switch {
	case len(c.pending) > 0:
		c.one()
	case c.running > 0:
		n := c.running
		c.await(func() bool { return c.running >= n && len(c.pending) == 0 && ctx.Err() == nil })
	default:
		return errors.New("an operator waits for a call, and none is in flight")
	}
	return nil
}

// one lets a call return.
func (c *calls) one() {
	i := c.choose(len(c.pending))
	f := c.pending[i]
	c.pending = slices.Delete(c.pending, i, i+1)
	c.running++
	defer func() { c.running-- }()
	f()
}

// firstCall lets calls return in the order in which they were made.
func firstCall(int) int { return 0 }

// hasCalls reports whether a graph has asynchronous operators, or sinks that write beside their tasks.
func hasCalls(g *graph.Graph) bool {
	return slices.ContainsFunc(g.Nodes, func(n *graph.Node) bool {
		if n.External == nil {
			return n.Kind == "mapasync"
		}
		s, ok := n.External.Sink.(interface{ writesBeside() bool })
		return ok && s.writesBeside()
	})
}

// spawnCalls makes the routine in which the calls of a process return, if the topology has any.
func (p *process) spawnCalls() {
	if !hasCalls(p.world.plan.Graph) {
		return
	}
	p.calls = &calls{choose: p.world.random.IntN, await: func(blocked func() bool) { p.world.current.wait(blocked) }}
	p.caller = p.spawn("calls", func(r *routine) {
		for !p.finish {
			if len(p.calls.pending) > 0 {
				p.calls.one()
				r.worked = true
			}
			r.wait(func() bool { return len(p.calls.pending) == 0 && !p.finish })
			r.suspend()
		}
	})
}
