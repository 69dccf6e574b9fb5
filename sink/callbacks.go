package sink

import (
	"context"
	"errors"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/background"
	"github.com/weirstreams/weir/internal/panics"
)

// Callbacks are told of events of a sink. Each may be nil.
type Callbacks[K any] struct {
	// Connected is called when Connect has succeeded. A panic of it is an error of ConnectFailed.
	Connected func()
	// ConnectFailed is called when Connect has failed. Its result takes the place of the error. With nil the run goes on, with a sink that is not
	// connected: its methods are called all the same, so that it has to connect later, and Close is called at the end.
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
}

// Connect implements [Sink].
func (s *told[K, V]) Connect(ctx context.Context) error {
	if err := s.callbacks.check(); err != nil {
		return err
	}
	err := s.Sink.Connect(ctx)
	connected := err == nil
	if connected && s.callbacks.Connected != nil {
		err = panics.Call(func() error {
			s.callbacks.Connected()
			return nil
		})
	}
	if err != nil && s.callbacks.ConnectFailed != nil {
		err = s.callbacks.ConnectFailed(err)
	}
	if err != nil && connected { // nobody closes a sink whose Connect has failed
		err = errors.Join(err, s.Sink.Close(context.WithoutCancel(ctx)))
	}
	return err
}

// Writer implements [Sink].
func (s *told[K, V]) Writer(ctx context.Context, task Task) (Writer[K, V], error) {
	w, err := s.Sink.Writer(ctx, task)
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
func (s *toldTwoPhase[K, V]) TwoPhaseWriter(ctx context.Context, task Task) (TwoPhaseWriter[K, V], error) {
	w, err := s.both.TwoPhaseWriter(ctx, task)
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
