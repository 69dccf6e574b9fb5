// Package tracetest records spans in tests of modules that have no SDK of OpenTelemetry.
package tracetest

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"
	"go.opentelemetry.io/otel/trace/noop"
)

// Recorder is a TracerProvider that samples every span and keeps those that have ended. Its zero value is ready. Any goroutine may call its methods.
type Recorder struct {
	embedded.TracerProvider
	mu    sync.Mutex // guards ended and open
	ended []Span
	open  int
}

// Span is a span that has ended.
type Span struct {
	Name            string
	Kind            trace.SpanKind
	Context, Parent trace.SpanContext
	Links           []trace.SpanContext
	Attributes      map[attribute.Key]attribute.Value
	Failed          bool
}

// Tracer implements [trace.TracerProvider].
func (r *Recorder) Tracer(string, ...trace.TracerOption) trace.Tracer { return &tracer{recorder: r} }

// Ended returns the spans that have ended so far, and how many have not.
func (r *Recorder) Ended() (ended []Span, open int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.ended), r.open
}

// Named returns the spans that have ended and whose names begin with a prefix.
func (r *Recorder) Named(prefix string) []Span {
	ended, _ := r.Ended()
	return slices.DeleteFunc(ended, func(s Span) bool { return !strings.HasPrefix(s.Name, prefix) })
}

// NewContext returns the context of a new sampled trace of somebody else, or of one that is not sampled.
func NewContext(sampled bool) trace.SpanContext {
	var c trace.SpanContextConfig
	_, _ = rand.Read(c.TraceID[:]) // it never fails
	_, _ = rand.Read(c.SpanID[:])
	c.Remote = true
	if sampled {
		c.TraceFlags = trace.FlagsSampled
	}
	return trace.NewSpanContext(c)
}

type tracer struct {
	embedded.Tracer
	recorder *Recorder
}

// Start implements [trace.Tracer].
func (t *tracer) Start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	config := trace.NewSpanStartConfig(options...)
	s := &span{recorder: t.recorder, Span: noop.Span{}, made: Span{Name: name, Kind: config.SpanKind(), Attributes: map[attribute.Key]attribute.Value{}}}
	fresh := NewContext(true)
	s.made.Context = fresh.WithRemote(false)
	if parent := trace.SpanContextFromContext(ctx); parent.IsValid() && !config.NewRoot() {
		s.made.Parent, s.made.Context = parent, s.made.Context.WithTraceID(parent.TraceID())
	}
	for _, l := range config.Links() {
		s.made.Links = append(s.made.Links, l.SpanContext)
	}
	s.SetAttributes(config.Attributes()...)
	t.recorder.mu.Lock()
	defer t.recorder.mu.Unlock()
	t.recorder.open++
	return trace.ContextWithSpan(ctx, s), s
}

type span struct {
	trace.Span // for the rest of the methods
	recorder   *Recorder
	made       Span
}

func (s *span) SpanContext() trace.SpanContext { return s.made.Context }
func (s *span) IsRecording() bool              { return true }

func (s *span) SetAttributes(all ...attribute.KeyValue) {
	for _, a := range all {
		s.made.Attributes[a.Key] = a.Value
	}
}

func (s *span) SetStatus(code codes.Code, _ string) { s.made.Failed = code == codes.Error }

func (s *span) End(...trace.SpanEndOption) {
	s.recorder.mu.Lock()
	defer s.recorder.mu.Unlock()
	s.recorder.open--
	s.recorder.ended = append(s.recorder.ended, s.made)
}
