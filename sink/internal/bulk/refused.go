// Package bulk has what sinks share that write a batch by one request, and are told of each record in the answer.
package bulk

import (
	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/sink"
)

// Refused returns the errors of the records of a batch that the target does not take, as reason tells them, or nil if there are none.
func Refused[T any](records []weir.Record[struct{}, T], reason func(T) error) error {
	var refused sink.RecordErrors
	for i := range records {
		if err := reason(records[i].Value); err != nil {
			refused = append(refused, sink.RecordError{Index: i, Err: err})
		}
	}
	if refused == nil {
		return nil
	}
	return refused
}
