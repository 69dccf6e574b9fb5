package graph

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
)

// ExternalError says at which sink or source, declared where, something went wrong.
func ExternalError(n *Node, doing string, err error) error {
	if n.Source != nil {
		return fmt.Errorf("source %q (%s): %s: %w", n.Source.Topic, n.Site, doing, err)
	}
	return fmt.Errorf("sink %q (%s): %s: %w", n.Detail, n.Site, doing, err)
}

// ConnectExternals connects the sinks of a topology, each once, in the order of their declaration. The returned function
// closes them in reverse. After an error those that were connected are closed.
func (g *Graph) ConnectExternals(ctx context.Context) (closeAll func(ctx context.Context) []error, err error) {
	var connected []*Node
	closeAll = func(ctx context.Context) (failed []error) {
		for _, n := range slices.Backward(connected) {
			if err := n.External.Close(ctx); err != nil {
				failed = append(failed, ExternalError(n, "close", err))
			}
		}
		return failed
	}
	for _, n := range g.Nodes {
		if n.External == nil || slices.ContainsFunc(connected, func(o *Node) bool { return Same(o.External.Sink, n.External.Sink) }) {
			continue
		}
		if err := n.External.Connect(ctx); err != nil {
			return nil, errors.Join(append([]error{ExternalError(n, "connect", err)}, closeAll(ctx)...)...)
		}
		connected = append(connected, n)
	}
	return closeAll, nil
}

// Same reports whether two sinks, or two sources, are one. Values that cannot be compared never are.
func Same(a, b any) bool {
	return reflect.ValueOf(a).Comparable() && reflect.ValueOf(b).Comparable() && a == b
}
