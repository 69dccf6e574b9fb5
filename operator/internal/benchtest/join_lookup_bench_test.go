package benchtest_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/operator/internal/operatortest"
)

// Records are joined with rows from a cache that has all, or from a lookup that takes no time, in batches of some sizes.
func BenchmarkLookupJoin(b *testing.B) {
	row := 1
	direct := join.LookupFunc[string, int](func(_ context.Context, queries []string, found []*int) error {
		for i := range queries {
			found[i] = &row
		}
		return nil
	})
	for _, keys := range []int{1_000, 1_000_000} {
		cached := join.Cached(direct, join.CacheConfig{Size: keys, TTL: 1 << 60})
		for _, batch := range []int{1, 100} {
			for name, lookup := range map[string]join.Lookup[string, int]{"cached": cached, "direct": direct} {
				b.Run(fmt.Sprintf("%s/keys=%d/batch=%d", name, keys, batch), func(b *testing.B) {
					names, env, out := operatortest.Keys(keys), benchEnv(b), &operatortest.Discarded{}
					op := operator.NewLookup(env, 0, lookup, false,
						func(_ context.Context, r *weir.Record[string, int]) (string, error) { return r.Key, nil },
						func(_ context.Context, r *weir.Record[string, int], row *int) (int, error) {
							return r.Value + *row, nil
						},
						operator.Receiver[string, int](out))
					r := weir.Record[string, int]{Value: 1, Origin: &env.Origin}
					i, n := 0, 0
					b.ReportAllocs()
					for b.Loop() {
						r.Key = names[i]
						if i += 7919; i >= keys {
							i %= keys
						}
						if err := op.Receive(&r); err != nil {
							b.Fatal(err)
						}
						if n++; n == batch {
							n = 0
							if err := env.Settle(); err != nil {
								b.Fatal(err)
							}
						}
					}
				})
			}
		}
	}
}
