package gate

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/backoff"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/offsets"
)

// outages are the records that wait for a system that a codec cannot reach, with the time of the first try. The place is
// empty for work without a record.
type outages map[offsets.Place]time.Time

// outageWaits has how long the input is held back between tries.
var outageWaits = backoff.Policy{Base: 500 * time.Millisecond, Max: 10 * time.Second}

// IsOutage reports whether a codec cannot reach a system that it needs. No record is the cause, and the outage passes.
func IsOutage(err error) bool { return errors.Is(err, codec.ErrOutage) }

// BeginOutage notes that a record waits because of an error that IsOutage. It returns how long to hold the input back, or an error if the
// record may not wait, or has waited for limit; a limit of 0 means that it may not wait, one less than 0 that it may wait for ever.
func (g *Gate) BeginOutage(err error, limit time.Duration) (wait time.Duration, failure error) {
	var at offsets.Place
	if failed, ok := errors.AsType[*weir.ProcessingError](err); ok {
		at = offsets.Place{TopicPartition: broker.TopicPartition{Topic: failed.Topic, Partition: failed.Partition}, Offset: failed.Offset}
	}
	now := g.clock.Now()
	since, waits := g.outages[at]
	if !waits {
		since = now
	}
	waited := now.Sub(since)
	if limit == 0 {
		return 0, err
	}
	if limit > 0 && waited >= limit {
		return 0, fmt.Errorf("tried for %v, which is as long as Config.CodecTimeout allows: %w", waited.Round(time.Millisecond), err)
	}
	if g.outages == nil {
		g.outages = outages{}
	}
	g.outages[at] = since
	wait = outageWaits.Again(waited)
	if limit > 0 {
		wait = min(wait, limit-waited)
	}
	return wait, nil
}

// EndOutages forgets records that are processed by now, or that belong to closed tasks. position returns the next offset to process of a
// partition, and reads is false if no task reads it.
func (g *Gate) EndOutages(position func(broker.TopicPartition) (next int64, reads bool)) {
	for at, since := range g.outages {
		next, reads := position(at.TopicPartition)
		if reads && next <= at.Offset {
			continue
		}
		delete(g.outages, at)
		if reads {
			g.logger.Info("codecs can go on", "topic", at.Topic, "partition", at.Partition, "offset", at.Offset,
				"after", g.clock.Now().Sub(since).Round(time.Millisecond))
		}
	}
}

// ForgetOutages forgets the records of some partitions: the time for which these are not read does not count as waiting.
func (g *Gate) ForgetOutages(of []broker.TopicPartition) {
	for at := range g.outages {
		if slices.Contains(of, at.TopicPartition) {
			delete(g.outages, at)
		}
	}
}
