package postgres

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/row"
)

// line is a record on its way to the database.
type line struct {
	table string
	// columns are those of the row with a value, and values the values. The columns of the metadata come first.
	columns []string
	values  []row.Value
	// key are the values of Options.Key as JSON, one behind the other.
	key string
	// removed says that the row of the key is to go.
	removed bool
}

// line converts a record.
func (d *database[K, V]) line(r *weir.Record[K, V]) (l line, err error) {
	o := &d.options
	l.table = o.Table
	if o.TableOf != nil {
		if l.table, err = o.TableOf(r); err != nil {
			return l, fmt.Errorf("choose the table: %w", err)
		}
		if err := checkTable(l.table); err != nil {
			return l, err
		}
	}
	columns, err := d.rowOf(r)
	if err != nil {
		return l, fmt.Errorf("make the row: %w", err)
	}
	if columns.IsNil() {
		if o.Mode != Upsert || len(o.Key) != 1 || o.Key[0] != o.KeyColumn {
			return l, errors.New("the value is null, which is no row (with Mode Upsert and the column of the record key as Key it removes the row of its key)")
		}
		l.removed = true
	}
	l.columns, l.values = make([]string, 0, columns.Len()+2), make([]row.Value, 0, columns.Len()+2)
	set := func(column string, v row.Value) {
		if i := slices.Index(l.columns, column); i >= 0 {
			l.values[i] = v
			return
		}
		l.columns, l.values = append(l.columns, column), append(l.values, v)
	}
	if o.KeyColumn != NoColumn && !r.KeyNull {
		key, null, err := d.keyText(r.Key)
		if err != nil {
			return l, fmt.Errorf("key of the record: %w", err)
		}
		if !null {
			set(o.KeyColumn, row.String(key))
		}
	}
	if o.TimeColumn != NoColumn {
		var text [len(time.RFC3339Nano)]byte
		set(o.TimeColumn, row.String(string(r.Time().UTC().AppendFormat(text[:0], time.RFC3339Nano))))
	}
	for column, v := range columns.All() {
		if v.IsNull() {
			continue
		}
		if err := checkColumn(column); err != nil {
			return l, err
		}
		set(column, v)
	}
	l.key, err = l.keyOf(o.Key)
	return l, err
}

func (d *database[K, V]) rowOf(r *weir.Record[K, V]) (row.Row, error) {
	if d.options.Row != nil {
		return d.options.Row(r)
	}
	if r.ValueNull {
		return row.Row{}, nil
	}
	return d.toRow(r.Value)
}

// keyOf returns the values of the columns of a key. Rows with one key have one text.
func (l *line) keyOf(key []string) (string, error) {
	var b strings.Builder
	for _, column := range key {
		i := slices.Index(l.columns, column)
		if i < 0 {
			return "", fmt.Errorf("the record has no value for column %q of the primary key", column)
		}
		text, err := l.values[i].MarshalJSON()
		if err != nil {
			return "", fmt.Errorf("column %q of the primary key: %w", column, err)
		}
		b.Write(text)
		b.WriteByte(',')
	}
	return b.String(), nil
}

// systemColumns are names that the database has in every table.
var systemColumns = []string{"ctid", "xmin", "cmin", "xmax", "cmax", "tableoid"}

func checkColumn(name string) error {
	switch {
	case slices.Contains(stagingColumns, name):
		return fmt.Errorf("column %q: the sink uses the name itself", name)
	case slices.Contains(systemColumns, name):
		return fmt.Errorf("column %q: the database uses the name itself", name)
	}
	return checkName(name)
}

// oneOfKeys drops all but one line of each key: the last, or the first.
func oneOfKeys(lines []line, last bool) []line {
	chosen := make(map[string]int, len(lines))
	for i := range lines {
		if _, found := chosen[lines[i].key]; last || !found {
			chosen[lines[i].key] = i
		}
	}
	if len(chosen) == len(lines) {
		return lines
	}
	kept := make([]line, 0, len(chosen))
	for i := range lines {
		if chosen[lines[i].key] == i {
			kept = append(kept, lines[i])
		}
	}
	return kept
}

// byTable groups lines by table, in the order of first use. index are their positions.
func byTable(lines []line) (groups []group) {
	at := map[string]int{}
	n := 0
	for i := range lines {
		if i == 0 || lines[i].table != lines[i-1].table {
			var ok bool
			if n, ok = at[lines[i].table]; !ok {
				n = len(groups)
				at[lines[i].table] = n
				groups = append(groups, group{table: lines[i].table})
			}
		}
		groups[n].lines, groups[n].index = append(groups[n].lines, lines[i]), append(groups[n].index, i)
	}
	return groups
}

// group are lines of one table.
type group struct {
	table string
	lines []line
	index []int // in the batch
}

// columns returns the columns that any line has, in the order of first use.
func columnsOf(lines []line) (columns []string) {
	seen := map[string]bool{}
	for i := range lines {
		if i > 0 && slices.Equal(lines[i].columns, lines[i-1].columns) {
			continue
		}
		for _, c := range lines[i].columns {
			if !seen[c] {
				seen[c] = true
				columns = append(columns, c)
			}
		}
	}
	return columns
}
