package graph

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"github.com/weirstreams/weir/internal/panics"
)

// ExternalError says at which sink or source, declared where, something went wrong.
func ExternalError(n *Node, doing string, err error) error {
	if n.Source != nil {
		return fmt.Errorf("source %q (%s): %s: %w", n.Source.Topic, n.Site, doing, err)
	}
	return fmt.Errorf("sink %q (%s): %s: %w", n.Detail, n.Site, doing, err)
}

// CallExternal calls code of a sink or source. Its error, or its panic, names the place.
func CallExternal(n *Node, doing string, call func() error) error {
	if err := panics.Call(call); err != nil {
		return ExternalError(n, doing, err)
	}
	return nil
}

// ConnectExternals connects the sinks and sources of a topology, each once, in the order of their declaration, until one fails. The returned
// function closes those that were connected, in reverse. The caller calls it after an error too, with a context that has not ended.
func (g *Graph) ConnectExternals(ctx context.Context) (closeAll func(ctx context.Context) []error, err error) {
	var connected []*Node
	closeAll = func(ctx context.Context) (failed []error) {
		for _, n := range slices.Backward(connected) {
			if err := CallExternal(n, "close", func() error { return n.External.Close(ctx) }); err != nil {
				failed = append(failed, err)
			}
		}
		return failed
	}
	for _, n := range g.Nodes {
		if n.External == nil || slices.ContainsFunc(connected, func(o *Node) bool { return Same(o.External.Sink, n.External.Sink) }) {
			continue
		}
		if err := CallExternal(n, "connect", func() error { return n.External.Connect(ctx) }); err != nil {
			return closeAll, err
		}
		connected = append(connected, n)
	}
	return closeAll, nil
}

// Same reports whether two sinks, or two sources, are one. Values that cannot be compared never are.
func Same(a, b any) bool {
	return reflect.ValueOf(a).Comparable() && reflect.ValueOf(b).Comparable() && a == b
}
