package source

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/weirstreams/weir"
)

// Ticker returns a source that calls a function at a fixed interval and writes its record. at is the time of the tick: a multiple of the
// interval since the zero time, as time.Truncate has it. It is the time of the record, unless the function sets another.
//
// The position is the time of the last tick. Ticks that were missed, because nothing ran or the function was slow, are not made up for, but for
// the last one. An error of the function is tried again for the same tick, as the retry policy says. The interval is 1 ms at least: less is an error of Connect.
func Ticker[K, V any](interval time.Duration, f func(ctx context.Context, at time.Time) (weir.Record[K, V], error)) Source[K, V] {
	return &ticker[K, V]{interval, f}
}

type ticker[K, V any] struct {
	interval time.Duration
	f        func(ctx context.Context, at time.Time) (weir.Record[K, V], error)
}

func (s *ticker[K, V]) Connect(context.Context) error {
	switch {
	case s.f == nil:
		return fmt.Errorf("%w: the function of source.Ticker is nil", weir.ErrConfiguration)
	case s.interval < time.Millisecond:
		return fmt.Errorf("%w: the interval of source.Ticker is %v, and has to be 1 ms at least", weir.ErrConfiguration, s.interval)
	}
	return nil
}

func (s *ticker[K, V]) Close(context.Context) error { return nil }
func (s *ticker[K, V]) Slots() int32                { return 1 }

func (s *ticker[K, V]) Splits(context.Context, func(string) bool) ([]Split, error) {
	return []Split{{ID: single}}, nil
}

func (s *ticker[K, V]) Open(_ context.Context, task Task, _ Split, position []byte) (Reader[K, V], error) {
	last := task.Now()
	if position != nil {
		nanos, err := strconv.ParseInt(string(position), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("position %q is no time of a tick in nanoseconds: %w", position, err)
		}
		last = time.Unix(0, nanos)
	}
	return &tickReader[K, V]{ticker: s, now: task.Now, last: last.Truncate(s.interval)}, nil
}

type tickReader[K, V any] struct {
	*ticker[K, V]
	now  func() time.Time
	last time.Time // the last tick
}

func (r *tickReader[K, V]) Read(ctx context.Context, into *Batch[K, V]) error {
	now := r.now()
	due := now.Truncate(r.interval)
	if !due.After(r.last) {
		return &weir.RetryLaterError{RetryAfter: r.last.Add(r.interval).Sub(now)}
	}
	record, err := r.f(ctx, due)
	if err != nil {
		return err
	}
	if record.Millis == 0 {
		record.SetTime(due)
	}
	r.last = due
	into.Records = append(into.Records, record)
	into.Position = strconv.AppendInt(nil, due.UnixNano(), 10)
	return nil
}

func (r *tickReader[K, V]) Acknowledge(context.Context, []byte) error { return nil }
func (r *tickReader[K, V]) Close() error                              { return nil }
