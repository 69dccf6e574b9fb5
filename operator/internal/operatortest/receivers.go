package operatortest

import (
	"fmt"

	"github.com/weirstreams/weir"
)

// Lines keeps each record as a line of text.
type Lines struct{ Results []string }

// Receive implements operator.Receiver.
func (l *Lines) Receive(r *weir.Record[string, string]) error {
	l.Results = append(l.Results, fmt.Sprintf("%s: %s at %d", r.Key, r.Value, r.Millis))
	return nil
}

// Discarded counts records.
type Discarded struct{ N int }

// Receive implements operator.Receiver.
func (d *Discarded) Receive(*weir.Record[string, int]) error { d.N++; return nil }

// Keys returns n keys of equal length.
func Keys(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("customer-%07d", i)
	}
	return keys
}
