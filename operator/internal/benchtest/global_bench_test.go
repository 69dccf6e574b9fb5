package benchtest_test

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/operator/internal/operatortest"
)

// product is a row of about 100 bytes of JSON.
type product struct {
	Name, Category, Maker string
	Price                 int
}

func productOf(i int) product {
	return product{Name: fmt.Sprint("product ", i), Category: "kitchen and household", Maker: "a maker of things", Price: i}
}

// loaded returns a table of products, and the encoded keys and values.
func loaded(b *testing.B, n int) (rows *operator.GlobalRows[string, product], keys []string, values [][]byte) {
	rows = operator.NewGlobalRows(codec.String(), codec.JSON[product]())
	env := &operator.Env{Logger: slog.New(slog.DiscardHandler)}
	input := rows.Input(env, 0, "products")
	keys, values = operatortest.Keys(n), make([][]byte, n)
	for i, key := range keys {
		var err error
		if values[i], err = codec.JSON[product]().Append(nil, &codec.Context{}, productOf(i)); err != nil {
			b.Fatal(err)
		}
		if err := input.Process(&broker.Record{Key: []byte(key), Value: values[i]}); err != nil {
			b.Fatal(err)
		}
	}
	return rows, keys, values
}

func benchGlobalJoin(b *testing.B, rows *operator.GlobalRows[string, product], keys []string, next operator.Receiver[string, int]) *operator.GlobalJoin[string, int, string, product, int] {
	return &operator.GlobalJoin[string, int, string, product, int]{
		Env: &operator.Env{Context: b.Context()}, Table: rows.View("products"), Next: next,
		Key:   func(_ context.Context, r *weir.Record[string, int]) (string, error) { return keys[r.Value], nil },
		Merge: func(_ context.Context, _ *weir.Record[string, int], p *product) (int, error) { return p.Price, nil },
	}
}

// A record is joined with a row, by one goroutine and by all at once.
func BenchmarkGlobalJoin(b *testing.B) {
	for _, n := range []int{1_000, 1_000_000} {
		rows, keys, _ := loaded(b, n)
		b.Run(fmt.Sprintf("keys=%d", n), func(b *testing.B) {
			out := &operatortest.Discarded{}
			j := benchGlobalJoin(b, rows, keys, out)
			r := weir.Record[string, int]{Key: "k"}
			b.ReportAllocs()
			for b.Loop() {
				if err := j.Receive(&r); err != nil {
					b.Fatal(err)
				}
				if r.Value += 7919; r.Value >= n {
					r.Value %= n
				}
			}
			if out.N == 0 {
				b.Fatal("nothing was joined")
			}
		})
		b.Run(fmt.Sprintf("parallel/keys=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(p *testing.PB) {
				j := benchGlobalJoin(b, rows, keys, &operatortest.Discarded{})
				r := weir.Record[string, int]{Key: "k"}
				for p.Next() {
					if err := j.Receive(&r); err != nil {
						b.Error(err)
						return
					}
					if r.Value += 7919; r.Value >= n {
						r.Value %= n
					}
				}
			})
		})
	}
}

// A table is filled: time and memory per row.
func BenchmarkGlobalLoad(b *testing.B) {
	for _, n := range []int{1_000, 1_000_000} {
		b.Run(fmt.Sprintf("keys=%d", n), func(b *testing.B) {
			records := make([]broker.Record, n)
			func() {
				_, keys, values := loaded(b, n)
				for i := range records {
					records[i] = broker.Record{Key: []byte(keys[i]), Value: values[i]}
				}
			}()
			var before, after runtime.MemStats
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				for range 3 { // what pools hold goes with the second
					runtime.GC()
				}
				runtime.ReadMemStats(&before)
				rows := operator.NewGlobalRows(codec.String(), codec.JSON[product]())
				input := rows.Input(&operator.Env{Logger: slog.New(slog.DiscardHandler)}, 0, "products")
				b.StartTimer()
				for i := range records {
					if err := input.Process(&records[i]); err != nil {
						b.Fatal(err)
					}
				}
				b.StopTimer()
				runtime.GC()
				runtime.ReadMemStats(&after)
				if rows.Len() != n {
					b.Fatal(rows.Len())
				}
				b.StartTimer()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/row")
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(n), "B/row")
		})
	}
}

// What else rows could be kept in, looked up by all goroutines at once: the reasons for the table of global_rows.go. "decode" is
// a map that nobody writes to, of rows that are decoded with each lookup.
func BenchmarkGlobalAlternatives(b *testing.B) {
	for _, n := range []int{1_000, 1_000_000} {
		_, keys, raw := loaded(b, n)
		encoded := make([][]byte, n)
		var locked sync.RWMutex
		plain, bytes := map[string]product{}, map[string][]byte{}
		var synced sync.Map
		for i, key := range keys {
			p := productOf(i)
			plain[key], bytes[key], encoded[i] = p, raw[i], []byte(key)
			synced.Store(key, &p)
		}
		decode := codec.JSON[product]()
		for _, c := range []struct {
			name string
			get  func(key []byte) (product, bool)
		}{
			{"RWMutex", func(key []byte) (product, bool) {
				locked.RLock()
				p, ok := plain[string(key)]
				locked.RUnlock()
				return p, ok
			}},
			{"sync.Map", func(key []byte) (product, bool) {
				p, ok := synced.Load(string(key))
				if !ok {
					return product{}, false
				}
				return *p.(*product), true
			}},
			{"decode", func(key []byte) (product, bool) {
				p, err := decode.Decode(&codec.Context{}, bytes[string(key)])
				return p, err == nil
			}},
		} {
			b.Run(fmt.Sprintf("%s/keys=%d", c.name, n), func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(p *testing.PB) {
					i := 0
					for p.Next() {
						if row, ok := c.get(encoded[i]); !ok || row.Price != i {
							b.Error(i)
							return
						}
						if i += 7919; i >= n {
							i %= n
						}
					}
				})
			})
		}
	}
}
