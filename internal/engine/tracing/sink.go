package tracing

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// flushOptions describe the flush of a sink with records of some contexts.
func (t *Task) flushOptions(name string, links []trace.Link) []trace.SpanStartOption {
	return []trace.SpanStartOption{
		trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindProducer), trace.WithLinks(links...),
		trace.WithAttributes(attrOperation.String("send"), attrOperationType.String("send"), attrDestination.String(name), attrTask.String(t.name)),
	}
}

// Flush implements [operator.Trace].
func (t *Task) Flush(ctx context.Context, node int, name string) (context.Context, func(error)) {
	links := append(t.cut[node], t.added[node]...)
	t.cut[node], t.added[node] = nil, nil
	if len(links) == 0 {
		return ctx, func(error) {}
	}
	ctx, span := t.settings.Tracer.Start(ctx, "send "+name, t.flushOptions(name, links[:min(len(links), MaxLinks)])...)
	return ctx, func(err error) {
		if err != nil { // it is flushed again
			t.added[node] = links[:min(len(links), MaxLinks)]
		}
		end(span, err)
	}
}

// Cut implements [operator.Trace].
func (t *Task) Cut() {
	for node, links := range t.added {
		t.cut[node], t.added[node] = append(t.cut[node], links...), nil
	}
}

// Wrote implements [operator.Trace].
func (t *Task) Wrote(node int, name string, took time.Duration) {
	links := t.cut[node]
	t.cut[node] = nil
	if len(links) == 0 {
		return
	}
	now := time.Now()
	options := append(t.flushOptions(name, links[:min(len(links), MaxLinks)]), trace.WithTimestamp(now.Add(-took)))
	_, span := t.settings.Tracer.Start(t.base, "send "+name, options...)
	span.End(trace.WithTimestamp(now))
}

// Discard implements [operator.Trace].
func (t *Task) Discard() {
	clear(t.added)
	clear(t.cut)
}
