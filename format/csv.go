package format

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/row"
)

// CSV is a line of cells for each record, with a header:
//
//	_timestamp,_key,city,celsius
//	1722945524540,k1,Ulm,21.5
//
// Text stands as it is, everything else as JSON writes it. A file has one set of columns: a record with others begins a new file where the
// sink can, as that of sink/file, and is refused otherwise.
type CSV[K, V any] struct {
	Rows[K, V]
	Dialect
	// Columns are the columns of a file, in order, and the part of a record that each has. nil means [DefaultColumns] for the first two, and
	// behind them the columns of the row of the first record. Reading, columns are found by their names in the header, and nil
	// means that those of [DefaultColumns] are key and time, if the file has them, and all others are columns of the row.
	Columns []Column
	// NoHeader writes no header, and reads none: then Columns has to name those of the files.
	NoHeader bool
	// Kinds says which columns of a row are read as something else than text. Fields of a struct say so themselves.
	Kinds map[string]row.Kind
	// MaxRecordBytes is the length of the longest record that is read. 0 means 64 MiB.
	MaxRecordBytes int
}

// Column is a column of a CSV file.
type Column struct {
	// Name is the one in the header.
	Name string
	// Part is the part of a record that the column has. The zero value is a column of the row with this name.
	Part Part
	// Layout, of a PartTime, is a layout of package time, in UTC. Empty means milliseconds since the Unix epoch.
	Layout string
	// Field, of a PartField or PartHeader, is the name of the column of the row, or of the header. Empty means Name.
	Field string
}

// Part is a part of a record.
type Part int

const (
	// PartField is a column of the row of the record. A row without it has null there.
	PartField Part = iota
	// PartKey is the key as text.
	PartKey
	// PartTime is the time of the record.
	PartTime
	// PartValue is the value as JSON.
	PartValue
	// PartTopic is the topic of the input record. It is passed over when files are read, as the next two are.
	PartTopic
	// PartPartition is the partition of the input record.
	PartPartition
	// PartOffset is the offset of the input record.
	PartOffset
	// PartHeader is the last header of a name, as text.
	PartHeader
)

// DefaultColumns are the columns in front of those of the row.
func DefaultColumns() []Column {
	return []Column{{Name: "_timestamp", Part: PartTime}, {Name: "_key", Part: PartKey}}
}

// RecordColumns are the columns of the whole record: key, value (JSON), timestamp, topic, partition and offset.
func RecordColumns() []Column {
	return []Column{
		{Name: "key", Part: PartKey},
		{Name: "value", Part: PartValue},
		{Name: "timestamp", Part: PartTime},
		{Name: "topic", Part: PartTopic},
		{Name: "partition", Part: PartPartition},
		{Name: "offset", Part: PartOffset},
	}
}

// Fields returns columns for columns of the row, to be added to others.
func Fields(names ...string) []Column {
	columns := make([]Column, len(names))
	for i, name := range names {
		columns[i].Name = name
	}
	return columns
}

func (c Column) field() string {
	if c.Field != "" {
		return c.Field
	}
	return c.Name
}

// Extension implements [Format]: ".csv", or ".tsv" with tabs.
func (f CSV[K, V]) Extension() string {
	if f.Comma == '\t' {
		return ".tsv"
	}
	return ".csv"
}

// Check implements [Format].
func (f CSV[K, V]) Check() error {
	if err := f.Dialect.Check(); err != nil {
		return err
	}
	if f.NoHeader && f.Columns == nil {
		return errors.New("format.CSV: files without a header need Columns")
	}
	if f.Columns != nil && len(f.Columns) == 0 {
		return errors.New("format.CSV: Columns is empty")
	}
	names := map[string]bool{}
	for _, c := range f.Columns {
		if names[c.Name] {
			return fmt.Errorf("format.CSV: two columns %q", c.Name)
		}
		names[c.Name] = true
		if c.Part < PartField || c.Part > PartHeader {
			return fmt.Errorf("format.CSV: column %q has the unknown part %d", c.Name, int(c.Part))
		}
		if c.Layout != "" && c.Part != PartTime {
			return fmt.Errorf("format.CSV: column %q has a Layout, which is for columns of PartTime", c.Name)
		}
	}
	if err := connector.Negative(f); err != nil {
		return fmt.Errorf("format.CSV: %w", err)
	}
	return nil
}

// Header returns the first line of files with given Columns, "" if there is none.
func (f CSV[K, V]) Header() string {
	if f.NoHeader || f.Columns == nil {
		return ""
	}
	dialect := f.Dialect.withDefaults()
	return string(dialect.appendHeader(nil, f.Columns))
}

// NewEncoder implements [Format].
func (f CSV[K, V]) NewEncoder(w io.Writer) Encoder[K, V] {
	f.Rows, f.Dialect = f.Rows.reusingRows(), f.Dialect.withDefaults()
	e := &csvEncoder[K, V]{format: f, w: w, columns: f.Columns, key: connector.KeyText[K](), value: connector.ValueCodec[V]()}
	e.needsRow = f.Columns == nil || slices.ContainsFunc(f.Columns, func(c Column) bool { return c.Part == PartField })
	return e
}

type csvEncoder[K, V any] struct {
	format   CSV[K, V]
	w        io.Writer
	columns  []Column
	needsRow bool
	begun    bool
	key      func(K) (text string, null bool, err error)
	value    codec.Codec[V]
	line     []byte
}

func (e *csvEncoder[K, V]) Encode(r *weir.Record[K, V]) error {
	var fields row.Row
	if e.needsRow {
		var err error
		if fields, err = e.format.ToRow(r); err != nil {
			return err
		}
	}
	columns := e.columns
	if columns == nil {
		columns = DefaultColumns()
		for name := range fields.All() {
			if name == columns[0].Name || name == columns[1].Name {
				return fmt.Errorf("column %q: the name is that of the time or the key of the record; set CSV.Columns", name)
			}
			columns = append(columns, Column{Name: name})
		}
	}
	if e.format.Columns == nil && e.columns != nil && !fields.IsNil() {
		// Columns that the file lacks would be lost.
		for name := range fields.All() {
			if !slices.ContainsFunc(columns[2:], func(c Column) bool { return c.Name == name }) {
				return ErrNewFile
			}
		}
	}
	line := e.line[:0]
	if !e.begun && !e.format.NoHeader {
		line = e.format.appendHeader(line, columns)
	}
	for i := range columns {
		c := &columns[i]
		if i > 0 {
			line = append(line, e.format.Comma)
		}
		begin := len(line)
		var null bool
		var err error
		if line, null, err = e.cell(line, c, r, fields); err != nil {
			return fmt.Errorf("column %q: %w", c.Name, err)
		}
		line = e.format.end(line, begin, null, len(columns) == 1)
	}
	e.line = e.format.endLine(line)
	e.columns = columns
	e.begun = true
	_, err := e.w.Write(e.line)
	return err
}

// cell appends the text of a cell of a record, or says that it is null.
func (e *csvEncoder[K, V]) cell(line []byte, c *Column, r *weir.Record[K, V], fields row.Row) (_ []byte, null bool, err error) {
	switch c.Part {
	case PartKey:
		if r.KeyNull {
			return line, true, nil
		}
		text, null, err := e.key(r.Key)
		return append(line, text...), null, err
	case PartTime:
		if c.Layout == "" {
			return strconv.AppendInt(line, r.Millis, 10), false, nil
		}
		return r.Time().UTC().AppendFormat(line, c.Layout), false, nil
	case PartValue:
		if r.ValueNull {
			return line, true, nil
		}
		if n, ok := e.value.(codec.Nuller[V]); ok && n.IsNull(r.Value) {
			return line, true, nil
		}
		line, err = e.value.Append(line, nil, r.Value)
		return line, false, cause(err)
	case PartTopic:
		return append(line, r.Origin.Topic...), false, nil
	case PartPartition:
		return strconv.AppendInt(line, int64(r.Origin.Partition), 10), false, nil
	case PartOffset:
		return strconv.AppendInt(line, r.Origin.Offset, 10), false, nil
	case PartHeader:
		for _, h := range slices.Backward(r.Headers) {
			if h.Key == c.field() {
				if !utf8.Valid(h.Value) {
					return line, false, connector.ErrUTF8
				}
				return append(line, h.Value...), h.Value == nil, nil
			}
		}
		return line, true, nil
	}
	v, _ := fields.Lookup(c.field())
	if v.IsNull() {
		return line, true, nil
	}
	line, err = connector.AppendValueText(line, v)
	return line, false, err
}

func (e *csvEncoder[K, V]) Buffered() int64 { return 0 }
func (e *csvEncoder[K, V]) Close() error    { return nil }

// NewDecoder implements [Format].
func (f CSV[K, V]) NewDecoder(file File, from Place) (Decoder[K, V], error) {
	f.Rows, f.Dialect = f.Rows.WithDefaults(), f.Dialect.withDefaults()
	d := &csvDecoder[K, V]{format: f, key: connector.ParseKey[K](), value: connector.ValueCodec[V](), kinds: connector.TextKinds[V]()}
	maps.Copy(d.kinds, f.Kinds)
	d.setColumns(f.Columns)
	if !f.NoHeader {
		first, err := openLines(file, Place{}, f.MaxRecordBytes)
		if err != nil {
			return nil, err
		}
		err = d.readHeader(first)
		if err != nil || from == (Place{}) {
			if err != nil {
				return nil, errors.Join(err, first.Close())
			}
			d.lineReader = first
			return d, nil
		}
		if err := first.Close(); err != nil {
			return nil, first.fail(true, err)
		}
	}
	lines, err := openLines(file, from, f.MaxRecordBytes)
	if err != nil {
		return nil, err
	}
	d.lineReader = lines
	return d, nil
}

type csvDecoder[K, V any] struct {
	*lineReader
	format  CSV[K, V]
	columns []readColumn
	kinds   map[string]row.Kind
	key     func(string) (K, error)
	value   codec.Codec[V]
	cells   []cell
	fields  []row.Field
}

// readColumn is a column of a file that is read.
type readColumn struct {
	Column
	field string   // the name of the column of the row
	kind  row.Kind // that cells are read as
}

func (d *csvDecoder[K, V]) setColumns(columns []Column) {
	d.columns = make([]readColumn, len(columns))
	for i, c := range columns {
		kind, typed := d.kinds[c.field()]
		if !typed {
			kind = row.KindString
		}
		d.columns[i] = readColumn{c, c.field(), kind}
	}
}

// readHeader reads the header and decides about the part of a record that each column has. An empty file has no header and no records.
func (d *csvDecoder[K, V]) readHeader(l *lineReader) error {
	var cells []cell
	for len(cells) == 0 {
		l.next(false)
		var err error
		cells, err = d.format.cells(l, nil)
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			if e, ok := errors.AsType[*Error](err); ok {
				e.Rest = true
			}
			return err
		}
	}
	known := d.format.Columns
	if known == nil {
		known = DefaultColumns()
	}
	columns := make([]Column, len(cells))
	seen := map[string]bool{}
	for i := range cells {
		name := string(cells[i].text)
		if !utf8.ValidString(name) {
			return l.fail(true, fmt.Errorf("column %d: %w", i+1, connector.ErrUTF8))
		}
		if seen[name] {
			return l.fail(true, fmt.Errorf("two columns %q", name))
		}
		seen[name] = true
		columns[i] = Column{Name: name}
		if j := slices.IndexFunc(known, func(k Column) bool { return k.Name == name }); j >= 0 {
			columns[i] = known[j]
		}
	}
	for _, c := range d.format.Columns {
		if !seen[c.Name] {
			return l.fail(true, fmt.Errorf("the file has no column %q; it has %q", c.Name, slices.Sorted(maps.Keys(seen))))
		}
	}
	d.setColumns(columns)
	l.next(false)
	return nil
}

func (d *csvDecoder[K, V]) Place() Place { return d.place(true) }

func (d *csvDecoder[K, V]) Decode(r *weir.Record[K, V]) error {
	for d.next(true); ; d.next(false) {
		cells, err := d.format.cells(d.lineReader, d.cells)
		if err != nil {
			return err
		}
		if d.cells = cells; len(cells) == 0 {
			continue
		}
		if err := d.decode(cells, r); err != nil {
			return d.fail(false, err)
		}
		return nil
	}
}

func (d *csvDecoder[K, V]) decode(cells []cell, r *weir.Record[K, V]) error {
	if len(cells) > len(d.columns) {
		if len(d.columns) == 1 && len(cells) == 2 && cells[0].null && cells[1].null {
			cells = cells[:1] // a null alone in its line
		} else {
			return fmt.Errorf("%d cells, and the file has %d columns", len(cells), len(d.columns))
		}
	}
	fields := d.fields[:0]
	whole := false // PartValue has set the value
	r.KeyNull = true
	for i := range d.columns {
		c := &d.columns[i]
		v := cell{null: true}
		if i < len(cells) {
			v = cells[i]
		}
		if !v.null && !utf8.Valid(v.text) {
			return fmt.Errorf("column %q: %w", c.Name, connector.ErrUTF8)
		}
		if c.Part == PartField {
			value, err := d.field(c, v)
			if err != nil {
				return fmt.Errorf("column %q: %w", c.Name, err)
			}
			fields = append(fields, row.Field{Name: c.field, Value: value})
			continue
		}
		whole = whole || c.Part == PartValue
		if err := d.part(c, v, r); err != nil {
			return fmt.Errorf("column %q: %w", c.Name, err)
		}
	}
	d.fields = fields
	if whole {
		return nil
	}
	if len(fields) == 0 {
		return d.format.FromRow(row.Row{}, r)
	}
	return d.format.FromRow(row.New(fields...), r)
}

func (d *csvDecoder[K, V]) field(c *readColumn, v cell) (row.Value, error) {
	if v.null || c.kind != row.KindString && len(v.text) == 0 {
		return row.Null(), nil
	}
	return connector.ParseValue(v.text, c.kind)
}

// part sets a part of the record that is no column of the row.
func (d *csvDecoder[K, V]) part(c *readColumn, v cell, r *weir.Record[K, V]) (err error) {
	switch c.Part {
	case PartKey:
		if r.KeyNull = v.null; !v.null {
			r.Key, err = d.key(string(v.text))
		}
	case PartTime:
		switch {
		case v.null || len(v.text) == 0:
		case c.Layout == "":
			if r.Millis, err = strconv.ParseInt(string(v.text), 10, 64); err != nil {
				err = fmt.Errorf("%q is no time in milliseconds", v.text)
			}
		default:
			at, failed := time.Parse(c.Layout, string(v.text))
			r.Millis, err = at.UnixMilli(), failed
		}
	case PartValue:
		if v.null || codec.IsJSONNull(v.text) {
			r.ValueNull = true
			return nil
		}
		r.Value, err = d.value.Decode(nil, v.text)
		err = cause(err)
	case PartHeader:
		if !v.null {
			r.Headers = append(r.Headers, weir.Header{Key: c.field, Value: bytes.Clone(v.text)})
		}
	}
	return err
}
