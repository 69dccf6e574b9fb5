package sinks_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/weirstreams/weir/internal/clock"
	"github.com/weirstreams/weir/internal/engine/sinks"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/sink"
)

// forgetful panics when it is to forget records, and so may write them later.
type forgetful struct{ flushed bool }

func (*forgetful) Full() bool   { return false }
func (*forgetful) Discard()     { panic("where are they") }
func (*forgetful) Close() error { return nil }

func (f *forgetful) Flush(context.Context, sink.Checkpoint) error {
	f.flushed = true
	return nil
}

func TestNothingIsFlushedAfterAPanicOfDiscard(t *testing.T) {
	g := &graph.Graph{Nodes: []*graph.Node{{Kind: graph.KindExternal, Detail: "out", Site: "here.go:1"}}}
	f := &forgetful{}
	env := &operator.Env{Drains: []operator.TaskDrain{{Drain: f, Flusher: f}}}
	task := sinks.NewTask("lines/0", g, env, func() {})
	task.Discard()
	committer := sinks.NewCommitter(sinks.Config{Clock: clock.NewVirtual(time.Unix(0, 0))})
	err := committer.Flush(t.Context(), []sinks.Flush{{Task: task}})
	if err == nil || !strings.Contains(err.Error(), `sink "out" (here.go:1): discard records: panic: where are they`) {
		t.Errorf("the flush returns %v", err)
	}
	if f.flushed {
		t.Error("the sink was flushed with records that are to be forgotten")
	}
}
