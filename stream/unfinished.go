package stream

import "github.com/weirstreams/weir/internal/graph"

// unfinished records a declaration that does nothing until another call continues it, which sets Done.
func (t *Topology) unfinished(name, problem string, check func() error) *graph.Unfinished {
	u := &graph.Unfinished{Site: callSite(), Name: name, Problem: problem, Check: check}
	t.graph.Unfinished = append(t.graph.Unfinished, u)
	return u
}
