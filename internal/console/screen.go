package console

import (
	"context"
	"io"
	"os"
	"strings"
	"time"
)

// Screen shows the tables of a topology. Its methods are called by one goroutine.
type Screen struct{ tables []*Table }

// NewScreen returns a screen of tables, in drawing order.
func NewScreen(tables []*Table) *Screen { return &Screen{tables} }

// frame is how often the screen looks for something to draw.
const frame = 50 * time.Millisecond

// Start shows the tables in a goroutine of its own, so that adding a row does not wait for the terminal. It ends with
// stop, which shows the remaining rows and waits.
func Start(tables []*Table) (stop func()) {
	if len(tables) == 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		screen := NewScreen(tables)
		tick := time.NewTicker(frame)
		defer tick.Stop()
		for {
			select {
			case now := <-tick.C:
				screen.Tick(now)
			case <-ctx.Done():
				screen.Flush(time.Now())
				return
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// Tick draws due changes.
func (s *Screen) Tick(now time.Time) {
	for _, t := range s.tables {
		if !t.config.Live {
			t.tick(now)
		}
	}
	s.draw(now, func(t *Table) bool { return t.due(now) })
}

// Flush shows everything that was not shown yet.
func (s *Screen) Flush(now time.Time) {
	for _, t := range s.tables {
		if !t.config.Live {
			t.flush()
		}
	}
	s.draw(now, func(t *Table) bool {
		t.mu.Lock()
		defer t.mu.Unlock()
		return t.changed
	})
}

// clearScreen moves the cursor home and clears the terminal (ECMA-48).
const clearScreen = "\x1b[H\x1b[2J\x1b[3J"

// draw redraws the live tables of each terminal on which one is due.
func (s *Screen) draw(now time.Time, due func(*Table) bool) {
	drawn := map[io.Writer]bool{}
	for _, t := range s.tables {
		to := t.config.To
		if !t.config.Live || drawn[to] || !due(t) {
			continue
		}
		drawn[to] = true
		var b strings.Builder
		b.WriteString(clearScreen)
		for _, other := range s.tables {
			if other.config.Live && other.config.To == to {
				b.WriteString(other.draw(now))
				b.WriteByte('\n')
			}
		}
		_, _ = io.WriteString(to, b.String()) // nothing useful can be done about a failure
	}
}

// IsTerminal reports whether text that is written to w appears on a terminal that can be cleared.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
