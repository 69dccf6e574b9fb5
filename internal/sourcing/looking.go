package sourcing

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/murmur2"
	"github.com/weirstreams/weir/internal/panics"
	"github.com/weirstreams/weir/source"
)

// looking asks a source for its splits, and keeps those of one slot. act belongs to the goroutine of the looking or, if there is none, to
// that of the worker.
type looking[K, V any] struct {
	slot     *Slot[K, V]
	failures int
	notUntil time.Time
	looked   bool // with success

	mu sync.Mutex // guards the fields below
	// found are splits that the worker has not taken over; news is set when the source has named its splits since the worker looked.
	found       []source.Split
	news        bool
	finished    map[string]bool
	failed      error
	failedCalls int64
}

// run is the goroutine of the looking.
func (l *looking[K, V]) run(ctx context.Context, done chan<- struct{}) {
	defer close(done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for ctx.Err() == nil {
		wait := l.act(ctx)
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
}

// act asks for the splits if it is time, and returns how long it is not.
func (l *looking[K, V]) act(ctx context.Context) (wait time.Duration) {
	s := l.slot
	if l.failed != nil || l.looked && s.options.LookInterval < 0 {
		return untilSignal
	}
	if wait := l.notUntil.Sub(s.task.Now()); wait > 0 {
		return wait
	}
	wait = s.options.LookInterval
	if wait < 0 {
		wait = untilSignal
	}
	var splits []source.Split
	err := panics.Call(func() (err error) {
		splits, err = s.from.Splits(ctx, l.isFinished)
		return err
	})
	var own []source.Split
	if err == nil {
		own, err = l.own(splits)
	}
	switch {
	case ctx.Err() != nil:
		return 0
	case err == nil:
		l.failures, l.looked = 0, true
		l.mu.Lock()
		l.found, l.news = own, true
		l.mu.Unlock()
		s.wake()
	default:
		wait = l.fail(err, wait)
	}
	if wait != untilSignal {
		l.notUntil = s.task.Now().Add(wait)
	}
	return wait
}

// errSplits says that the source breaks the rules of Splits, which no other attempt mends.
var errSplits = errors.New("the splits of a source need different IDs")

// own returns the splits that belong to the slot.
func (l *looking[K, V]) own(splits []source.Split) (own []source.Split, err error) {
	seen := make(map[string]bool, len(splits))
	for _, split := range splits {
		if split.ID == "" || seen[split.ID] {
			return nil, fmt.Errorf("%w, which are not empty: %q is not so", errSplits, split.ID)
		}
		seen[split.ID] = true
		affinity := split.Affinity
		if affinity == "" {
			affinity = split.ID
		}
		if murmur2.Partition([]byte(affinity), l.slot.slots) == l.slot.task.Slot {
			own = append(own, split)
		}
	}
	return own, nil
}

// fail notes a failure, and returns how long to wait. Only a source that was never looked into ends the run: the others go on
// with the splits that are known, and look again after the interval.
func (l *looking[K, V]) fail(err error, interval time.Duration) time.Duration {
	s := l.slot
	if _, later := errors.AsType[*weir.RetryLaterError](err); !later {
		l.failures++
	}
	wait, again := s.options.Retry.Next(l.failures, err)
	broken := errors.Is(err, errSplits)
	l.mu.Lock()
	l.failedCalls++
	if broken || !again && !l.looked {
		l.failed = &source.Error{Source: s.task.Source, Doing: "look for splits", Attempts: l.failures, Err: err}
	}
	failed := l.failed
	l.mu.Unlock()
	switch {
	case failed != nil:
		s.wake()
		return untilSignal
	case !again:
		s.task.Logger.Warn("the splits of a source are not known; those that were found are read", "wait", interval, "error", err)
		l.failures = 0
		return interval
	}
	s.task.Logger.Warn("the splits of a source could not be looked up; trying again", "failures", l.failures, "wait", wait, "error", err)
	return wait
}

// take returns the splits that were found since the last call, and whether the source was asked.
func (l *looking[K, V]) take() (found []source.Split, news bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	found, news = l.found, l.news
	l.found, l.news = nil, false
	return found, news
}

// isFinished reports whether a split of the slot is at its end, and that is committed.
func (l *looking[K, V]) isFinished(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.finished[id]
}

// finish notes that a split is at its end.
func (l *looking[K, V]) finish(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.finished[id] = true
}

// status returns the number of splits at their ends, the number of calls that have failed, and the error that ends the looking.
func (l *looking[K, V]) status() (finished int, failedCalls int64, failed error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.finished), l.failedCalls, l.failed
}
