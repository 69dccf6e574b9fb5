package sink

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/background"
	"github.com/weirstreams/weir/internal/panics"
)

// Callbacks are told of events of a sink. Each may be nil.
type Callbacks[K any] struct {
	// Connected is called when Connect has succeeded. A panic of it is an error of ConnectFailed.
	Connected func()
	// ConnectFailed is called when Connect has failed, and its result takes the place of the error; so does its panic. With nil the run goes on with
	// a sink that is not connected: Connect is called again when a writer is to be opened. If it fails then too, and ConnectFailed returns nil again, the
	// writer is opened without a connection: a sink that needs one refuses that, which ends the run. Close is called at the end.
	ConnectFailed func(err error) error
	// Silent is called once for each key without records for SilentAfter, by a goroutine of its own, and again after the key has had
	// another record. Null keys do not count. An error, or a panic, is logged, and the
	// call made again within a second, until the key has been silent for three times as long. It must not wait for the application. The seen keys
	// are in memory only: they are forgotten at a restart, and when a partition goes to another member.
	Silent func(ctx context.Context, key K) error
	// SilentAfter is the time of Silent, on the clock of the machine. It must be set if Silent is.
	SilentAfter time.Duration
}

// WithCallbacks returns a sink that does the same as another one, and calls functions. It is a [TwoPhase] if that one is.
func WithCallbacks[K, V any](s Sink[K, V], c Callbacks[K]) Sink[K, V] {
	told := &told[K, V]{Sink: s, callbacks: c}
	if both, ok := s.(TwoPhase[K, V]); ok {
		return &toldTwoPhase[K, V]{told, both}
	}
	return told
}

type told[K, V any] struct {
	Sink[K, V]
	callbacks Callbacks[K]

	mu    sync.Mutex // guards cause
	cause error      // the error of the last Connect, until it succeeds or a writer does without
}

// Connect implements [Sink].
func (s *told[K, V]) Connect(ctx context.Context) error {
	if err := s.callbacks.check(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.connect(ctx)
	if err != nil && s.cause == nil { // nobody closes a sink whose Connect has failed
		err = errors.Join(err, s.Sink.Close(context.WithoutCancel(ctx)))
	}
	return err
}

// connect connects the sink and calls the functions. The lock is held.
func (s *told[K, V]) connect(ctx context.Context) error {
	err := panics.Call(func() error { return s.Sink.Connect(ctx) })
	s.cause = err
	if err == nil && s.callbacks.Connected != nil {
		err = panics.Call(func() error {
			s.callbacks.Connected()
			return nil
		})
	}
	if failed := err; failed != nil && s.callbacks.ConnectFailed != nil {
		err = panics.Call(func() error { return s.callbacks.ConnectFailed(failed) })
	}
	return err
}

// open opens a writer. The sink is connected before, if it is not and that succeeds now.
func (s *told[K, V]) open(ctx context.Context, open func() error) error {
	s.mu.Lock()
	if s.cause == nil {
		s.mu.Unlock()
		return open()
	}
	defer s.mu.Unlock()
	if err := s.connect(ctx); err != nil {
		return err
	}
	err := open()
	if err != nil && s.cause != nil {
		return fmt.Errorf("%w: the sink is not connected: %w", err, s.cause)
	}
	s.cause = nil // a writer that needs no connection is not disturbed by another Connect
	return err
}

// Writer implements [Sink].
func (s *told[K, V]) Writer(ctx context.Context, task Task) (w Writer[K, V], err error) {
	err = s.open(ctx, func() (err error) {
		w, err = s.Sink.Writer(ctx, task)
		return err
	})
	if err != nil || s.callbacks.Silent == nil {
		return w, err
	}
	return &listening[K, V]{w, newSilence(ctx, s.callbacks, task)}, nil
}

type toldTwoPhase[K, V any] struct {
	*told[K, V]
	both TwoPhase[K, V]
}

// TwoPhaseWriter implements [TwoPhase].
func (s *toldTwoPhase[K, V]) TwoPhaseWriter(ctx context.Context, task Task) (w TwoPhaseWriter[K, V], err error) {
	err = s.open(ctx, func() (err error) {
		w, err = s.both.TwoPhaseWriter(ctx, task)
		return err
	})
	if err != nil || s.callbacks.Silent == nil {
		return w, err
	}
	return &listeningTwoPhase[K, V]{w, newSilence(ctx, s.callbacks, task)}, nil
}

// listening is a writer that notes the keys of records.
type listening[K, V any] struct {
	Writer[K, V]
	silence *silence[K]
}

// Add implements [Writer].
func (w *listening[K, V]) Add(ctx context.Context, r *weir.Record[K, V]) error {
	err := w.Writer.Add(ctx, r)
	if err == nil && !r.KeyNull {
		w.silence.touch(r.Key)
	}
	return err
}

// Cut implements background.Cutter, if the other writer does.
func (w *listening[K, V]) Cut(ctx context.Context, ended func()) background.Cut {
	return background.CutOf(ctx, w.Writer, ended)
}

// Close implements [Writer].
func (w *listening[K, V]) Close() error {
	w.silence.stop()
	return w.Writer.Close()
}

// listeningTwoPhase is listening for a writer in two phases.
type listeningTwoPhase[K, V any] struct {
	TwoPhaseWriter[K, V]
	silence *silence[K]
}

// Add implements [TwoPhaseWriter].
func (w *listeningTwoPhase[K, V]) Add(ctx context.Context, r *weir.Record[K, V]) error {
	err := w.TwoPhaseWriter.Add(ctx, r)
	if err == nil && !r.KeyNull {
		w.silence.touch(r.Key)
	}
	return err
}

// Close implements [TwoPhaseWriter].
func (w *listeningTwoPhase[K, V]) Close() error {
	w.silence.stop()
	return w.TwoPhaseWriter.Close()
}
