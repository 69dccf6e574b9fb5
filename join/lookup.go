package join

import (
	"context"
	"fmt"
	"time"
)

// LookupTimeout is how long one call of a Lookup may take at most, unless the lookup itself gives up earlier.
const LookupTimeout = 30 * time.Second

// Lookup finds rows that are kept outside of Kafka: in a database, a service or a file. Stream.JoinLookup joins each record
// with the row that its query finds.
//
// What a lookup answers depends on when it is asked. A replay of the input may find other rows than the first run did.
type Lookup[Q, R any] interface {
	// Lookup answers a batch of queries: it sets found[i] to the row of queries[i], or leaves it nil if there is none.
	// Both have the same length, and found is nil throughout at first.
	//
	// The goroutines of the workers call it, several at a time. A worker waits for the answer; ctx ends after
	// LookupTimeout, and when partitions have to be given up. The slices are valid until it returns. A row may be shared
	// by many records: nobody changes it after that.
	//
	// An error is that of the whole batch, whatever found holds then. An [UnavailableError], a context.DeadlineExceeded,
	// and any error after ctx has timed out, say that the place cannot be asked at the moment: the worker stops reading
	// input, keeps what it has, and asks again later. Any other error, or a panic, is that of a record: the batch is asked
	// again in smaller ones until it is known of which, and that one goes to the error policy.
	Lookup(ctx context.Context, queries []Q, found []*R) error
}

// LookupFunc makes a Lookup of a function. See Lookup for what it has to do.
type LookupFunc[Q, R any] func(ctx context.Context, queries []Q, found []*R) error

// Lookup calls f.
func (f LookupFunc[Q, R]) Lookup(ctx context.Context, queries []Q, found []*R) error {
	return f(ctx, queries, found)
}

// UnavailableError says that a place cannot be asked at the moment. Returned, wrapped or not, by [Lookup].Lookup, it makes the
// worker wait and ask again, for as long as it takes: no record is lost or processed twice for that. Other workers go on, and
// so do rebalances; partitions that are given up meanwhile are processed again by their next owner, from the checkpoint
// before.
type UnavailableError struct {
	// RetryAfter is how long to wait. 0 means 1 s.
	RetryAfter time.Duration
	// Err is what went wrong. It may be nil.
	Err error
}

// Error names what went wrong.
func (e *UnavailableError) Error() string {
	if e.Err == nil {
		return "a lookup is unavailable"
	}
	return fmt.Sprintf("a lookup is unavailable: %v", e.Err)
}

// Unwrap returns Err.
func (e *UnavailableError) Unwrap() error { return e.Err }

// WithDefault returns a lookup that finds row where lookup finds none.
func WithDefault[Q, R any](lookup Lookup[Q, R], row R) Lookup[Q, R] {
	return LookupFunc[Q, R](func(ctx context.Context, queries []Q, found []*R) error {
		if err := lookup.Lookup(ctx, queries, found); err != nil {
			return err
		}
		for i := range found {
			if found[i] == nil {
				found[i] = &row
			}
		}
		return nil
	})
}
