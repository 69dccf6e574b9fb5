package runtime

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

// What cannot be read any further is warned of after half a minute, and each half a minute again; what gets on is not, however
// slowly.
func TestStallsAreWarnedOf(t *testing.T) {
	var log bytes.Buffer
	p := newProgress(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn})))
	warned := func(s Status) []string {
		log.Reset()
		p.report(s)
		var names []string
		for _, name := range []string{"task=stuck/0", "task=slow/0", "task=ready/0", "topic=rows"} {
			if strings.Contains(log.String(), name) {
				names = append(names, name)
			}
		}
		return names
	}
	for i := range 7 {
		status := Status{
			Tasks: []TaskStatus{
				{Name: "ready/0"},
				{Name: "slow/0", Restoring: true, Remaining: int64(1000 - i/2)},
				{Name: "stuck/0", Restoring: true, Remaining: 5},
				{Name: "unknown/0", Restoring: true},
			},
		}
		if i >= 2 {
			status.Globals = []GlobalStatus{{Topic: "rows", Loading: true, Remaining: 7}}
		}
		var want string
		switch i {
		case 3, 6:
			want = "task=stuck/0"
		case 5:
			want = "topic=rows"
		}
		if got := strings.Join(warned(status), " "); got != want {
			t.Errorf("report %d warns of %q, want %q", i, got, want)
		}
	}
	if got := warned(Status{Tasks: []TaskStatus{{Name: "stuck/0", Restoring: true, Remaining: 4}}}); len(got) > 0 {
		t.Errorf("after progress: warned of %q", got)
	}
}
