package sink

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/internal/panics"
)

// check returns the mistakes of callbacks.
func (c *Callbacks[K]) check() error {
	switch {
	case c.Silent != nil && c.SilentAfter <= 0:
		return fmt.Errorf("%w: sink.Callbacks.SilentAfter is %v, and Silent needs a time", weir.ErrConfiguration, c.SilentAfter)
	case c.Silent == nil && c.SilentAfter != 0:
		return fmt.Errorf("%w: sink.Callbacks.SilentAfter is %v, and Silent is nil", weir.ErrConfiguration, c.SilentAfter)
	}
	return nil
}

const (
	// silenceRetry is how long after a failed call it is made again, at most.
	silenceRetry = time.Second
	// silenceLimit is how many times SilentAfter a key stays known while its calls fail.
	silenceLimit = 3
)

// silence finds keys of a task that have no records for some time. A timer is set while keys are known, and no goroutine waits.
type silence[K any] struct {
	call    func(ctx context.Context, key K) error
	after   time.Duration
	logger  *slog.Logger
	text    func(K) (text string, null bool, err error)
	context context.Context // of the calls, which begin on their own; ended by stop
	end     context.CancelFunc
	calls   sync.WaitGroup

	mu    sync.Mutex // guards the rest
	seen  map[string]*lastSeen[K]
	timer *time.Timer // nil while no key is known
}

// lastSeen is when a key had its last record.
type lastSeen[K any] struct {
	key    K
	at     time.Time
	failed time.Time // the last failed call, or zero
}

func newSilence[K any](ctx context.Context, c Callbacks[K], task Task) *silence[K] {
	s := &silence[K]{call: c.Silent, after: c.SilentAfter, logger: task.Logger, text: connector.KeyText[K](), seen: map[string]*lastSeen[K]{}}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	s.context, s.end = context.WithCancel(context.WithoutCancel(ctx))
	return s
}

// touch notes a record of a key. A key without a text does not count.
func (s *silence[K]) touch(key K) {
	text, null, err := s.text(key)
	if err != nil || null {
		return
	}
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.seen[text]; e != nil {
		e.at, e.failed = now, time.Time{}
		return
	}
	if b, ok := any(key).([]byte); ok {
		key = any(slices.Clone(b)).(K) // it lies in a fetch buffer
	}
	s.seen[text] = &lastSeen[K]{key: key, at: now}
	if s.timer == nil && s.context.Err() == nil {
		s.set(s.after)
	}
}

// set lets check run after some time. The lock is held.
func (s *silence[K]) set(wait time.Duration) {
	s.calls.Add(1)
	s.timer = time.AfterFunc(wait, func() {
		defer s.calls.Done()
		s.check()
	})
}

// check calls the function for the silent keys, and sets the timer for the next ones.
func (s *silence[K]) check() {
	now := time.Now()
	due := map[string]time.Time{}
	s.mu.Lock()
	for text, e := range s.seen {
		switch silent := now.Sub(e.at); {
		case silent >= silenceLimit*s.after && !e.failed.IsZero():
			s.logger.Warn("a key is silent, and the function that should be told of it goes on failing; it is forgotten", "key", text, "silent", silent)
			delete(s.seen, text)
		case silent >= s.after && now.Sub(e.failed) >= min(silenceRetry, s.after):
			due[text] = e.at
		}
	}
	s.mu.Unlock()
	for text, at := range due {
		s.mu.Lock()
		e := s.seen[text]
		s.mu.Unlock()
		if s.context.Err() != nil {
			return
		}
		err := panics.Call(func() error { return s.call(s.context, e.key) })
		s.mu.Lock()
		switch {
		case !e.at.Equal(at): // it had a record meanwhile
		case err != nil:
			e.failed = time.Now()
			s.logger.Error("the function for silent keys failed", "key", text, "error", err)
		default:
			delete(s.seen, text)
		}
		s.mu.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timer = nil
	if len(s.seen) == 0 || s.context.Err() != nil {
		return
	}
	wait := s.after
	for _, e := range s.seen {
		next := e.at.Add(s.after)
		if !e.failed.IsZero() {
			next = e.failed.Add(min(silenceRetry, s.after))
		}
		wait = min(wait, time.Until(next))
	}
	s.set(max(wait, time.Millisecond))
}

// stop ends the calls and waits for the one that runs.
func (s *silence[K]) stop() {
	s.mu.Lock()
	s.end()
	if s.timer != nil && s.timer.Stop() {
		s.calls.Done()
	}
	s.mu.Unlock()
	s.calls.Wait()
}
