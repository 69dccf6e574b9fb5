package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/sink"
)

// item is a record that waits for the next checkpoint.
type item struct {
	commands []Command
	origin   weir.Origin
	name     [nameSize]byte // for Options.Once
	key      string         // of the first command
	size     int
	// scripted says that the record needs a script in a cluster: it has several commands, or one that a cluster would run on any node.
	scripted bool
	// done says that the record is written, or refused.
	done bool
}

// writer holds the records of a task, encoded, until the next checkpoint.
type writer[K, V any] struct {
	server *server[K, V]
	task   sink.Task
	now    func() time.Time
	once   *once // nil without Options.Once

	items   []item
	bytes   int64
	since   time.Time // when the first item was added
	written int       // items in front that are done
}

// Add implements [sink.Writer].
func (w *writer[K, V]) Add(_ context.Context, r *weir.Record[K, V]) error {
	made, err := w.server.encoder.commands(r)
	if err != nil {
		return fmt.Errorf("write to Redis at %s: %w", w.server.address, err)
	}
	if len(made) == 0 {
		return nil
	}
	i := item{commands: made, origin: *r.Origin, key: keyOf(made[0]), scripted: len(made) > 1}
	if verb, ok := made[0][0].(string); ok && strings.EqualFold(verb, "PUBLISH") {
		i.scripted = true
	}
	for _, c := range made {
		i.size += size(c)
	}
	if w.once != nil {
		i.name = w.once.name(&i)
	}
	if len(w.items) == 0 {
		w.since = w.now()
	}
	w.items = append(w.items, i)
	w.bytes += int64(i.size)
	return nil
}

// Full implements [sink.Writer].
func (w *writer[K, V]) Full() bool {
	o := &w.server.options
	return len(w.items) >= o.HoldRecords || w.bytes >= o.HoldBytes || o.MaxAge > 0 && len(w.items) > 0 && w.now().Sub(w.since) >= o.MaxAge
}

// Discard implements [sink.Writer].
func (w *writer[K, V]) Discard() {
	w.forget()
	if w.once != nil {
		w.once.discard()
	}
}

func (w *writer[K, V]) forget() {
	clear(w.items)
	w.items, w.bytes, w.written = w.items[:0], 0, 0
}

// Close implements [sink.Writer].
func (w *writer[K, V]) Close() error {
	w.items, w.bytes, w.written = nil, 0, 0
	return nil
}

// Flush implements [sink.Writer].
func (w *writer[K, V]) Flush(ctx context.Context, c sink.Checkpoint) error {
	if w.once != nil {
		w.once.begin(c)
	}
	for w.skipDone(); w.written < len(w.items); w.skipDone() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := w.put(ctx, w.items[w.written:w.written+w.fitting()]); err != nil {
			return err
		}
	}
	w.forget()
	if w.once != nil {
		w.once.end()
	}
	return nil
}

func (w *writer[K, V]) skipDone() {
	for w.written < len(w.items) && w.items[w.written].done {
		w.written++
	}
}

// fitting returns how many items the next round trip gets: at least one.
func (w *writer[K, V]) fitting() int {
	left := w.items[w.written:min(len(w.items), w.written+w.server.options.MaxRecords)]
	bytes := int64(0)
	for i := range left {
		if bytes += int64(left[i].size); i > 0 && bytes > w.server.options.MaxBytes {
			return i
		}
	}
	return len(left)
}

// busyWait is how long the application holds its input back after the attempts of Options.Retry are used up.
const busyWait = 5 * time.Second

// put writes items, with as many attempts as the policy allows. It marks those that are written or refused.
func (w *writer[K, V]) put(ctx context.Context, items []item) error {
	s := w.server
	var refused sink.RecordErrors
	retry := s.options.Retry
	retry.If = passes
	err := retry.Do(ctx, func(ctx context.Context) error {
		more, err := s.attempt(ctx, w.once, items)
		for _, r := range more {
			r.Origin = items[r.Index].origin
			refused = append(refused, r)
		}
		return err
	})
	at := fmt.Sprintf("write to Redis at %s", s.address)
	switch {
	case len(refused) > 0: // the rest is written by the next Flush, or fails again
		for i := range refused {
			refused[i].Index += w.written
			refused[i].Err = fmt.Errorf("%s: %w", at, refused[i].Err)
		}
		return refused
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", at, errors.Join(context.Cause(ctx), err))
	case passes(err):
		return &weir.RetryLaterError{RetryAfter: busyWait, Err: fmt.Errorf("%s: %w", at, err)}
	}
	return fmt.Errorf("%s: %w", at, explain(err))
}
