package elasticsearch

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/background"
	"github.com/weirstreams/weir/internal/connector/web"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/internal/bulk"
)

// writer makes documents of the records of a task, and hands them to a writer of batches.
type writer[K, V any] struct {
	sink.Writer[struct{}, *document]
	sink *Sink[K, V]
	task sink.Task
	gzip web.Gzip
	// kept counts documents that were not written because the service had one that was newer, or was to be kept.
	kept atomic.Int64
}

func newWriter[K, V any](s *Sink[K, V], task sink.Task) *writer[K, V] {
	w := &writer[K, V]{sink: s, task: task}
	o := &s.options
	w.Writer = sink.NewBatchWriter(w.write, sink.BatchOptions{
		MaxRecords: o.MaxRecords, MaxBytes: o.MaxBytes, HoldRecords: o.HoldRecords, HoldBytes: o.HoldBytes, MaxAge: o.MaxAge, Now: task.Now,
		Size: func(_, value any) int { return len(value.(*document).lines) },
	})
	return w
}

// Add implements [sink.Writer].
func (w *writer[K, V]) Add(ctx context.Context, r *weir.Record[K, V]) error {
	d, err := w.sink.encoder.document(r)
	if err != nil {
		return fmt.Errorf("make a document for %s: %w", w.sink, err)
	}
	return w.Writer.Add(ctx, &weir.Record[struct{}, *document]{Value: d, Millis: r.Millis, Origin: r.Origin})
}

// Flush implements [sink.Writer].
func (w *writer[K, V]) Flush(ctx context.Context, c sink.Checkpoint) error {
	err := w.Writer.Flush(ctx, c)
	w.logKept()
	return err
}

// Cut implements background.Cutter.
func (w *writer[K, V]) Cut(ctx context.Context, ended func()) background.Cut {
	w.logKept()
	return background.CutOf(ctx, w.Writer, ended)
}

// logKept logs how many documents were not written since the last call.
func (w *writer[K, V]) logKept() {
	if n := w.kept.Swap(0); n > 0 && w.task.Logger != nil {
		w.task.Logger.Info("documents were not written, because the index has newer ones, or the same ones: records were processed again, or others write it",
			"documents", n)
	}
}

// write writes a batch, with as many attempts as the policy allows. Documents that are through stay so when it is called again with them.
func (w *writer[K, V]) write(ctx context.Context, records []weir.Record[struct{}, *document]) error {
	s := w.sink
	retry := s.options.Retry
	retry.If = web.Again(retry.If)
	err := retry.Do(ctx, func(ctx context.Context) error {
		left := make([]*document, 0, len(records))
		for i := range records {
			if d := records[i].Value; !d.done && d.refused == nil {
				left = append(left, d)
			}
		}
		if len(left) == 0 {
			return nil
		}
		return w.bulk(ctx, left)
	})
	switch {
	case err == nil:
		return w.refused(records)
	case ctx.Err() != nil:
		return fmt.Errorf("write %d documents to %s: %w", len(records), s, err)
	}
	return fmt.Errorf("write %d documents to %s: %w", len(records), s, web.Outage(err, s.options.OutageWait))
}

// refused returns the errors of documents that the service does not take, or nil.
func (w *writer[K, V]) refused(records []weir.Record[struct{}, *document]) error {
	return bulk.Refused(records, func(d *document) error {
		if d.refused == nil {
			return nil
		}
		return fmt.Errorf("%s refuses the document: %w", w.sink, d.refused)
	})
}
