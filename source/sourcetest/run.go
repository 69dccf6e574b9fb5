package sourcetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Run runs all cases as sub-tests, one after the other.
func Run[K, V any](t *testing.T, system System[K, V]) {
	t.Helper()
	if system.New == nil || system.Fill == nil || system.Item == nil {
		t.Fatal("sourcetest: New, Fill and Item of the system have to be set")
	}
	if system.Records == 0 {
		system.Records = 20_000
	}
	if system.Idle == 0 {
		system.Idle = time.Second
	}
	for i, c := range cases[K, V]() {
		t.Run(c.name, func(t *testing.T) {
			b := &bench[K, V]{System: &system, tb: t, place: fmt.Sprintf("sourcetest_%02d", i)}
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

// testCase checks one promise.
type testCase[K, V any] struct {
	name  string
	check func(*bench[K, V]) error
}

// missingField says that a case needs a field of the system that is not set.
type missingField string

func (f missingField) Error() string { return fmt.Sprintf("the case needs System.%s", string(f)) }

// bench is where a case runs: a place of the system, with the processes that read it.
type bench[K, V any] struct {
	*System[K, V]
	tb    testing.TB
	place string
	// missing is the number of items that were filled in and have not come yet. It is less than 0 if some were read again.
	missing atomic.Int64
	// leaks is how long goroutines may take to end. 0 means 5 s.
	leaks time.Duration
}

// fill puts items into the place, and counts them as missing.
func (b *bench[K, V]) fill(items []Item) {
	b.missing.Add(int64(len(items)))
	b.Fill(b.tb, b.place, items)
}

func cases[K, V any]() []testCase[K, V] {
	return []testCase[K, V]{
		{"all records are read in order", all[K, V]},
		{"the splits are the same each time", splits[K, V]},
		{"a reader goes on behind every position", everyPosition[K, V]},
		{"a split moves to another owner", moves[K, V]},
		{"a split is read to its end after its source has left it out", byID[K, V]},
		{"a reader at the end stays there", atEnd[K, V]},
		{"an empty system", empty[K, V]},
		{"records that come later", later[K, V]},
		{"records and positions keep their memory", memory[K, V]},
		{"a context that has ended", cancelled[K, V]},
		{"a read that waits ends with its context", waiting[K, V]},
		{"nothing is acknowledged before it is committed", unacknowledged[K, V]},
		{"committed positions are acknowledged", acknowledged[K, V]},
		{"a reader that acknowledges does not wait for ever", regular[K, V]},
		{"records with null keys", nullKeys[K, V]},
		{"records with null values", nullValues[K, V]},
		{"unicode and long texts", texts[K, V]},
		{"secrets are not in errors", secrets[K, V]},
		{"no goroutine is left", goroutines[K, V]},
		{"many records", many[K, V]},
	}
}

// items returns n items with contents of their own.
func items(from, n int) []Item {
	all := make([]Item, n)
	for i := range all {
		all[i] = Item{Key: fmt.Sprint("key-", from+i), Value: fmt.Sprint("value-", from+i)}
	}
	return all
}

// same compares the items that were read with the expected ones: as a whole, or only each split by itself.
func (b *bench[K, V]) same(got, want []Item) error {
	if b.Unordered {
		got, want = sorted(got), sorted(want)
	}
	const shown = 5
	var problems []string
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			problems = append(problems, fmt.Sprintf("%d: %s is missing", i, short(want[i])))
		case i >= len(want):
			problems = append(problems, fmt.Sprintf("%d: %s should not come", i, short(got[i])))
		case got[i] != want[i]:
			problems = append(problems, fmt.Sprintf("%d: %s came, and not %s", i, short(got[i]), short(want[i])))
		}
		if len(problems) == shown {
			break
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return fmt.Errorf("%d records came, and %d were expected:\n\t%s", len(got), len(want), strings.Join(problems, "\n\t"))
}

func short(i Item) string {
	text := fmt.Sprintf("%+v", i)
	if len(text) > 200 {
		text = text[:200] + "..."
	}
	return text
}

func sorted(items []Item) []Item {
	items = slices.Clone(items)
	slices.SortFunc(items, func(a, b Item) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return items
}
