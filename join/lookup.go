package join

import "context"

// Lookup finds rows that are kept outside of Kafka: in a database, a service or a file. Stream.JoinLookup joins each record
// with the row that its query finds.
//
// What a lookup answers depends on when it is asked. A replay of the input may find other rows than the first run did.
type Lookup[Q, R any] interface {
	// Lookup answers a batch of queries: it sets found[i] to the row of queries[i], or leaves it nil if there is none.
	// Both have the same length, and found is nil throughout at first. An error is that of the whole batch, whatever found
	// holds then.
	//
	// The goroutines of the workers call it, several at a time. A worker waits for the answer, so it should give up when
	// ctx ends. The queries are valid until it returns. A row may be shared: nobody changes it after that.
	Lookup(ctx context.Context, queries []Q, found []*R) error
}

// LookupFunc makes a Lookup of a function. See Lookup for what it has to do.
type LookupFunc[Q, R any] func(ctx context.Context, queries []Q, found []*R) error

// Lookup calls f.
func (f LookupFunc[Q, R]) Lookup(ctx context.Context, queries []Q, found []*R) error {
	return f(ctx, queries, found)
}
