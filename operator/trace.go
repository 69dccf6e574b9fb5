package operator

import (
	"context"
	"time"

	"github.com/weirstreams/weir"
)

// Trace makes the spans of the calls of operators and sinks. The context of a record lies in its headers while an operator holds the record.
type Trace interface {
	// Base returns Env.Context without a span.
	Base() context.Context
	// Carry returns ctx with the span and the baggage of Env.Context.
	Carry(ctx context.Context) context.Context
	// Resume makes Env.Context that of a record that was held, until done is called.
	Resume(headers []weir.Header) (done func())
	// Call begins the span of a call for some records, and returns the context of the call and a function that ends the span.
	Call(ctx context.Context, name string, records int, headers func(i int) []weir.Header) (context.Context, func(error))
	// Added notes that the sink of a node has taken a record.
	Added(node int, headers []weir.Header)
	// Flush begins the span of a flush of the sink of a node.
	Flush(ctx context.Context, node int, name string) (context.Context, func(error))
	// Cut notes that sinks write everything beside the task that they hold, and Wrote that the sink of a node has done so.
	Cut()
	Wrote(node int, name string, took time.Duration)
	// Discard forgets what sinks have taken.
	Discard()
}
