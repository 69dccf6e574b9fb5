package elasticsearch

import (
	"context"
	"fmt"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector/web"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/internal/bulk"
)

// writer makes documents of the records of a task, and writes them in batches.
type writer[K, V any] struct {
	*bulk.Writer[K, V, *document]
	sink *Sink[K, V]
	gzip web.Gzip
}

func newWriter[K, V any](s *Sink[K, V], task sink.Task) *writer[K, V] {
	w := &writer[K, V]{sink: s}
	o := &s.options
	w.Writer = bulk.NewWriter(bulk.Config[K, V, *document]{
		Target: s, Noun: "document", Make: s.encoder.document, Write: w.write, Size: func(d *document) int { return len(d.lines) }, Logger: task.Logger,
		KeptMessage: "documents were not written, because the index has newer ones, or the same ones: records were processed again, or others write it",
	}, sink.BatchOptions{
		MaxRecords: o.MaxRecords, MaxBytes: o.MaxBytes, HoldRecords: o.HoldRecords, HoldBytes: o.HoldBytes, MaxAge: o.MaxAge, Now: task.Now,
	})
	return w
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
