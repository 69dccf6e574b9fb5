package runtime_test

import (
	"context"
	"io"
	"log/slog"
	"maps"
	"sync"
	"testing"

	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/runtime"
)

// lines is a log that can be looked at.
type lines struct {
	slog.Handler
	seen *seenLines
}

type seenLines struct {
	mu    sync.Mutex // guards what follows
	count map[string]int
	warn  map[string]int
	on    map[string]func()
}

// loggingConfig returns a configuration and its log.
func (k *testCluster) loggingConfig() (runtime.Config, *seenLines) {
	config := k.config()
	seen := &seenLines{count: map[string]int{}, warn: map[string]int{}, on: map[string]func(){}}
	config.Logger = slog.New(lines{config.Logger.Handler(), seen})
	return config, seen
}

func (l lines) Handle(ctx context.Context, r slog.Record) error {
	l.seen.mu.Lock()
	l.seen.count[r.Message]++
	if r.Level >= slog.LevelWarn {
		l.seen.warn[r.Message]++
	}
	hook := l.seen.on[r.Message]
	l.seen.mu.Unlock()
	err := l.Handler.Handle(ctx, r)
	if hook != nil {
		hook()
	}
	return err
}

func (l lines) WithAttrs(attrs []slog.Attr) slog.Handler {
	return lines{l.Handler.WithAttrs(attrs), l.seen}
}

func (l lines) WithGroup(name string) slog.Handler {
	return lines{l.Handler.WithGroup(name), l.seen}
}

// countOf returns how often a message was logged.
func (l *seenLines) countOf(message string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count[message]
}

// warnings returns the messages of warnings and errors, and how often they were logged.
func (l *seenLines) warnings() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.warn)
}

// whenever has f called by whoever logs a message, after it was logged.
func (l *seenLines) whenever(message string, f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.on[message] = f
}

// The level of the handler is asked for each line, so that it can be changed while the application runs.
func TestTheLevelOfTheLogChangesAtRunTime(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	in, out := k.Topic(t, "in", 1), k.Topic(t, "out", 1)
	config, seen := k.loggingConfig()
	level := new(slog.LevelVar)
	level.Set(slog.LevelError)
	config.Logger = slog.New(lines{slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: level}), seen})
	app := run(t, countedTwice(in, out), config)
	await(t, "the start", func() bool { return app.Status().State == runtime.Running })
	if n := seen.countOf("joining the group"); n != 0 {
		t.Errorf("a line of the level info was logged %d times at the level error", n)
	}
	level.Set(slog.LevelInfo)
	app.stop()
	if n := seen.countOf("stopped"); n != 1 {
		t.Errorf("the end was logged %d times, want once", n)
	}
}
