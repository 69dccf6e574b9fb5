package sinktest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/weirstreams/weir/sink"
)

// Run runs all cases as sub-tests, one after the other.
func Run[K, V any](t *testing.T, target Target[K, V]) {
	t.Helper()
	if target.New == nil || target.Record == nil || target.Read == nil {
		t.Fatal("sinktest: New, Record and Read of the target have to be set")
	}
	if target.Records == 0 {
		target.Records = 100_000
	}
	for i, c := range casesOf(&target, t) {
		t.Run(c.name, func(t *testing.T) {
			b := &bench[K, V]{Target: &target, tb: t, place: fmt.Sprintf("sinktest_%02d", i)}
			err := c.check(b)
			if missing, ok := errors.AsType[missingField](err); ok {
				t.Skip(missing)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// casesOf returns the cases for a target.
func casesOf[K, V any](target *Target[K, V], tb testing.TB) []testCase[K, V] {
	if _, ok := target.New(tb, "sinktest_kind").(sink.TwoPhase[K, V]); ok {
		return append(commonCases[K, V](), twoPhaseCases[K, V]()...)
	}
	return append(commonCases[K, V](), plainCases[K, V]()...)
}

// testCase checks one promise.
type testCase[K, V any] struct {
	name  string
	check func(*bench[K, V]) error
}

// missingField says that a case needs a field of the target that is not set.
type missingField string

func (f missingField) Error() string { return fmt.Sprintf("Target.%s is not set", string(f)) }

// bench is where a case runs: a place of the target, with the processes that write to it.
type bench[K, V any] struct {
	*Target[K, V]
	tb    testing.TB
	place string
	// processes counts those that were started, and epochs the writers.
	processes, epochs int

	mu    sync.Mutex // guards input
	input map[int32]map[Item]int64
}

// offsetOf returns the offset of an item in a partition of the input. An item that is processed again lies where it lay: in another
// process, after a crash and after a rewind.
func (b *bench[K, V]) offsetOf(partition int32, i Item) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.input == nil {
		b.input = map[int32]map[Item]int64{}
	}
	if b.input[partition] == nil {
		b.input[partition] = map[Item]int64{}
	}
	offsets := b.input[partition]
	if _, ok := offsets[i]; !ok {
		offsets[i] = int64(len(offsets))
	}
	return offsets[i]
}

// expect compares the visible items with the expected ones.
func (b *bench[K, V]) expect(want ...Item) error { return b.compare(want, false) }

// expectRepeated allows repetitions unless the sink excludes them.
func (b *bench[K, V]) expectRepeated(want ...Item) error { return b.compare(want, !b.Idempotent) }

func (b *bench[K, V]) compare(want []Item, repetitions bool) error {
	return b.compareItems(want, nil, repetitions)
}

// compareWithin allows some more items, and repetitions.
func (b *bench[K, V]) compareWithin(want, allowed []Item) error {
	return b.compareItems(want, allowed, true)
}

func (b *bench[K, V]) compareItems(want, allowed []Item, repetitions bool) error {
	const shown = 5
	count := map[Item]int{}
	for _, i := range b.Read(b.tb, b.place) {
		count[i]++
	}
	for _, i := range allowed {
		delete(count, i)
	}
	var problems []string
	for _, i := range want {
		switch n := count[i]; {
		case n == 0:
			problems = append(problems, fmt.Sprintf("%+v is missing", i))
		case n > 1 && !repetitions:
			problems = append(problems, fmt.Sprintf("%+v is visible %d times", i, n))
		}
		delete(count, i)
	}
	for i, n := range count {
		problems = append(problems, fmt.Sprintf("%+v is visible (%d times) and should not be", i, n))
	}
	if len(problems) == 0 {
		return nil
	}
	if n := len(problems); n > shown {
		problems = append(problems[:shown], fmt.Sprintf("and %d more", n-shown))
	}
	return fmt.Errorf("%d records should be visible:\n\t%s", len(want), strings.Join(problems, "\n\t"))
}

// items returns n items with contents of their own.
func items(from, n int) []Item {
	all := make([]Item, n)
	for i := range all {
		all[i] = Item{Key: fmt.Sprint("key-", from+i), Value: fmt.Sprint("value-", from+i)}
	}
	return all
}
