// Package mention does nothing with a stream but to name its type: the least that a package of a service does.
package mention

import "github.com/weirstreams/weir/stream"

// Value is the value of the stream.
type Value struct{ A, B int }

// Stream mentions a stream of values.
func Stream(s stream.Stream[string, Value]) stream.Stream[string, Value] { return s }
