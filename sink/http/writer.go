package http

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector/web"
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
	// written is how many items are through, and begun how many the request has that failed without a refusal, or 0.
	written, begun int
	// first is the checkpoint of the first request of the items, and covered the input of the last checkpoint.
	first   *sink.Checkpoint
	covered []sink.Position
	// taken counts the successful requests by their names, since the input has begun where it does.
	taken map[name]int
	// limit bounds requests up to the item until, after a refusal: it finds the records that the service refuses.
	limit, until int
	gzip         web.Gzip
}

var errNoItem = errors.New("it is empty")

// Add implements [sink.Writer].
func (w *writer[K, V]) Add(_ context.Context, r *weir.Record[K, V]) error {
	item, err := w.sink.options.Item(nil, *r)
	if err != nil {
		return fmt.Errorf("make the item of a request to %s: %w", w.sink.address, err)
	}
	if len(item) == 0 && w.sink.options.Body == nil { // an array or a line of nothing would spoil the request
		return fmt.Errorf("make the item of a request to %s: %w", w.sink.address, errNoItem)
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
	w.forgetItems()
	clear(w.taken) // the same requests are going to be made again
}

func (w *writer[K, V]) forgetItems() {
	clear(w.items)
	w.items, w.origins, w.bytes = w.items[:0], w.origins[:0], 0
	w.written, w.begun, w.first = 0, 0, nil
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
		if !sameInput(w.covered, c.Positions) {
			clear(w.taken)
		}
	}
	w.covered = c.Positions
	for w.written < len(w.items) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n := w.begun // the service may have taken it
		if n == 0 {
			n = w.fitting()
		}
		w.begun = n
		request, err := w.send(ctx, w.items[w.written:w.written+n])
		wrong, isWrong := errors.AsType[*web.WrongRequest](err)
		refused, isRefused := errors.AsType[sink.RecordErrors](err)
		switch {
		case isWrong && n > 1: // smaller requests tell which record is the cause
			w.limit, w.until, w.begun = n/2, max(w.until, w.written+n), 0
			continue
		case isWrong:
			refused, isRefused = sink.RecordErrors{{Index: 0, Err: wrong.Err}}, true
		case err != nil && !isRefused:
			return err
		}
		for i := range refused {
			refused[i].Origin = w.origins[w.written+refused[i].Index]
		}
		w.written += n
		w.begun = 0
		w.count(request)
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
	w.forgetItems()
	return nil
}

// send makes the request with some items, and makes it again as Options.Retry says. It returns the request's name.
func (w *writer[K, V]) send(ctx context.Context, items [][]byte) (name, error) {
	s := w.sink
	body, err := s.options.body(items)
	if err != nil {
		return name{}, fmt.Errorf("make the body of a request to %s: %w", s.address, err)
	}
	key := ""
	var request name
	if s.options.IdempotencyHeader != noKeyHeader {
		request = w.name(body)
		key = w.key(request)
	}
	encoding := ""
	if s.options.Gzip {
		if body, err = w.gzip.Compress(body); err != nil {
			return name{}, fmt.Errorf("compress a request to %s: %w", s.address, err)
		}
		encoding = "gzip"
	}
	retry := s.options.Retry
	retry.If = web.Again(retry.If)
	err = retry.Do(ctx, func(ctx context.Context) error { return s.post(ctx, body, key, encoding, len(items)) })
	switch {
	case err == nil:
		return request, nil
	case ctx.Err() != nil:
		return request, fmt.Errorf("send %d records to %s: %w", len(items), s.address, err)
	}
	return request, fmt.Errorf("send %d records to %s: %w", len(items), s.address, web.Outage(err, s.options.OutageWait))
}
