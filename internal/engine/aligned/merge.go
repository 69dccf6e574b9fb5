// Package aligned reads the inputs of a task that has several in the order of their timestamps.
//
// The next record is the one with the smallest timestamp among the first ones that are buffered. If several have it, the right side of a
// join comes before the left one, see graph.SubTopology.ReadOrder. The next record is not known as long as an input has nothing buffered
// although there is more to read of it. Within an input the order stays that of the offsets.
package aligned

import (
	"log/slog"
	"math"
	"slices"
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/clock"
)

// Merge holds the fetched batches of a task, and chooses the records that are next. The worker hands it each batch, tells it of each call
// of the fetcher, and processes the records that it chooses; it pauses the fetcher where much is held. Only the goroutine of the worker
// calls its methods.
//
// It promises that records are chosen in the order of their timestamps as far as the ends of the inputs are known. An input that has more
// records by its end, and delivers none, is waited for: Config.Timeout bounds that.
type Merge struct {
	config Config
	inputs []*Input // in the order in which records of equal timestamps are read
	// stalled is since when records are buffered and none is next; zero if it is not so. asked is when the cluster was
	// asked about that last, and warned whether the log says so.
	stalled, asked time.Time
	warned         bool
}

// Config configures a Merge. All fields must be set except Timeout.
type Config struct {
	Cluster broker.Cluster
	Fetcher broker.Fetcher
	Clock   clock.Clock
	Logger  *slog.Logger
	// MaxRecords and MaxBytes are how much of one input is held before the fetcher pauses it. A batch more may be held.
	MaxRecords int
	MaxBytes   int64
	// Timeout is how long an input is waited for that has more records by its end offset, and delivers none; 0 means for ever.
	Timeout time.Duration
	// Draining reports whether no more records from outside are to be read than those that internal ones wait for; nil means never.
	Draining func() bool
	// Ended is told of the end of an input that the cluster was asked for. gone says that the topic does not exist any more.
	Ended func(topic string, end int64, gone bool)
}

// New returns a Merge of inputs, in the reading order of records with equal timestamps. It owns them.
func New(config Config, inputs []*Input) *Merge { return &Merge{config: config, inputs: inputs} }

// Start drops the held batches of an input, which is read from position on. end is where it ends as far as the caller knows, and polls
// the calls of the fetcher so far.
func (m *Merge) Start(topic string, position, end int64, polls int) {
	in := m.input(topic)
	in.start(position)
	in.since = polls
	in.end = max(in.end, end)
	m.flow(in)
}

// Release drops the held batches of all inputs.
func (m *Merge) Release() {
	for _, in := range m.inputs {
		in.start(0)
	}
}

// Buffer keeps a batch until its records are next. It returns the position of the input, and moved if the batch moves it by itself: nothing
// is held, and the batch has no records.
func (m *Merge) Buffer(b *broker.Batch) (position int64, moved bool) {
	in := m.input(b.Topic)
	moved = in.buffer(b)
	m.flow(in)
	return in.next, moved
}

// Choose returns the input with the next record, and the timestamp up to which its records come next. It returns nil if that
// is not known, or there is no record. stale says whether an input counts as read to its end although the fetcher was not asked since.
func (m *Merge) Choose(stale bool) (next *Input, until int64) {
	first, second := int64(math.MaxInt64), int64(math.MaxInt64)
	for _, in := range m.inputs {
		if len(in.buffered) == 0 {
			if !in.fresh && !stale || !in.idle() {
				return nil, 0
			}
			continue
		}
		switch head := in.head(); {
		case next == nil:
			next, first = in, head
		case head < first:
			next, first, second = in, head, first-1 // the input before it comes first if the timestamps are equal
		default:
			second = min(second, head)
		}
	}
	if next != nil && next.Outside && m.config.Draining != nil && m.config.Draining() && !m.holdsInside() {
		return nil, 0
	}
	return next, second
}

// holdsInside reports whether records of an internal input are held.
func (m *Merge) holdsInside() bool {
	return slices.ContainsFunc(m.inputs, func(in *Input) bool { return !in.Outside && len(in.buffered) > 0 })
}

// Done notes that n records of an input's first batch were processed, and returns the offset of the next. polls are the calls of the
// fetcher so far.
func (m *Merge) Done(in *Input, n, polls int) (position int64) {
	position = in.done(n)
	in.since = polls
	m.flow(in)
	return position
}

// Polled notes calls of the fetcher: their number so far, quiet the number of the last that brought nothing, and the number of partitions
// that it fetches.
func (m *Merge) Polled(polls, quiet, partitions int) {
	for _, in := range m.inputs {
		in.fresh = in.fresh || quiet > in.since || polls-in.since >= partitions
	}
}

// Paused reports whether the fetcher was told to hold an input back.
func (m *Merge) Paused(topic string) bool { return m.input(topic).paused }

// Head returns the timestamp of the first held record of an input; ok is false if none is held.
func (m *Merge) Head(topic string) (millis int64, ok bool) {
	in := m.input(topic)
	if len(in.buffered) == 0 {
		return 0, false
	}
	return in.head(), true
}

// Lose notes the error that the fetcher reported for the records of an input that come next, if batches are held: their records are
// processed before. It reports whether there are any.
func (m *Merge) Lose(topic string, err error) bool {
	in := m.input(topic)
	if len(in.buffered) == 0 {
		return false
	}
	in.lost = err
	return true
}

// Lost returns the error that was noted for an input without held batches.
func (m *Merge) Lost() error {
	for _, in := range m.inputs {
		if in.lost != nil && len(in.buffered) == 0 {
			return in.lost
		}
	}
	return nil
}

func (m *Merge) input(topic string) *Input {
	for _, in := range m.inputs {
		if in.Topic == topic {
			return in
		}
	}
	return nil
}

// flow holds an input back that has much buffered, and lets it go on when half of that is processed.
func (m *Merge) flow(in *Input) {
	records, bytes := m.config.MaxRecords, m.config.MaxBytes
	switch {
	case !in.paused && (in.records >= records || in.bytes >= bytes):
		in.paused = true
		m.config.Fetcher.Pause(in.TopicPartition)
	case in.paused && in.records <= records/2 && in.bytes <= bytes/2:
		in.paused = false
		m.config.Fetcher.Resume(in.TopicPartition)
	}
}
