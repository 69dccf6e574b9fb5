package progress

import (
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/clock"
)

// Purger has the records of repartition topics behind the committed offsets deleted, because their retention is without limit.
type Purger struct {
	Clock    clock.Clock
	Interval time.Duration
	// Purge deletes the records of partitions before an offset, and does not wait. nil purges nothing.
	Purge func(before map[broker.TopicPartition]int64)
	// Internal reports whether a topic is internal.
	Internal func(topic string) bool
	// Last is the time of the last purge, or of the start.
	Last time.Time
}

// Due reports whether it is time for a purge.
func (p *Purger) Due() bool {
	return p.Purge != nil && p.Clock.Now().Sub(p.Last) >= p.Interval
}

// Run purges the input of tasks, up to offsets committed since the last run.
func (p *Purger) Run(inputs []*Input) {
	p.Last = p.Clock.Now()
	before := map[broker.TopicPartition]int64{}
	for _, in := range inputs {
		in.purgeable(p.Internal, before)
	}
	if len(before) > 0 {
		p.Purge(before)
	}
}
