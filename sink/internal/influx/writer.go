package influx

import (
	"github.com/weirstreams/weir/internal/connector/web"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/internal/bulk"
)

// newWriter returns the writer of a task. Points that the server has from a request that it refused are written again, which changes nothing.
func newWriter[K, V any](s *Sink[K, V], task sink.Task) sink.Writer[K, V] {
	o := &s.options
	return bulk.NewLineWriter(bulk.Lines[K, V]{
		Target: s, Noun: "point", AppendLine: newEncoder(o, &s.api).appendLine, Post: s.write, Partial: s.api.Partial,
		Gzip: o.Gzip, Retry: o.Retry, OutageWait: o.OutageWait,
	}, sink.BatchOptions{
		MaxRecords: o.MaxRecords, MaxBytes: o.MaxBytes, HoldRecords: o.HoldRecords, HoldBytes: o.HoldBytes, MaxAge: o.MaxAge, Now: task.Now,
	})
}

// Reason returns the beginning of the reason that a server gives, in one line.
func Reason(text string) string { return web.Shown([]byte(text), nil) }
