package aligned

import (
	"context"
	"errors"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
)

const (
	// StallCheck is how long a task waits for one of its inputs before it asks the cluster whether there is anything to
	// wait for, and how often it asks again.
	StallCheck = time.Second
	// stallWarning is how long it waits before the log says so.
	stallWarning = 30 * time.Second
)

// Moved notes that records were processed.
func (m *Merge) Moved() { m.stalled = time.Time{} }

// Stall looks after a task that holds records but does not know which is next, because there should be more to read of an
// input and nothing comes. The end may have moved back, or the topic may be gone: the cluster knows.
func (m *Merge) Stall(ctx context.Context) error {
	waiting := m.waitingFor()
	now := m.config.Clock.Now()
	switch {
	case len(waiting) == 0:
		m.stalled, m.warned = time.Time{}, false
		return nil
	case m.stalled.IsZero():
		m.stalled, m.asked = now, now
		return nil
	}
	if now.Sub(m.stalled) >= stallWarning && !m.warned {
		m.warned = true
		m.config.Logger.Warn("waiting for records of an input that should be there, because they may be older than those at hand",
			"input", waiting[0].TopicPartition, "position", waiting[0].next, "end", waiting[0].end)
	}
	if timeout := m.config.Timeout; timeout > 0 && now.Sub(m.stalled) >= timeout {
		for _, in := range waiting {
			m.config.Logger.Warn("going on without an input of which nothing comes; what comes of it later is out of order",
				"input", in.TopicPartition, "position", in.next, "end", in.end)
			in.end = in.next
		}
		m.stalled = time.Time{}
		return nil
	}
	if now.Sub(m.asked) < StallCheck {
		return nil
	}
	m.asked = now
	for _, in := range waiting {
		if err := m.ask(ctx, in); err != nil {
			return err
		}
	}
	return nil
}

// ask asks the cluster for the end of an input.
func (m *Merge) ask(ctx context.Context, in *Input) error {
	ends, err := m.config.Cluster.Offsets(ctx, broker.End, in.TopicPartition)
	switch {
	case err == nil:
		in.end = ends[in.TopicPartition]
		m.config.Ended(in.Topic, in.end, false)
	case errors.Is(err, weir.ErrUnknownTopic):
		in.gone = true
		m.config.Ended(in.Topic, 0, true)
		m.config.Logger.Warn("a topic of the input does not exist any more; going on without it", "input", in.TopicPartition)
	case errors.Is(err, weir.ErrUnavailable):
	default:
		return err
	}
	return nil
}

// waitingFor returns the inputs without which it is not known which record is next, if any are held.
func (m *Merge) waitingFor() (waiting []*Input) {
	holding := false
	for _, in := range m.inputs {
		switch {
		case len(in.buffered) > 0:
			holding = true
		case !in.idle():
			waiting = append(waiting, in)
		}
	}
	if !holding {
		return nil
	}
	return waiting
}
