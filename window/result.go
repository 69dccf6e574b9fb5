package window

import "time"

// Result is the result of an aggregator for one window. As JSON it is an object of start and end, in milliseconds since
// the Unix epoch, and value.
type Result[R any] struct {
	// StartMillis is the first millisecond of the window. See Start.
	StartMillis int64 `json:"start"`
	// EndMillis is the first millisecond after a tumbling or hopping window, and the last one of other windows. See End.
	EndMillis int64 `json:"end"`
	// Value is the result of the aggregator.
	Value R `json:"value"`
}

// Start returns the start of the window, which belongs to it.
func (r Result[R]) Start() time.Time { return time.UnixMilli(r.StartMillis) }

// End returns the end of the window. It does not belong to a tumbling or hopping window, and it does to windows of the other kinds: the end of
// a session is the time of its last record.
func (r Result[R]) End() time.Time { return time.UnixMilli(r.EndMillis) }
