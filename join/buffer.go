package join

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirstreams/weir/codec"
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
	buffer   Buffer
	resolved func(*R) bool
}

// Buffer says how records wait for their rows. A [BufferedLookup] has one.
type Buffer struct {
	name     string
	wait     time.Duration
	most     int
	overflow Overflow
	codec    any
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
	return BufferedLookup[Q, R]{lookup: lookup, buffer: Buffer{wait: wait, most: DefaultMaxPerKey}}
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
	b.buffer.most, b.buffer.overflow = n, overflow
	return b
}

// Name sets the name of the store. The default is "lookup_buffer". Buffered joins of the same streams need different names.
func (b BufferedLookup[Q, R]) Name(name string) BufferedLookup[Q, R] {
	b.buffer.name = name
	return b
}

// Codec sets how values that wait are encoded in the store. The default is codec.For.
func (b BufferedLookup[Q, R]) Codec[V any](c codec.Codec[V]) BufferedLookup[Q, R] {
	b.buffer.codec = c
	return b
}

// Lookup implements [Lookup].
func (b BufferedLookup[Q, R]) Lookup(ctx context.Context, queries []Q, found []*R) error {
	return b.lookup.Lookup(ctx, queries, found)
}

func (b BufferedLookup[Q, R]) waits() Limits { return waits(b.lookup) }

func (b BufferedLookup[Q, R]) changes() func() int64 { return ChangesOf(b.lookup) }

func (b BufferedLookup[Q, R]) buffered() (Buffer, func(*R) bool, bool) {
	buffer := b.buffer
	if b.lookup == nil {
		buffer.wait = 0 // which is refused
	}
	return buffer, b.resolved, true
}

// BufferOf returns how records of the joins of a lookup wait, and the function that says whether a row is complete, or nil. It
// reports false if they do not wait.
func BufferOf[Q, R any](lookup Lookup[Q, R]) (buffer Buffer, resolved func(*R) bool, ok bool) {
	if b, is := lookup.(interface {
		buffered() (Buffer, func(*R) bool, bool)
	}); is {
		return b.buffered()
	}
	return Buffer{}, nil, false
}

// Validate returns all mistakes of the definition, joined.
func (b Buffer) Validate() error {
	var problems []error
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

// StoreNames returns the names of the stores: of the records that wait, and of the least time of those of each key.
func (b Buffer) StoreNames() (waiting, times string) {
	name := b.name
	if name == "" {
		name = "lookup_buffer"
	}
	return name, name + "_times"
}

// WaitMillis returns how long records wait.
func (b Buffer) WaitMillis() int64 { return b.wait.Milliseconds() }

// Max returns how many records of one key may wait.
func (b Buffer) Max() int { return b.most }

// Overflow returns the action for more records than may wait.
func (b Buffer) Overflow() Overflow { return b.overflow }

// ValueCodec returns the codec that was set for values, or nil.
func (b Buffer) ValueCodec() any { return b.codec }

// String returns the name of the store and the wait, for people.
func (b Buffer) String() string {
	name, _ := b.StoreNames()
	return fmt.Sprintf("%s %v", name, b.wait)
}
