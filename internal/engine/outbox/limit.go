package outbox

import (
	"sync"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/operator"
)

// Limit stops workers when they have made enough outputs. An output counts when the checkpoint behind it is complete:
// only then do readers of committed records see it, and no rewind takes it back. Workers share it.
type Limit struct {
	limit   int64
	reached chan struct{} // closed when counted is at the limit

	mu sync.Mutex // guards what follows
	// counted are outputs behind a complete checkpoint, pending those that no checkpoint covers yet.
	counted, pending int64
}

// NewLimit returns a limit of n outputs, which is positive.
func NewLimit(n int64) *Limit {
	return &Limit{limit: n, reached: make(chan struct{})}
}

// Reached returns a channel that is closed when enough outputs count. A nil limit is never reached.
func (l *Limit) Reached() <-chan struct{} {
	if l == nil {
		return nil
	}
	return l.reached
}

// Add notes outputs that no checkpoint covers yet.
func (l *Limit) Add(n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending += n
}

// Count notes that a checkpoint covers n pending outputs.
func (l *Limit) Count(n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.counted
	l.pending -= n
	l.counted += n
	if before < l.limit && l.counted >= l.limit {
		close(l.reached)
	}
}

// Drop notes that n pending outputs do not count: their records are processed again.
func (l *Limit) Drop(n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending -= n
}

// Enough reports whether the limit is reached if the pending outputs come to count.
func (l *Limit) Enough() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counted+l.pending >= l.limit
}

// Counting returns an output that adds the number of its records to count.
func Counting(out operator.Output, count *int64) operator.Output { return countedOutput{out, count} }

// countedOutput counts the records written to a topic.
type countedOutput struct {
	operator.Output
	count *int64
}

func (o countedOutput) Append(partition int32, r *broker.Record) error {
	*o.count++
	return o.Output.Append(partition, r)
}
