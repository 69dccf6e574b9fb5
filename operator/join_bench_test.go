package operator_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/store"
)

type discarded struct{ n int }

func (d *discarded) Receive(*operator.Record[string, int]) error { d.n++; return nil }

func benchEnv(b *testing.B) *operator.Env {
	backend := store.NewMemory()
	return &operator.Env{
		Context: b.Context(), Logger: slog.New(slog.DiscardHandler),
		Space: func(name string) (store.Space, error) {
			return store.Space{Name: name, Backend: backend, Prefix: []byte(name), CacheBytes: 4 << 30}, nil
		},
	}
}

func benchKeys(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("customer-%07d", i)
	}
	return keys
}

// A left record finds its match in a warm cache. The limit is 250 ns and 0 allocations (1,000 keys, reference machine).
func BenchmarkAsOfJoin(b *testing.B) {
	for _, n := range []int{1_000, 1_000_000} {
		b.Run(fmt.Sprintf("left/keys=%d", n), func(b *testing.B) {
			keys, env, out := benchKeys(n), benchEnv(b), &discarded{}
			j := benchAsOf(b, env, out)
			for i, key := range keys {
				for at := range int64(3) {
					r := operator.Record[string, int]{Key: key, Value: i, Millis: 1000 * at, Origin: &env.Origin}
					if err := j.Right().Receive(&r); err != nil {
						b.Fatal(err)
					}
				}
			}
			r := operator.Record[string, int]{Value: 1, Millis: 1500, Origin: &env.Origin}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				r.Key = keys[i]
				if i += 7919; i >= n {
					i %= n
				}
				if err := j.Receive(&r); err != nil {
					b.Fatal(err)
				}
			}
			if out.n == 0 {
				b.Fatal("nothing was joined")
			}
		})
		b.Run(fmt.Sprintf("right/keys=%d", n), func(b *testing.B) {
			keys, env := benchKeys(n), benchEnv(b)
			right := benchAsOf(b, env, &discarded{}).Right()
			r := operator.Record[string, int]{Value: 1, Origin: &env.Origin}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				r.Key = keys[i]
				if i += 7919; i >= n {
					i %= n
				}
				r.Millis++
				if err := right.Receive(&r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func benchAsOf(b *testing.B, env *operator.Env, out operator.Receiver[string, int]) *operator.AsOf[string, int, int, int] {
	j, err := operator.NewAsOf(env, 0, join.Grace(time.Minute), codec.String(), codec.Int(), codec.Int(), false,
		func(_ context.Context, l *operator.Record[string, int], r *operator.Matched[int]) (int, error) {
			return l.Value + r.Value, nil
		}, out)
	if err != nil {
		b.Fatal(err)
	}
	return j
}

// Each record is kept, joined with one or two of the other side, and dropped when its grace is over.
func BenchmarkIntervalJoin(b *testing.B) {
	for _, n := range []int{1_000, 1_000_000} {
		b.Run(fmt.Sprintf("keys=%d", n), func(b *testing.B) {
			keys, env, out := benchKeys(n), benchEnv(b), &discarded{}
			span := time.Duration(n) * 3 * time.Millisecond
			j, err := operator.NewInterval(env, 0, join.Within(span, span).Grace(span), codec.String(), codec.Int(), codec.Int(), false, false,
				func(_ context.Context, l, r *operator.Record[string, int]) (int, error) {
					return l.Value + r.Value, nil
				}, out)
			if err != nil {
				b.Fatal(err)
			}
			sides := []operator.Receiver[string, int]{j, j.Right()}
			r := operator.Record[string, int]{Value: 1, Origin: &env.Origin}
			b.ReportAllocs()
			i, side := 0, 0
			for b.Loop() {
				r.Key = keys[i]
				if i++; i == n {
					i, side = 0, 1-side
				}
				r.Millis++
				if err := sides[side].Receive(&r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
