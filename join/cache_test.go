package join_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/join"
)

// numbers finds the number of those who are called "n" and it, notes what it is asked, and fails when it is told to.
type numbers struct {
	mu    sync.Mutex
	asked [][]string
	err   error
}

func (n *numbers) Lookup(_ context.Context, queries []string, found []*int) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked = append(n.asked, slices.Clone(queries))
	if n.err != nil {
		return n.err
	}
	for i, q := range queries {
		var number int
		if _, err := fmt.Sscanf(q, "n%d", &number); err == nil {
			found[i] = &number
		}
	}
	return nil
}

// ask looks queries up, and returns the rows, -1 for none.
func ask(t *testing.T, lookup join.Lookup[string, int], queries ...string) []int {
	t.Helper()
	found := make([]*int, len(queries))
	if err := lookup.Lookup(t.Context(), queries, found); err != nil {
		t.Fatal(err)
	}
	rows := make([]int, len(found))
	for i, row := range found {
		rows[i] = -1
		if row != nil {
			rows[i] = *row
		}
	}
	return rows
}

func TestACacheAsksOnceForWhatItDoesNotHave(t *testing.T) {
	n := &numbers{}
	c := join.Cached(n, join.CacheConfig{})
	if diff := cmp.Diff([]int{1, 2, 1, -1}, ask(t, c, "n1", "n2", "n1", "x")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int{-1, 3, 2}, ask(t, c, "x", "n3", "n2")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([][]string{{"n1", "n2", "x"}, {"n3"}}, n.asked); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(join.CacheInfo{Hits: 3, Misses: 4, Size: 4, MaxSize: join.DefaultCacheSize}, c.Info()); diff != "" {
		t.Error(diff)
	}
	c.Clear()
	ask(t, c, "n1")
	if len(n.asked) != 3 {
		t.Error("it still has what it was told to forget")
	}
}

// The row that is not there is an answer like others.
func TestTheAnswersOfACacheCountForItsTTL(t *testing.T) {
	n := &numbers{}
	now := time.Unix(1_000_000, 0)
	c := join.Cached(n, join.CacheConfig{TTL: time.Minute, Now: func() time.Time { return now }})
	for _, step := range []struct {
		after time.Duration
		asked int
	}{{0, 1}, {59 * time.Second, 1}, {time.Second, 2}, {59 * time.Second, 2}, {2 * time.Second, 3}} {
		now = now.Add(step.after)
		ask(t, c, "n1", "x")
		if len(n.asked) != step.asked {
			t.Errorf("asked %d times at %v, want %d", len(n.asked), now, step.asked)
		}
	}
}

func TestACacheForgetsWhatWasNotUsedForLongest(t *testing.T) {
	n := &numbers{}
	c := join.Cached(n, join.CacheConfig{Size: 2})
	for _, q := range []string{"n1", "n2", "n1", "n3", "n1", "n2"} {
		ask(t, c, q)
	}
	if diff := cmp.Diff([][]string{{"n1"}, {"n2"}, {"n3"}, {"n2"}}, n.asked); diff != "" {
		t.Error(diff)
	}
}

func TestACacheThatIsOffCountsNothing(t *testing.T) {
	n := &numbers{}
	c := join.Cached(n, join.CacheConfig{TTL: -1})
	ask(t, c, "n1", "n1")
	ask(t, c, "n1")
	if diff := cmp.Diff([][]string{{"n1", "n1"}, {"n1"}}, n.asked); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(join.CacheInfo{MaxSize: join.DefaultCacheSize}, c.Info()); diff != "" {
		t.Error(diff)
	}
}

func TestACacheDoesNotKeepErrors(t *testing.T) {
	n := &numbers{err: errors.New("no")}
	c := join.Cached(n, join.CacheConfig{})
	if err := c.Lookup(t.Context(), []string{"n1"}, make([]*int, 1)); !errors.Is(err, n.err) {
		t.Fatal(err)
	}
	n.err = nil
	if diff := cmp.Diff([]int{1}, ask(t, c, "n1")); diff != "" {
		t.Error(diff)
	}
}

// What was asked before it was cleared may be what it was cleared for.
func TestACacheThatIsClearedKeepsNoAnswersOfBefore(t *testing.T) {
	var c *join.Cache[string, int]
	calls := 0
	c = join.Cached(join.LookupFunc[string, int](func(context.Context, []string, []*int) error {
		if calls++; calls == 1 {
			c.Clear()
		}
		return nil
	}), join.CacheConfig{})
	ask(t, c, "n1")
	ask(t, c, "n1")
	ask(t, c, "n1")
	if calls != 2 {
		t.Errorf("asked %d times, want 2", calls)
	}
}

func TestACacheDoesNotKeepWhatItCannotFindAgain(t *testing.T) {
	c := join.Cached(join.LookupFunc[float64, int](func(context.Context, []float64, []*int) error { return nil }), join.CacheConfig{})
	for range 3 {
		if err := c.Lookup(t.Context(), []float64{math.NaN()}, make([]*int, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if size := c.Info().Size; size != 0 {
		t.Errorf("it keeps %d answers", size)
	}
}

func TestACacheAsksAgainWithAFreshContext(t *testing.T) {
	n := &numbers{}
	c := join.Cached(n, join.CacheConfig{})
	ask(t, c, "n1")
	if err := c.Lookup(join.BypassCache(t.Context()), []string{"n1"}, make([]*int, 1)); err != nil || len(n.asked) != 2 {
		t.Error(err, n.asked)
	}
}

// Workers that miss the same row at the same time ask for it once, also if the first call fails.
func TestWorkersThatMissTheSameRowAskOnce(t *testing.T) {
	for _, failing := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			n := &numbers{}
			slow := join.LookupFunc[string, int](func(ctx context.Context, queries []string, found []*int) error {
				time.Sleep(100 * time.Millisecond)
				if failing {
					failing = false
					return errors.New("no")
				}
				return n.Lookup(ctx, queries, found)
			})
			c := join.Cached(slow, join.CacheConfig{})
			var all sync.WaitGroup
			var failed atomic.Int32
			for range 8 {
				all.Go(func() {
					found := make([]*int, 3)
					if err := c.Lookup(t.Context(), []string{"n1", "x", "n1"}, found); err != nil {
						failed.Add(1)
					} else if *found[0] != 1 || found[1] != nil || *found[2] != 1 {
						t.Error(found)
					}
				})
				time.Sleep(time.Millisecond)
			}
			all.Wait()
			if failed.Load() == 0 && len(n.asked) != 1 || failed.Load() > 1 {
				t.Errorf("%d failed, asked %v", failed.Load(), n.asked)
			}
		})
	}
}

// A call that hangs does not hold up others for long, nor does a panic.
func TestACacheDoesNotWaitLongForOtherCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		c := join.Cached(join.LookupFunc[string, int](func(_ context.Context, _ []string, found []*int) error {
			switch calls.Add(1) {
			case 1:
				panic("no")
			case 2:
				time.Sleep(time.Hour)
			}
			found[0] = new(int)
			return nil
		}), join.CacheConfig{})
		func() {
			defer func() { _ = recover() }()
			_ = c.Lookup(t.Context(), []string{"a"}, make([]*int, 1))
		}()
		var hanging sync.WaitGroup
		defer hanging.Wait()
		hanging.Go(func() { _ = c.Lookup(t.Context(), []string{"a"}, make([]*int, 1)) })
		time.Sleep(time.Millisecond)
		began := time.Now()
		found := make([]*int, 1)
		if err := c.Lookup(t.Context(), []string{"a"}, found); err != nil || found[0] == nil {
			t.Error(err, found)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// Whatever is asked by whom, the answers are those of the lookup.
func TestACacheAnswersAsItsLookupDoes(t *testing.T) {
	n := &numbers{}
	c := join.Cached(n, join.CacheConfig{Size: 5, TTL: time.Microsecond})
	var all sync.WaitGroup
	for seed := range uint64(4) {
		all.Go(func() {
			random := rand.New(rand.NewPCG(seed, 0))
			for range 2000 {
				queries := make([]string, random.IntN(8))
				want := make([]int, len(queries))
				for i := range queries {
					want[i] = random.IntN(9)
					queries[i] = fmt.Sprint("n", want[i])
					if want[i] == 0 {
						queries[i], want[i] = "x", -1
					}
				}
				if diff := cmp.Diff(want, ask(t, c, queries...)); diff != "" {
					t.Error(diff)
					return
				}
			}
		})
	}
	all.Wait()
}

func TestADefaultTakesThePlaceOfRowsThatAreNotThere(t *testing.T) {
	if diff := cmp.Diff([]int{1, 7}, ask(t, join.WithDefault[string](&numbers{}, 7), "n1", "x")); diff != "" {
		t.Error(diff)
	}
	n := &numbers{err: &weir.RetryLaterError{Err: errors.New("away")}}
	err := join.WithDefault[string](n, 7).Lookup(t.Context(), []string{"x"}, make([]*int, 1))
	if _, ok := errors.AsType[*weir.RetryLaterError](err); !ok {
		t.Errorf("got %v", err)
	}
}

// 100 queries of which none, or each, is new.
func BenchmarkCache(b *testing.B) {
	queries := make([]string, 100)
	for i := range queries {
		queries[i] = fmt.Sprint("n", i)
	}
	one := 1
	lookup := join.LookupFunc[string, int](func(_ context.Context, queries []string, found []*int) error {
		for i := range queries {
			found[i] = &one
		}
		return nil
	})
	for name, config := range map[string]join.CacheConfig{"found": {TTL: time.Hour}, "missed": {TTL: time.Nanosecond}} {
		b.Run(name, func(b *testing.B) {
			c := join.Cached(lookup, config)
			found := make([]*int, len(queries))
			b.ReportAllocs()
			for b.Loop() {
				if err := c.Lookup(b.Context(), queries, found); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(queries)), "ns/query")
		})
	}
}

func TestLimitsAreThoseOfWhatIsAsked(t *testing.T) {
	rows := join.LookupFunc[int, string](func(context.Context, []int, []*string) error { return nil })
	want := join.Limits{Timeout: time.Second, Tries: 7, MaxOutage: time.Minute}
	limited := join.Limit(rows, want)
	for name, lookup := range map[string]join.Lookup[int, string]{
		"itself": limited, "cached": join.Cached(limited, join.CacheConfig{}), "with a default": join.WithDefault(limited, ""),
		"both": join.WithDefault(join.Cached(limited, join.CacheConfig{}), ""),
	} {
		if got := limitsOf(lookup); got != want {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got, want := limitsOf(join.WithDefault(rows, "")), (join.Limits{Timeout: join.LookupTimeout, Tries: join.LookupTries}); got != want {
		t.Errorf("no limits: %+v", got)
	}
}

func limitsOf[Q, R any](lookup join.Lookup[Q, R]) join.Limits {
	s := join.SettingsOf(lookup)
	return join.Limits{Timeout: s.Timeout, Tries: s.Tries, MaxOutage: s.MaxOutage}
}
