package stream

import (
	"errors"
	"fmt"
	"strings"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/internal/typename"
	"github.com/weirstreams/weir/store"
)

// stateful is then for an operator with stores.
func (s Stream[K, V]) stateful[T, L, W any](kind graph.Kind, stores store.Handle[T], key codec.Codec[L], f build[K, V, L, W]) Stream[L, W] {
	n := &graph.Node{
		Kind:   kind,
		Rekeys: kind == "process" || kind == "processstate",  // which emit records of any key
		Effect: kind != "aggregate" && kind != "deduplicate", // others have functions that change state
	}
	var err error
	if stores != nil {
		err = declare(n, stores, s.key)
	}
	out := s.then(n, key, f)
	switch {
	case stores == nil:
		s.topology.graph.Find(n, "the store is nil")
	case err != nil:
		s.topology.graph.Find(n, "%v", err)
	}
	return out
}

// declare writes down the stores of a node.
func declare[K, T any](n *graph.Node, stores store.Handle[T], key codec.Codec[K]) error {
	uses, err := state.Declared(state.Declaration[T](stores))
	n.Shared = map[string]any{}
	for _, u := range uses {
		n.Stores = append(n.Stores, u.Name)
		n.Keep(u.Name, typename.Codec(key), u.Keeps)
		if u.Unlogged {
			n.WithoutChangelog(u.Name)
		}
		if _, ok := u.Store.(*state.Timers); !ok { // which could not tell whom to fire for
			n.Shared[u.Name] = u.Handle
			continue
		}
		n.Timed = true
		if n.Kind != "process" {
			err = errors.Join(err, fmt.Errorf("the timers of store %q would never fire: they are for Process", u.Name))
		}
	}
	if n.Detail == "" {
		n.Detail = strings.Join(n.Stores, "+")
	}
	return err
}
