package console_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirstreams/weir/internal/console"
	"github.com/weirstreams/weir/row"
)

func liveTable(to *bytes.Buffer, title string) *console.Table {
	return console.NewTable(console.Config{Size: 2, Title: title, Live: true, Refresh: time.Second, Timeout: time.Second, To: to})
}

func number(n int) row.Value { return row.New(row.F("n", n)).Value() }

// D-24: on a terminal all tables are redrawn, in their order, with the last rows.
func TestD24LiveTablesAreRedrawnTogether(t *testing.T) {
	var out bytes.Buffer
	first, second := liveTable(&out, "first"), liveTable(&out, "second")
	screen := console.NewScreen([]*console.Table{first, second})
	now := time.UnixMilli(0)
	screen.Tick(now)
	if out.Len() > 0 {
		t.Errorf("drawn without rows: %q", out.String())
	}
	for n := range 3 {
		second.Add(row.Null(), now, number(n+7))
	}
	screen.Tick(now)
	got := out.String()
	if strings.Count(got, "\x1b[2J") != 1 || strings.Index(got, "first") > strings.Index(got, "second") || !strings.HasPrefix(got, "\x1b[H") {
		t.Errorf("not one screen of both tables: %q", got)
	}
	if strings.Contains(got, "7") || !strings.Contains(got, "│ 8 │") || !strings.Contains(got, "│ 9 │") {
		t.Errorf("not the last two rows:\n%s", got)
	}
	out.Reset()

	screen.Tick(now.Add(2 * time.Second))
	if out.Len() > 0 {
		t.Error("drawn again without a new row")
	}
	first.Add(row.Null(), now, number(1))
	screen.Tick(now.Add(2 * time.Second))
	if !strings.Contains(out.String(), "│ 9 │") {
		t.Errorf("the other table is gone:\n%s", out.String())
	}
	out.Reset()
	first.Add(row.Null(), now, number(2))
	second.Add(row.Null(), now, number(2))
	screen.Tick(now.Add(2500 * time.Millisecond))
	if out.Len() > 0 {
		t.Error("drawn more often than Refresh says")
	}
	screen.Flush(now.Add(2500 * time.Millisecond))
	if !strings.Contains(out.String(), "│ 2 │") {
		t.Error("the end does not show the last rows")
	}
}

func TestWhatATerminalWouldObeyIsNotShown(t *testing.T) {
	var out bytes.Buffer
	table := liveTable(&out, "")
	table.Add(row.Null(), time.UnixMilli(0), row.New(row.F("s", "a\x1b[2Jb")).Value())
	console.NewScreen([]*console.Table{table}).Tick(time.UnixMilli(0))
	if strings.Count(out.String(), "\x1b[2J") != 1 {
		t.Errorf("%q", out.String())
	}
}

// syncBuffer is a buffer for several goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func TestStopShowsWhatIsLeft(t *testing.T) {
	var out syncBuffer
	table := console.NewTable(console.Config{Size: 1000, Timeout: time.Hour, To: &out})
	stop := console.Start([]*console.Table{table})
	var tasks sync.WaitGroup
	for task := range 4 {
		tasks.Go(func() {
			for i := range 100 {
				table.Add(row.Null(), time.UnixMilli(0), row.String(strconv.Itoa(1000*(task+1)+i)))
			}
		})
	}
	tasks.Wait()
	stop()
	for _, want := range []string{"│ 1000 │", "│ 4099 │"} {
		if !strings.Contains(out.b.String(), want) {
			t.Errorf("%s is not shown", want)
		}
	}
}

func TestFilesAreNoTerminals(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if console.IsTerminal(f) || console.IsTerminal(&bytes.Buffer{}) {
		t.Error("taken for a terminal")
	}
}
