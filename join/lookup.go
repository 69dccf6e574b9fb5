package join

import (
	"context"
	"fmt"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/joining"
)

// Defaults of Limits.
const (
	LookupTimeout = 30 * time.Second
	LookupTries   = 3
)

// Lookup finds rows that are kept outside of Kafka: in a database, a service or a file. Stream.JoinLookup joins each record
// with the row that its query finds.
//
// The answer of a lookup depends on the time of the call. A replay of the input may find other rows than the first run did.
type Lookup[Q, R any] interface {
	// Lookup answers a batch of queries: it sets found[i] to the row of queries[i], or leaves it nil if there is none.
	// Both have the same length, and found is nil throughout at first. A row that is null by its type, such as a nil map or a nil
	// pointer, is no row, too.
	//
	// The goroutines of the workers call it, several at a time. A worker waits for the answer; ctx ends after
	// Limits.Timeout, and when partitions have to be given up. A call that does not return when ctx ends holds up its
	// worker, rebalances and the end of App.Run. The slices are valid until it returns. A row may be shared by many
	// records: nobody changes it after that.
	//
	// An error fails the whole batch, and the contents of found do not count. A [weir.RetryLaterError], a context.DeadlineExceeded,
	// and any error after ctx has timed out, mean that the lookup is unavailable: the worker stops reading
	// input, keeps its records, and asks again later, as [Limits] say. Any other error, or a panic, belongs to one record:
	// the batch is asked again in smaller batches until that record is found, and it goes to the error policy.
	Lookup(ctx context.Context, queries []Q, found []*R) error
}

// LookupFunc makes a Lookup of a function. See Lookup for its contract.
type LookupFunc[Q, R any] func(ctx context.Context, queries []Q, found []*R) error

// Lookup calls f.
func (f LookupFunc[Q, R]) Lookup(ctx context.Context, queries []Q, found []*R) error {
	return f(ctx, queries, found)
}

// Changing is a [Lookup] that can tell when rows have come or changed. Records that wait in [Buffered] are looked up again then, past all caches,
// within a second or two.
type Changing interface {
	// Changes returns a number that differs after each change. The goroutines of the workers call it often: it must not block.
	Changes() int64
}

// SettingsOf returns the settings of a lookup and of the lookups that [Buffered], [Cached], [Limit] and [WithDefault] have made of it.
func SettingsOf[Q, R any](lookup Lookup[Q, R]) joining.Lookup[R, Overflow] {
	s := settingsOf(lookup)
	if s.Timeout <= 0 {
		s.Timeout = LookupTimeout
	}
	if s.Tries == 0 {
		s.Tries = LookupTries
	}
	return s
}

// settingsOf is SettingsOf without defaults.
func settingsOf[Q, R any](lookup Lookup[Q, R]) joining.Lookup[R, Overflow] {
	switch l := lookup.(type) {
	case interface {
		settings() joining.Lookup[R, Overflow]
	}:
		return l.settings()
	case Changing:
		return joining.Lookup[R, Overflow]{Changes: l.Changes}
	default:
		return joining.Lookup[R, Overflow]{}
	}
}

// Limits say how long a join waits for its lookup. [Limit] sets them. The zero value has the defaults.
type Limits struct {
	// Timeout is how long one call may take, or up to a quarter more, unless the lookup itself gives up earlier. 0 means
	// LookupTimeout.
	Timeout time.Duration
	// Tries is how often one query, asked alone, may find no answer in time while others are answered; then that is an
	// error of its record and goes to the error policy, as a [*LookupTimeoutError]. Whether others are answered is found out by
	// asking the one that was answered last again, or the next one, with a [BypassCache] context. 0 means LookupTries, less
	// than 0 any number.
	Tries int
	// MaxOutage is how long the lookup may answer nothing at all; then each record that waits for it goes to the error
	// policy, as a [*LookupTimeoutError], after one more call, until there is an answer again. 0 means for ever: no outage loses
	// a record.
	MaxOutage time.Duration
}

// Limit sets limits for the joins of a lookup, and of the lookups that [Cached] and [WithDefault] make of it. A lookup of another kind
// around it hides them.
func Limit[Q, R any](lookup Lookup[Q, R], limits Limits) Lookup[Q, R] {
	return limited[Q, R]{lookup, limits}
}

type limited[Q, R any] struct {
	lookup Lookup[Q, R]
	limits Limits
}

// Lookup implements [Lookup].
func (l limited[Q, R]) Lookup(ctx context.Context, queries []Q, found []*R) error {
	return l.lookup.Lookup(ctx, queries, found)
}

func (l limited[Q, R]) settings() joining.Lookup[R, Overflow] {
	s := settingsOf(l.lookup)
	s.Timeout, s.Tries, s.MaxOutage = l.limits.Timeout, l.limits.Tries, l.limits.MaxOutage
	return s
}

// LookupTimeoutError says that a record waits no longer for a lookup: [Limits] forbid it. It wraps the error of the last call.
type LookupTimeoutError struct {
	// Tries is how often the query has found no answer while others did. 0 means that nothing was answered for as long as
	// Limits.MaxOutage allows.
	Tries int
	// Waited is how long nothing was answered.
	Waited time.Duration
	Err    error
}

// Error says which limit it was.
func (e *LookupTimeoutError) Error() string {
	if e.Tries > 0 {
		return fmt.Sprintf("a lookup has not answered this query %d times, while it answers others: %v", e.Tries, e.Err)
	}
	return fmt.Sprintf("a lookup has not answered for %v, which is as long as Limits.MaxOutage allows: %v", e.Waited.Round(time.Millisecond), e.Err)
}

// Unwrap returns Err.
func (e *LookupTimeoutError) Unwrap() error { return e.Err }

// fresh is the key of a context.
type fresh struct{}

// BypassCache returns a context for a call that needs the answer of the system itself: caches pass the query on.
func BypassCache(ctx context.Context) context.Context { return context.WithValue(ctx, fresh{}, true) }

// BypassesCache reports whether ctx comes of [BypassCache].
func BypassesCache(ctx context.Context) bool { return ctx.Value(fresh{}) != nil }

// WithDefault returns a lookup that finds row where lookup finds none.
func WithDefault[Q, R any](lookup Lookup[Q, R], row R) Lookup[Q, R] {
	nuller, _ := codec.For[R]().(codec.Nuller[R])
	return &withDefault[Q, R]{lookup, row, nuller}
}

type withDefault[Q, R any] struct {
	lookup Lookup[Q, R]
	row    R
	nuller codec.Nuller[R] // nil if no R is null
}

// Lookup implements [Lookup].
func (d *withDefault[Q, R]) Lookup(ctx context.Context, queries []Q, found []*R) error {
	if err := d.lookup.Lookup(ctx, queries, found); err != nil {
		return err
	}
	for i := range found {
		if found[i] == nil || d.nuller != nil && d.nuller.IsNull(*found[i]) {
			found[i] = &d.row
		}
	}
	return nil
}

func (d *withDefault[Q, R]) settings() joining.Lookup[R, Overflow] { return settingsOf(d.lookup) }
