package docs

import (
	"context"
	"log/slog"
	"os"
	"testing"

	"github.com/weirstreams/weir/runtime"
)

// The snippet of control.md about levels: the handler asks for the level at each message.
func TestTheLevelOfTheLogChangesWhileAnApplicationRuns(t *testing.T) {
	t.Parallel()
	level := new(slog.LevelVar) // info
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	config := runtime.Config{Logger: logger}
	level.Set(slog.LevelDebug) // for instance in a handler of an HTTP server
	debug := config.Logger.Enabled(context.Background(), slog.LevelDebug)
	level.Set(slog.LevelWarn)
	if !debug || config.Logger.Enabled(context.Background(), slog.LevelInfo) {
		t.Error("the level has not changed")
	}
}
