package elasticsearch

import (
	"context"

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
	o := &w.sink.options
	return bulk.Write(ctx, bulk.Attempts{Retry: o.Retry, OutageWait: o.OutageWait, Target: w.sink, Noun: "document"}, records, w.bulk)
}
