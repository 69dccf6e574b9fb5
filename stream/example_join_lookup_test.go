package stream_test

import (
	"context"
	"fmt"
	"time"

	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/stream"
)

// owners is a database that knows who owns which gate.
var owners = join.LookupFunc[string, string](func(_ context.Context, gates []string, found []*string) error {
	for i, gate := range gates {
		if gate == "north" {
			owner := "Ada"
			found[i] = &owner
		}
	}
	return nil
})

// pass prints what a topology makes of two gates, of which one has an owner.
func pass(t *stream.Topology) { meet(t, "1 gate north", "2 gate south") }

func ExampleStream_JoinLookup() {
	t := stream.NewTopology()
	cached := join.Cached(owners, join.CacheConfig{Size: 10_000, TTL: 5 * time.Minute})
	t.From(gates).JoinLookup(cached,
		func(gate string) string { return gate },
		func(gate, owner string) string { return gate + " of " + owner },
	).To(words)

	pass(t)
	// Output: 1 north of Ada
}

func ExampleStream_JoinLookupRecord() {
	t := stream.NewTopology()
	t.From(gates).JoinLookupRecord(owners,
		func(_ context.Context, r lineRecord) (string, error) { return r.Value, nil },
		func(_ context.Context, r lineRecord, owner string) (string, error) {
			return r.Key + ": " + r.Value + " of " + owner, nil
		},
	).To(words)

	pass(t)
	// Output: 1 k: north of Ada
}

func ExampleStream_LeftJoinLookup() {
	t := stream.NewTopology()
	t.From(gates).LeftJoinLookup(owners,
		func(gate string) string { return gate },
		func(gate string, owner *string) string { return gate + " of " + orNothing(owner) },
	).To(words)

	pass(t)
	// Output:
	// 1 north of Ada
	// 2 south of nothing
}

func ExampleStream_LeftJoinLookupRecord() {
	t := stream.NewTopology()
	t.From(gates).LeftJoinLookupRecord(owners,
		func(_ context.Context, r lineRecord) (string, error) { return r.Value, nil },
		func(_ context.Context, r lineRecord, owner *string) (string, error) {
			return fmt.Sprint(r.Value, " has an owner: ", owner != nil), nil
		},
	).To(words)

	pass(t)
	// Output:
	// 1 north has an owner: true
	// 2 south has an owner: false
}
