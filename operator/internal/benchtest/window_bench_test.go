package benchtest_test

import (
	"fmt"
	"log/slog"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/window"
)

// BenchmarkWindows measures one record: a sum by each kind of window, with a warm cache, beside a Go map written by hand
// that holds one tumbling window for each key. Keys take turns. With expiry each key's time goes on by 1 s with each
// record, and windows take 10 s; without, time stands still. cpu-ns/op is what the process has used, which says more than
// ns/op on a machine that does other work too.
func BenchmarkWindows(b *testing.B) {
	of := func(n int) int { return n }
	for _, keys := range []int{1, 1000, 1_000_000} {
		names := make([]string, keys)
		for i := range names {
			names[i] = "key" + strconv.Itoa(i)
		}
		record := func(i int, expires, together bool) weir.Record[string, int] {
			r := weir.Record[string, int]{Key: names[i%keys], Value: i, Millis: 12_000}
			if expires {
				r.Millis = int64(i/keys) * 1000
				if !together { // with each round of the keys the windows of a tenth of them close
					r.Millis += int64(i%keys%10) * 1000
				}
			}
			return r
		}
		for _, k := range []struct {
			name    string
			d       window.Definition
			expires bool
		}{
			{"tumbling", window.Tumbling(10 * time.Second), true},
			{"tumbling-without-expiry", window.Tumbling(10 * time.Second), false},
			{"tumbling-by-partition", window.Tumbling(10 * time.Second).CloseByPartition(), true},
			{"hopping-5", window.Hopping(10*time.Second, 2*time.Second), true},
			{"hopping-5-without-expiry", window.Hopping(10*time.Second, 2*time.Second), false},
			{"sliding-10", window.Sliding(10 * time.Second), true},
			{"sliding-without-expiry", window.Sliding(10 * time.Second), false},
			{"sliding-10-by-partition", window.Sliding(10 * time.Second).CloseByPartition(), true},
			{"session", window.Session(10 * time.Second), true},
			{"session-without-expiry", window.Session(10 * time.Second), false},
			{"tumbling-count", window.TumblingCount(10), true},
			{"tumbling-count-without-expiry", window.TumblingCount(1 << 40), true},
			{"hopping-count", window.HoppingCount(10, 2), true},
			{"sliding-count", window.SlidingCount(10), true},
		} {
			b.Run(fmt.Sprintf("%s/keys=%d", k.name, keys), func(b *testing.B) {
				backend := state.NewMemory()
				env := &operator.Env{
					Context: b.Context(), Logger: slog.New(slog.DiscardHandler),
					Space: func(name string) (state.Space, error) {
						return state.Space{Name: name, Backend: backend, Prefix: []byte(name), CacheBytes: 4 << 30}, nil
					},
				}
				var end totalOfWindows
				w, err := operator.NewWindow(env, 0, k.d, window.Sum(of), operator.Emission[string, int, int]{}, codec.String(), &end)
				if err != nil {
					b.Fatal(err)
				}
				byPartition := k.d.Settings().ByPartition
				i := 0
				var r weir.Record[string, int] // here, as a source has it: it escapes
				next := func() {
					r = record(i, k.expires, byPartition)
					r.Origin = &env.Origin
					i++
					if err := w.Receive(&r); err != nil {
						b.Fatal(err)
					}
				}
				for range max(20, min(20*keys, 2*keys+20_000)) {
					next()
				}
				measure(b, next)
			})
		}
		b.Run(fmt.Sprintf("by-hand/keys=%d", keys), func(b *testing.B) {
			open := map[string]*openWindow{}
			var end total
			i := 0
			next := func() {
				r := record(i, true, false)
				i++
				start := r.Millis - r.Millis%10_000
				w := open[r.Key]
				if w == nil {
					w = &openWindow{start: start}
					open[r.Key] = w
				}
				if w.start != start {
					end.add(w.sum)
					*w = openWindow{start: start}
				}
				w.sum += r.Value
			}
			for range 2 * keys {
				next()
			}
			measure(b, next)
		})
	}
}

// measure runs the loop of a benchmark.
func measure(b *testing.B, next func()) {
	b.ReportAllocs()
	runtime.GC()
	before := cpuTime()
	for b.Loop() {
		next()
	}
	b.ReportMetric(float64((cpuTime()-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
}
