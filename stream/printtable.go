package stream

import (
	"cmp"
	"context"
	"io"
	"os"
	"slices"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/console"
)

// TableOptions say how records are shown as a table. The zero value is right for most uses.
type TableOptions struct {
	// Size is how many rows the table has. The default is 5.
	Size int
	// Title is shown above the table.
	Title string
	// NoMetadata leaves out the key and the time of records, which are otherwise the first columns.
	NoMetadata bool
	// Columns are the columns of the value that are shown, in this order. nil shows all that have come so far.
	Columns []string
	// Widths are the widths of columns, in characters. Longer text is wrapped.
	Widths map[string]int
	// Plain writes tables one below the other on a terminal too.
	Plain bool
	// Refresh is the shortest time between two drawings on a terminal. The default is 500 ms.
	Refresh time.Duration
	// Timeout is how long rows wait for a table to fill that is not on a terminal. The default is 5 s.
	Timeout time.Duration
	// To is where the table goes. The default is os.Stdout.
	To io.Writer
}

// PrintTable shows the last records as a table and passes the records on unchanged. On a terminal the table is redrawn in
// place, together with the other tables of the topology. Elsewhere a table is written when it is full or TableOptions.Timeout
// is over, and begun anew.
//
// The columns are those of the value's JSON; a value that is not a JSON object is one column with the name 0. Missing cells
// are empty, and a null is null. Tasks share the table. Drawing is done by another goroutine, which processing does not wait
// for; only a table that is not on a terminal is written by the task that fills it.
func (s Stream[K, V]) PrintTable(o TableOptions) Stream[K, V] {
	if o.To == nil {
		o.To = os.Stdout
	}
	inspectKey, inspect := console.Inspector[K](), console.Inspector[V]()
	table := o.table()
	out := s.watch("table", o.Title, func(_ context.Context, r *weir.Record[K, V]) error {
		table.Add(keyOf(r, inspectKey), r.Time(), valueOf(r, inspect))
		return nil
	})
	g := &s.topology.graph
	g.Tables = append(g.Tables, table)
	if o.NoMetadata && o.Columns != nil && len(o.Columns) == 0 {
		g.Find(out.node, "the table has no columns: name some, or leave Columns nil")
	}
	if o.Size < 0 || o.Timeout < 0 || o.Refresh < 0 {
		g.Find(out.node, "Size, Timeout and Refresh of the table must not be negative")
	}
	return out
}

// table makes the table. It is not generic, so that it is compiled once.
func (o TableOptions) table() *console.Table {
	return console.NewTable(console.Config{
		Size: cmp.Or(o.Size, 5), Title: o.Title, Metadata: !o.NoMetadata, Timeout: cmp.Or(o.Timeout, 5*time.Second),
		Live: !o.Plain && console.IsTerminal(o.To), Refresh: cmp.Or(o.Refresh, 500*time.Millisecond),
		Columns: slices.Clone(o.Columns), Widths: o.Widths, To: o.To,
	})
}
