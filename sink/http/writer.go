package http

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/sink"
)

// writer holds the records of a task, encoded, until the next checkpoint.
type writer[K, V any] struct {
	sink *Sink[K, V]
	task sink.Task
	now  func() time.Time

	items   [][]byte
	origins []weir.Origin
	bytes   int64
	since   time.Time // when the first item was added
	// written is how many items are through, request the number of the next request, and first the checkpoint of the first request.
	written, request int
	first            *sink.Checkpoint
	// limit bounds requests up to the item until, after a refusal: it finds the records that the service refuses.
	limit, until int
	gzip         *gzip.Writer // nil before its first use
}

// Add implements [sink.Writer].
func (w *writer[K, V]) Add(_ context.Context, r *weir.Record[K, V]) error {
	item, err := w.sink.options.Item(nil, *r)
	if err != nil {
		return fmt.Errorf("make the item of a request to %s: %w", w.sink.address, err)
	}
	if len(w.items) == 0 {
		w.since = w.now()
	}
	w.items = append(w.items, item)
	w.origins = append(w.origins, *r.Origin)
	w.bytes += int64(len(item))
	return nil
}

// Full implements [sink.Writer].
func (w *writer[K, V]) Full() bool {
	o := &w.sink.options
	return len(w.items) >= o.HoldRecords || w.bytes >= o.HoldBytes ||
		o.MaxAge > 0 && len(w.items) > 0 && w.now().Sub(w.since) >= o.MaxAge
}

// Discard implements [sink.Writer].
func (w *writer[K, V]) Discard() {
	clear(w.items)
	w.items, w.origins, w.bytes = w.items[:0], w.origins[:0], 0
	w.written, w.request, w.first = 0, 0, nil
	w.limit, w.until = 0, 0
}

// Close implements [sink.Writer].
func (w *writer[K, V]) Close() error {
	w.Discard()
	w.items, w.origins = nil, nil
	return nil
}

// Flush implements [sink.Writer].
func (w *writer[K, V]) Flush(ctx context.Context, c sink.Checkpoint) error {
	if w.first == nil {
		w.first = &c
	}
	for w.written < len(w.items) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n := w.fitting()
		err := w.send(ctx, w.items[w.written:w.written+n])
		wrong, isWrong := errors.AsType[*wrongRequest](err)
		refused, isRefused := errors.AsType[sink.RecordErrors](err)
		switch {
		case isWrong && n > 1: // smaller requests tell which record is the cause
			w.limit, w.until = n/2, max(w.until, w.written+n)
			continue
		case isWrong:
			refused, isRefused = sink.RecordErrors{{Index: 0, Err: wrong.error}}, true
		case err != nil && !isRefused:
			return err
		}
		for i := range refused {
			refused[i].Origin = w.origins[w.written+refused[i].Index]
		}
		w.written += n
		w.request++
		if w.limit > 0 {
			w.limit *= 2
		}
		if w.written >= w.until {
			w.limit, w.until = 0, 0
		}
		if isRefused {
			return refused
		}
	}
	w.Discard()
	return nil
}

// fitting returns the number of items of the next request: at least one.
func (w *writer[K, V]) fitting() int {
	o := &w.sink.options
	left := w.items[w.written:min(len(w.items), w.written+o.MaxRecords)]
	if w.limit > 0 && len(left) > w.limit {
		left = left[:w.limit]
	}
	bytes := 0
	for i, item := range left {
		if bytes += len(item); i > 0 && bytes > o.MaxBytes {
			return i
		}
	}
	return len(left)
}

// send makes the request with some items, and makes it again as Options.Retry says.
func (w *writer[K, V]) send(ctx context.Context, items [][]byte) error {
	s := w.sink
	body, err := s.options.body(items)
	if err != nil {
		return fmt.Errorf("make the body of a request to %s: %w", s.address, err)
	}
	key := ""
	if s.options.IdempotencyHeader != noKeyHeader {
		key = w.key(body)
	}
	encoding := ""
	if s.options.Gzip {
		if body, err = w.compress(body); err != nil {
			return fmt.Errorf("compress a request to %s: %w", s.address, err)
		}
		encoding = "gzip"
	}
	retry := s.options.Retry
	retry.If = again(retry.If)
	err = retry.Do(ctx, func(ctx context.Context) error { return s.post(ctx, body, key, encoding, len(items)) })
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("send %d records to %s: %w", len(items), s.address, err)
	}
	if outage, ok := errors.AsType[*transient](err); ok {
		err = &weir.RetryLaterError{RetryAfter: s.options.OutageWait, Err: fmt.Errorf("%w (last error: %w)", errAttempts, outage.error)}
	}
	return fmt.Errorf("send %d records to %s: %w", len(items), s.address, err)
}

var errAttempts = errors.New("all attempts of Options.Retry have failed")
