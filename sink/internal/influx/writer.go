package influx

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector/web"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/internal/bulk"
)

// point is a record as a line.
type point struct {
	line []byte
	// done says that the server has it; refused is the answer to a line that it does not take.
	done    bool
	refused error
}

// writer makes points of the records of a task, and writes them in batches.
type writer[K, V any] struct {
	*bulk.Writer[K, V, *point]
	sink *Sink[K, V]
	gzip web.Gzip
}

func newWriter[K, V any](s *Sink[K, V], task sink.Task) *writer[K, V] {
	w := &writer[K, V]{sink: s}
	o := &s.options
	made := func(r *weir.Record[K, V]) (*point, error) {
		line, err := s.encoder.line(r)
		return &point{line: line}, err
	}
	w.Writer = bulk.NewWriter(bulk.Config[K, V, *point]{
		Target: s, Noun: "point", Make: made, Write: w.write, Size: func(p *point) int { return len(p.line) },
	}, sink.BatchOptions{
		MaxRecords: o.MaxRecords, MaxBytes: o.MaxBytes, HoldRecords: o.HoldRecords, HoldBytes: o.HoldBytes, MaxAge: o.MaxAge, Now: task.Now,
	})
	return w
}

// write writes a batch, with as many attempts as the policy allows. Points that are through stay so when it is called again with them.
func (w *writer[K, V]) write(ctx context.Context, records []weir.Record[struct{}, *point]) error {
	s := w.sink
	retry := s.options.Retry
	retry.If = web.Again(retry.If)
	err := retry.Do(ctx, func(ctx context.Context) error {
		left := make([]*point, 0, len(records))
		for i := range records {
			if p := records[i].Value; !p.done && p.refused == nil {
				left = append(left, p)
			}
		}
		if len(left) == 0 {
			return nil
		}
		return w.send(ctx, left)
	})
	switch {
	case err == nil:
		return w.refused(records)
	case ctx.Err() != nil:
		return fmt.Errorf("write %d points to %s: %w", len(records), s, err)
	}
	return fmt.Errorf("write %d points to %s: %w", len(records), s, web.Outage(err, s.options.OutageWait))
}

// refused returns the errors of points that the server does not take, or nil.
func (w *writer[K, V]) refused(records []weir.Record[struct{}, *point]) error {
	return bulk.Refused(records, func(p *point) error {
		if p.refused == nil {
			return nil
		}
		return fmt.Errorf("%s refuses the point: %w", w.sink, p.refused)
	})
}

// send writes points by one request, or by several if the server refuses it, until each is done or refused. An error says that some are left. Points
// that the server has from a request that it refused are written again, which changes nothing.
func (w *writer[K, V]) send(ctx context.Context, points []*point) error {
	answer, err := w.post(ctx, points)
	wrong, ok := errors.AsType[*web.WrongRequest](err)
	switch {
	case err == nil:
		for _, p := range points {
			p.done = true
		}
		return nil
	case !ok:
		return err
	}
	if partial := w.sink.api.Partial; partial != nil && answer.Status == http.StatusBadRequest && w.judge(points, partial(answer.Body)) {
		return nil
	}
	if len(points) == 1 {
		points[0].refused = wrong.Err
		return nil
	}
	half := len(points) / 2
	if err := w.send(ctx, points[:half]); err != nil {
		return err // the second half may have later points with the same tags and time
	}
	return w.send(ctx, points[half:])
}

// judge marks the points by the errors of their lines. It reports false, and marks none, if these are not errors of such a request.
func (w *writer[K, V]) judge(points []*point, refused map[int]error) bool {
	if len(refused) == 0 {
		return false
	}
	for number := range refused {
		if number < 1 || number > len(points) {
			return false
		}
	}
	for i, p := range points {
		p.refused = refused[i+1]
		p.done = p.refused == nil
	}
	return true
}

// post makes one attempt of a request.
func (w *writer[K, V]) post(ctx context.Context, points []*point) (web.Answer, error) {
	size := 0
	for _, p := range points {
		size += len(p.line)
	}
	body := make([]byte, 0, size)
	for _, p := range points {
		body = append(body, p.line...)
	}
	encoding := ""
	if w.sink.options.Gzip {
		var err error
		if body, err = w.gzip.Compress(body); err != nil {
			return web.Answer{}, fmt.Errorf("compress: %w", err)
		}
		encoding = "gzip"
	}
	return w.sink.write(ctx, body, encoding)
}

// Reason returns the beginning of the reason that a server gives, in one line.
func Reason(text string) string { return web.Shown([]byte(text), nil) }
