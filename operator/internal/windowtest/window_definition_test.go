package windowtest_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/window"
)

// over opens windows over what a database holds, processes one record, and writes a checkpoint.
func over[A, R any](t *testing.T, backend state.Backend, d window.Definition, a window.Aggregator[int, A, R], key string, millis int64) error {
	t.Helper()
	env := &operator.Env{
		Context: t.Context(), Logger: slog.New(slog.DiscardHandler),
		Space: func(name string) (state.Space, error) {
			return state.Space{Name: name, Backend: backend, Prefix: []byte(name + "\x00"), CacheBytes: 1 << 20}, nil
		},
	}
	w, err := operator.NewWindow(env, 0, d, a, operator.Emission[string, int, R]{}, codec.String(), operator.FanOut[string, window.Result[R]](nil))
	if err != nil {
		t.Fatal(err)
	}
	record := weir.Record[string, int]{Key: key, Value: 1, Millis: millis, Origin: &env.Origin}
	if err := w.Receive(&record); err != nil {
		return err
	}
	b := backend.NewBatch()
	for _, s := range env.Stores {
		err := s.Flush(func(key, value []byte) error {
			key = append([]byte(s.Name()+"\x00"), key...)
			if value == nil {
				return b.Delete(key)
			}
			return b.Set(key, value)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return b.Commit(false)
}

// EX-57, W-13, W-66, D-W16. What a definition means must not change while there is state: ours refuses it.
func TestAChangedDefinitionOverLiveStateIsRefused(t *testing.T) {
	of := func(n int) int { return n }
	tumbling := window.Tumbling(10 * time.Millisecond)
	join := func(a, b int) int { return a + b }
	for _, c := range []struct {
		name          string
		first, second func(backend state.Backend) error
		want          []string // in the error; none if there is to be none
	}{
		{
			"another aggregator",
			func(b state.Backend) error { return over(t, b, tumbling, window.Min(of), "k", 1) },
			func(b state.Backend) error { return over(t, b, tumbling, window.Max(of), "k", 2) },
			[]string{`store "tumbling_window_10"`, "min int", "max int", "Name"},
		},
		{
			"another type of number",
			func(b state.Backend) error { return over(t, b, tumbling, window.Sum(of), "k", 1) },
			func(b state.Backend) error {
				return over(t, b, tumbling, window.Sum(func(n int) float64 { return float64(n) }), "k", 2)
			},
			[]string{"sum int", "sum float64"},
		},
		{
			"one more aggregator",
			func(b state.Backend) error { return over(t, b, tumbling, window.Sum(of), "k", 1) },
			func(b state.Backend) error {
				return over(t, b, tumbling, window.Combine2(window.Sum(of), window.Max(of), join), "k", 2)
			},
			[]string{"sum int", "(sum int, max int, layout 2)"},
		},
		{
			"another way of closing, and another key",
			func(b state.Backend) error { return over(t, b, tumbling, window.Sum(of), "k", 1) },
			func(b state.Backend) error { return over(t, b, tumbling.CloseByPartition(), window.Sum(of), "l", 2) },
			[]string{"closed by key", "closed by partition"},
		},
		{
			"a name of its own",
			func(b state.Backend) error { return over(t, b, tumbling, window.Sum(of), "k", 1) },
			func(b state.Backend) error { return over(t, b, tumbling.Name("new"), window.Count[int](), "k", 2) },
			nil,
		},
		{
			"another grace", // W-13 does not speak of it: it is about windows to come
			func(b state.Backend) error { return over(t, b, tumbling, window.Sum(of), "k", 1) },
			func(b state.Backend) error { return over(t, b, tumbling.Grace(time.Second), window.Sum(of), "k", 2) },
			nil,
		},
		{
			"another count",
			func(b state.Backend) error { return over(t, b, window.TumblingCount(9), window.Sum(of), "k", 1) },
			func(b state.Backend) error { return over(t, b, window.TumblingCount(2), window.Sum(of), "k", 2) },
			nil, // the count is in the name of the store
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			backend := state.NewMemory()
			if err := c.first(backend); err != nil {
				t.Fatal(err)
			}
			err := c.second(backend)
			if errors.Is(err, weir.ErrDefinitionChanged) != (c.want != nil) {
				t.Fatalf("error %v", err)
			}
			for _, want := range c.want {
				if !strings.Contains(fmt.Sprint(err), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
			if err := c.first(backend); err != nil {
				t.Errorf("going back: %v", err)
			}
		})
	}
}
