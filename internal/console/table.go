package console

import (
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/weirstreams/weir/row"
)

// Config configures a Table. All fields but Title, Columns and Widths must be set.
type Config struct {
	// Size is how many rows the table has.
	Size  int
	Title string
	// Metadata shows keys and event times.
	Metadata bool
	// Timeout is how long rows may wait in a table that is not live.
	Timeout time.Duration
	// Live redraws the table on a terminal, at most every Refresh.
	Live    bool
	Refresh time.Duration
	// Columns are those that are shown; nil shows all.
	Columns []string
	// Widths are the widths of columns, in characters.
	Widths map[string]int
	To     io.Writer
}

// The columns of metadata.
const (
	keyColumn  = "_key"
	timeColumn = "_timestamp"
)

// Table collects the last rows of a stream. Any goroutine may call its methods.
type Table struct {
	config Config

	mu      sync.Mutex // guards what follows
	columns []string   // in the order in which they were seen first
	rows    []line
	emptied time.Time
	changed bool
	drawn   time.Time
}

// line is a row of a table.
type line struct {
	key, time string
	cells     row.Row
}

// NewTable returns an empty table.
func NewTable(config Config) *Table {
	return &Table{config: config, columns: slices.Clone(config.Columns)}
}

// Add adds a row. A value that is not a row becomes a column with the name 0. A table that is not live is written when it
// is full, by the goroutine that filled it, so that no row is lost.
func (t *Table) Add(key row.Value, at time.Time, value row.Value) {
	cells, err := row.As[row.Row](value)
	if err != nil {
		cells = row.New(row.F("0", value))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.config.Columns == nil {
		for name := range cells.All() {
			if !slices.Contains(t.columns, name) {
				t.columns = append(t.columns, name)
			}
		}
	}
	if len(t.rows) == t.config.Size {
		t.rows = slices.Delete(t.rows, 0, 1)
	}
	t.rows = append(t.rows, line{cell(key), at.UTC().Format("2006-01-02 15:04:05.000"), cells})
	t.changed = true
	if !t.config.Live && len(t.rows) == t.config.Size {
		t.write()
	}
}

// write writes the rows of a table that is not live, and removes them.
func (t *Table) write() {
	if len(t.rows) > 0 {
		_, _ = io.WriteString(t.config.To, t.render()+"\n") // nothing useful can be done about a failure
	}
	t.rows, t.emptied = t.rows[:0], time.Time{}
}

// tick writes the rows of a table that is not live if they have waited for too long. The waiting begins when the table was
// made or emptied, as far as ticks tell.
func (t *Table) tick(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.emptied.IsZero() {
		t.emptied = now
	}
	if now.Sub(t.emptied) >= t.config.Timeout {
		t.write()
		t.emptied = now
	}
}

// flush writes the rows of a table that is not live.
func (t *Table) flush() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.write()
}

// due reports whether a live table has to be drawn.
func (t *Table) due(now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.changed && now.Sub(t.drawn) >= t.config.Refresh
}

// draw returns a live table as text.
func (t *Table) draw(now time.Time) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.changed, t.drawn = false, now
	return t.render()
}

// render returns the table as text.
func (t *Table) render() string {
	w := table.NewWriter()
	w.SetStyle(table.StyleLight)
	w.Style().Format.Header = text.FormatDefault
	if t.config.Title != "" {
		w.SetTitle("%s", t.config.Title)
	}
	var names []string
	if t.config.Metadata {
		names = append(names, keyColumn, timeColumn)
	}
	names = append(names, t.columns...)
	header := make(table.Row, len(names))
	var configs []table.ColumnConfig
	for i, name := range names {
		header[i] = name
		if width := t.config.Widths[name]; width > 0 {
			configs = append(configs, table.ColumnConfig{Number: i + 1, WidthMin: width, WidthMax: width, WidthMaxEnforcer: text.WrapText})
		}
	}
	w.AppendHeader(header)
	w.SetColumnConfigs(configs)
	for _, l := range t.rows {
		cells := make(table.Row, 0, len(names))
		if t.config.Metadata {
			cells = append(cells, l.key, l.time)
		}
		for _, name := range t.columns {
			if v, ok := l.cells.Lookup(name); ok {
				cells = append(cells, cell(v))
			} else {
				cells = append(cells, "")
			}
		}
		w.AppendRow(cells)
	}
	return w.Render()
}

// cell returns a value as the text of a cell, without control characters for a terminal.
func cell(v row.Value) string {
	s, err := row.As[string](v)
	if err != nil {
		return v.String()
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '\uFFFD'
		}
		return r
	}, s)
}
