package join

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/joining"
)

// DefaultMaxPerKey is how many records of one key wait for their rows at most, unless the definition says otherwise.
const DefaultMaxPerKey = 10_000

// Overflow is the action when a record has no row and the greatest number of records of its key is waiting.
type Overflow uint8

const (
	// SettleOldest ends the wait of the record that has waited longest, as if its time were over.
	SettleOldest Overflow = iota
	// DropNewest drops the new record.
	DropNewest
	// FailNewest makes it an error of the new record, for the error policy.
	FailNewest
)

// String returns the name of the policy.
func (o Overflow) String() string {
	switch o {
	case SettleOldest:
		return "SettleOldest"
	case DropNewest:
		return "DropNewest"
	case FailNewest:
		return "FailNewest"
	default:
		return fmt.Sprintf("Overflow(%d)", uint8(o))
	}
}

// BufferedLookup is a lookup for joins that let records without a row wait. Buffered makes one.
//
// It is immutable: its methods return changed copies.
type BufferedLookup[Q, R any] struct {
	lookup   Lookup[Q, R]
	name     string
	wait     time.Duration
	most     int
	overflow Overflow
	codec    any
	resolved func(*R) bool
}

// Buffered makes joins of lookup keep each record without a row for a time, in a store of the task that survives restarts. It is
// looked up again, together with all others of its message key that wait, when a later record of that key finds its row, when the
// lookup tells that rows have changed ([Changing], as the lookups of configurations do), and a last time when the wait is over; the last two
// past all caches ([BypassCache]). Then it goes the way of records without a row: JoinLookup drops it,
// and LeftJoinLookup emits it.
//
// The wait is measured by the clock of the machine from the arrival of the record, not by event time, and goes on
// while the application is down. Records of one key that find their rows at the same time are emitted in the order of their
// arrival, and before the record that has released them; those that find none go on waiting and are overtaken. They keep
// key, value, time and headers. Windows behind the join see records that are older than those before: their grace should be
// as long as the wait.
//
// [Cached], [WithDefault] and [Limit] may be put around it or into it. A lookup of another kind around it hides it: then no
// record waits.
func Buffered[Q, R any](lookup Lookup[Q, R], wait time.Duration) BufferedLookup[Q, R] {
	return BufferedLookup[Q, R]{lookup: lookup, wait: wait, most: DefaultMaxPerKey}
}

// Resolved sets a function that says whether a row is complete. A record with another row waits too; LeftJoinLookup emits it with
// its row in the end. The function must not change the row. By default each row is complete.
func (b BufferedLookup[Q, R]) Resolved(f func(row *R) bool) BufferedLookup[Q, R] {
	b.resolved = f
	return b
}

// MaxPerKey sets how many records of one key may wait, and the action for more. The default is DefaultMaxPerKey and
// SettleOldest.
func (b BufferedLookup[Q, R]) MaxPerKey(n int, overflow Overflow) BufferedLookup[Q, R] {
	b.most, b.overflow = n, overflow
	return b
}

// Name sets the name of the store. The default is "lookup_buffer". Buffered joins of the same streams need different names.
func (b BufferedLookup[Q, R]) Name(name string) BufferedLookup[Q, R] {
	b.name = name
	return b
}

// Codec sets how values that wait are encoded in the store. The default is codec.For.
func (b BufferedLookup[Q, R]) Codec[V any](c codec.Codec[V]) BufferedLookup[Q, R] {
	b.codec = c
	return b
}

// Lookup implements [Lookup].
func (b BufferedLookup[Q, R]) Lookup(ctx context.Context, queries []Q, found []*R) error {
	return b.lookup.Lookup(ctx, queries, found)
}

func (b BufferedLookup[Q, R]) settings() joining.Lookup[R, Overflow] {
	s, name := settingsOf(b.lookup), cmp.Or(b.name, "lookup_buffer")
	s.Wait = &joining.Wait[Overflow]{Store: name, Times: name + "_times", Millis: b.wait.Milliseconds(), Max: b.most, Overflow: b.overflow}
	s.Invalid, s.Value, s.Resolved = b.validate(), b.codec, b.resolved
	return s
}

// validate returns all mistakes of the definition, joined.
func (b BufferedLookup[Q, R]) validate() error {
	var problems []error
	if b.lookup == nil {
		problems = append(problems, errors.New("the lookup of Buffered is nil"))
	}
	if err := checkDuration("the wait of Buffered", b.wait); err != nil {
		problems = append(problems, err)
	} else if b.wait == 0 {
		problems = append(problems, errors.New("the wait of Buffered is 0: nothing would wait; use the lookup without Buffered"))
	}
	if b.most < 1 {
		problems = append(problems, fmt.Errorf("MaxPerKey is %d: at least 1 record of a key has to be able to wait", b.most))
	}
	if b.overflow > FailNewest {
		problems = append(problems, fmt.Errorf("%v is not an overflow policy", b.overflow))
	}
	return errors.Join(problems...)
}
