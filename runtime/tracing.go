package runtime

import (
	"cmp"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/weirstreams/weir/internal/engine/tracing"
)

// TracingConfig makes spans of the work on records, with the API of OpenTelemetry: see docs/tracing.md. A record is traced if its headers carry the
// context of a sampled span, or if Roots chooses it. The provider's sampler has the last word.
type TracingConfig struct {
	// TracerProvider makes the spans: that of the SDK of OpenTelemetry. nil makes none, and headers pass on as they are. Run does not flush it:
	// shut it down after Run.
	TracerProvider trace.TracerProvider

	// Propagator reads contexts from the headers of records and writes them there. The default is that of the W3C: traceparent and tracestate.
	Propagator propagation.TextMapPropagator

	// Spans says how many records a span is about. The default is RecordSpans.
	Spans Spans

	// Roots is the share, from 0 to 1, of the records without a context that begin a trace; with BatchSpans that of the batches in which no record
	// has a context. The default, 0, traces only records whose producer is traced.
	Roots float64
}

// Spans says how many records a span is about.
type Spans int8

const (
	// RecordSpans makes a span for each traced record, with the span of the producer as parent, and one for each record that it writes. Traces reach
	// from the first producer to the last consumer.
	RecordSpans Spans = iota
	// BatchSpans makes a span for each run of records that a task processes in one go, with links to as many as 32 traced records of it. It
	// costs less. The context in the headers of a record passes on unchanged.
	BatchSpans
)

// check reports mistakes.
func (c TracingConfig) check(problem func(format string, args ...any)) {
	if !(c.Roots >= 0 && c.Roots <= 1) { //nolint:staticcheck // so that NaN is refused
		problem("Tracing.Roots is %v: it is a share from 0 to 1", c.Roots)
	}
	if c.Spans < RecordSpans || c.Spans > BatchSpans {
		problem("Tracing.Spans: unknown value %d", c.Spans)
	}
}

// settings returns the settings for tasks of a group, nil without a provider.
func (c TracingConfig) settings(group string) *tracing.Settings {
	if c.TracerProvider == nil {
		return nil
	}
	return &tracing.Settings{
		Tracer:     c.TracerProvider.Tracer(scope, trace.WithSchemaURL(conventions)),
		Propagator: cmp.Or[propagation.TextMapPropagator](c.Propagator, propagation.TraceContext{}),
		Records:    c.Spans == RecordSpans,
		Roots:      c.Roots,
		Group:      group,
	}
}
