// Package tracing makes spans of the work on records, and carries their contexts in the headers of records.
//
// A task without it has no wrapper around its inputs and outputs, so that an application without traces pays nothing.
package tracing

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/operator"
)

// Settings are those of all tasks of an application. All fields must be set.
type Settings struct {
	Tracer     trace.Tracer
	Propagator propagation.TextMapPropagator
	// Records makes a span for each record. Otherwise there is one for each run of records.
	Records bool
	// Roots is the share of the records without a context, or of the runs of them, that begin a trace: from 0 to 1.
	Roots float64
	// Group is the consumer group.
	Group string
}

// MaxLinks is the greatest number of links of a span about several records.
const MaxLinks = 32

// Attributes of the semantic conventions for messaging.
const (
	attrSystem        = attribute.Key("messaging.system")
	attrOperation     = attribute.Key("messaging.operation.name")
	attrOperationType = attribute.Key("messaging.operation.type")
	attrDestination   = attribute.Key("messaging.destination.name")
	attrPartition     = attribute.Key("messaging.destination.partition.id")
	attrGroup         = attribute.Key("messaging.consumer.group.name")
	attrOffset        = attribute.Key("messaging.kafka.offset")
	attrTombstone     = attribute.Key("messaging.kafka.message.tombstone")
	attrCount         = attribute.Key("messaging.batch.message_count")
	attrError         = attribute.Key("error.type")
	attrTask          = attribute.Key("weir.task")
)

// Task makes the spans of a task. Only the goroutine of the worker calls its methods, or one that the worker waits for.
//
// It promises that Env.Context is the one that the task began with whenever no record, and no run of records, is in work.
type Task struct {
	settings *Settings
	env      *operator.Env
	name     string
	fields   []string
	// base is Env.Context outside of records.
	base context.Context
	// added are the contexts of records that were added to sinks since their last flush, by the nodes of the sinks, and cut those that are written
	// beside the task.
	added, cut map[int][]trace.Link
}

// NewTask returns the spans of a task with that environment, whose Context is set.
func (s *Settings) NewTask(env *operator.Env, name string) *Task {
	return &Task{
		settings: s, env: env, name: name, fields: s.Propagator.Fields(), base: env.Context,
		added: map[int][]trace.Link{}, cut: map[int][]trace.Link{},
	}
}

// carries reports whether headers have one that the propagator reads.
func (t *Task) carries(headers []weir.Header) bool {
	for i := range headers {
		if slices.Contains(t.fields, headers[i].Key) {
			return true
		}
	}
	return false
}

// extract returns the base context with the one that headers carry, and its span, which is not valid if there is none.
func (t *Task) extract(headers []weir.Header) (context.Context, trace.SpanContext) {
	if !t.carries(headers) {
		return t.base, trace.SpanContext{}
	}
	read := weir.HeaderCarrier(headers) // which the interface moves to the heap, so that a record without a context allocates nothing
	ctx := t.settings.Propagator.Extract(t.base, &read)
	return ctx, trace.SpanContextFromContext(ctx)
}

// inject returns a copy of headers that carries ctx, in place of another context.
func (t *Task) inject(ctx context.Context, headers []weir.Header) []weir.Header {
	c := make(weir.HeaderCarrier, 0, len(headers)+len(t.fields))
	for _, h := range headers {
		if !slices.Contains(t.fields, h.Key) {
			c = append(c, h)
		}
	}
	t.settings.Propagator.Inject(ctx, &c)
	return c
}

// begins reports whether a record without a context begins a trace.
func (t *Task) begins() bool {
	share := t.settings.Roots
	return share >= 1 || share > 0 && rand.Float64() < share //nolint:gosec // nothing secret depends on it
}

// about returns the attributes of spans about a topic.
func (t *Task) about(operation, kind, topic string, partition int32, more ...attribute.KeyValue) trace.SpanStartOption {
	return trace.WithAttributes(append(more,
		attrSystem.String("kafka"), attrOperation.String(operation), attrOperationType.String(kind), attrDestination.String(topic),
		attrPartition.String(strconv.Itoa(int(partition))), attrGroup.String(t.settings.Group), attrTask.String(t.name),
	)...)
}

// end ends a span, with an error if there is one.
func end(span trace.Span, err error) {
	if err != nil {
		for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(inner) {
			err = inner
		}
		span.SetAttributes(attrError.String(fmt.Sprintf("%T", err)))
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
}

// errPanic is the error of a span whose function has panicked: the panic itself is reported elsewhere.
var errPanic = errors.New("panic")

// Base implements [operator.Trace].
func (t *Task) Base() context.Context { return t.base }

// Carry implements [operator.Trace].
func (t *Task) Carry(ctx context.Context) context.Context {
	ctx = baggage.ContextWithBaggage(ctx, baggage.FromContext(t.env.Context))
	return trace.ContextWithSpan(ctx, trace.SpanFromContext(t.env.Context))
}

// Resume implements [operator.Trace].
func (t *Task) Resume(headers []weir.Header) (done func()) {
	before := t.env.Context
	if t.settings.Records {
		t.env.Context, _ = t.extract(headers)
	}
	return func() { t.env.Context = before }
}

// Call implements [operator.Trace].
func (t *Task) Call(ctx context.Context, name string, records int, headers func(i int) []weir.Header) (context.Context, func(error)) {
	var links []trace.Link
	for i := 0; i < records && len(links) < MaxLinks; i++ {
		if _, span := t.extract(headers(i)); span.IsSampled() {
			links = append(links, trace.Link{SpanContext: span})
		}
	}
	parent := trace.SpanFromContext(t.env.Context)
	if len(links) == 0 && !parent.IsRecording() {
		return ctx, func(error) {}
	}
	ctx = trace.ContextWithSpan(ctx, parent)
	options := []trace.SpanStartOption{
		trace.WithSpanKind(trace.SpanKindClient), trace.WithLinks(links...),
		trace.WithAttributes(attrCount.Int(records), attrTask.String(t.name)),
	}
	if records == 1 && len(links) == 1 && t.settings.Records {
		ctx = trace.ContextWithRemoteSpanContext(ctx, links[0].SpanContext)
	}
	ctx, span := t.settings.Tracer.Start(ctx, name, options...)
	return ctx, func(err error) { end(span, err) }
}

// Added implements [operator.Trace].
func (t *Task) Added(node int, headers []weir.Header) {
	if len(t.added[node]) >= MaxLinks {
		return
	}
	_, span := t.extract(headers)
	if !span.IsValid() {
		span = trace.SpanContextFromContext(t.env.Context)
	}
	if span.IsSampled() {
		t.added[node] = append(t.added[node], trace.Link{SpanContext: span})
	}
}
