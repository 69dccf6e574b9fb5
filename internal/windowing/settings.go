// Package windowing has the settings of a window definition in the form that operators compute with. Package window makes them.
package windowing

// Kind is a kind of windows.
type Kind uint8

// The kinds. See the functions of package window of the same names.
const (
	Tumbling Kind = iota
	Hopping
	Sliding
	Session
	TumblingCount
	HoppingCount
	SlidingCount
)

// ByCount reports whether windows of the kind are by the number of records instead of by time.
func (k Kind) ByCount() bool { return k >= TumblingCount }

// NeedsMerge reports whether windows of the kind are made of parts, so that the aggregator must be able to merge accumulators.
func (k Kind) NeedsMerge() bool { return k == Sliding || k == Session }

// Settings are those of one definition. Times are in milliseconds. L is window.Late.
type Settings[L any] struct {
	Kind Kind
	// Size is the size of windows by time, or the gap of sessions; Step is how far apart hopping windows begin. Step is Size for
	// tumbling windows.
	Size, Step int64
	// Grace is how late records may come, and Skew how far they may be ahead of the clock. If Skew is not positive, there is no bound.
	Grace, Skew int64
	// Records is the number of records in a window by count, and RecordStep how many records apart hopping ones begin.
	Records, RecordStep int64
	// ByPartition says that windows close by the event time of the partition, instead of by that of their key.
	ByPartition bool
	// Unlogged says that the store has no changelog.
	Unlogged bool
	// OnLate is told of late records, or nil.
	OnLate func(L) bool
}
