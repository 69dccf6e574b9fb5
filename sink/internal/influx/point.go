package influx

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/row"
)

// encoder makes lines of records, for one goroutine.
type encoder[K, V any] struct {
	options *Options[K, V]
	api     *API
	key     func(K) (text string, null bool, err error)
	row     func(V) (row.Row, error)
	// tags are all tags, sorted by name, as servers like them best.
	tags []tag[K, V]
}

// tag is a tag of all points: the column with its name, or, if of is not nil, the text that it returns.
type tag[K, V any] struct {
	name string
	of   func(r *weir.Record[K, V]) (string, error)
}

func newEncoder[K, V any](o *Options[K, V], api *API) *encoder[K, V] {
	e := &encoder[K, V]{options: o, api: api, key: connector.KeyText[K](), row: connector.ToReusedRow[V]()}
	for _, name := range o.Tags {
		e.tags = append(e.tags, tag[K, V]{name: name})
	}
	for _, t := range []tag[K, V]{
		{o.Metadata.Key, e.keyTag},
		{o.Metadata.Topic, func(r *weir.Record[K, V]) (string, error) { return r.Origin.Topic, nil }},
		{o.Metadata.Partition, func(r *weir.Record[K, V]) (string, error) { return strconv.Itoa(int(r.Origin.Partition)), nil }},
		{api.TableTag, o.Table},
	} {
		if t.name != "" && t.of != nil {
			e.tags = append(e.tags, t)
		}
	}
	slices.SortFunc(e.tags, func(a, b tag[K, V]) int { return strings.Compare(a.name, b.name) })
	return e
}

// isTag reports whether a column is a tag.
func (e *encoder[K, V]) isTag(column string) bool {
	for i := range e.tags {
		if e.tags[i].name == column {
			return true
		}
	}
	return false
}

// keyTag is the text of the key; a null key has none.
func (e *encoder[K, V]) keyTag(r *weir.Record[K, V]) (string, error) {
	if r.KeyNull {
		return "", nil
	}
	text, _, err := e.key(r.Key)
	if err != nil {
		return "", fmt.Errorf("the key as a tag: %w", err)
	}
	return text, nil
}

// appendLine appends the line of a record, with its end.
func (e *encoder[K, V]) appendLine(dst []byte, r *weir.Record[K, V]) ([]byte, error) {
	l := line{dialect: e.api.Dialect, reserved: e.api.Reserved, floats: e.options.IntsAsFloats, bytes: dst}
	var err error
	if e.options.Point != nil {
		err = e.made(&l, r)
	} else {
		err = e.point(&l, r)
	}
	return l.bytes, err
}

// point appends the line of a record by the options for parts of points.
func (e *encoder[K, V]) point(l *line, r *weir.Record[K, V]) error {
	columns := row.Row{}
	if !r.ValueNull {
		var err error
		if columns, err = e.row(r.Value); err != nil {
			return fmt.Errorf("the value as a point: %w", err)
		}
	}
	if columns.IsNil() {
		return errors.New("the value is null, and a point needs fields")
	}
	measurement := e.options.Measurement
	if e.options.MeasurementOf != nil {
		var err error
		if measurement, err = e.options.MeasurementOf(r); err != nil {
			return fmt.Errorf("Options.MeasurementOf: %w", err)
		}
	}
	if err := l.begin(measurement); err != nil {
		return err
	}
	if err := e.appendTags(l, r, columns); err != nil {
		return err
	}
	if err := e.appendFields(l, columns); err != nil {
		return err
	}
	at, err := e.time(r, columns)
	if err != nil {
		return err
	}
	return l.end(at)
}

func (e *encoder[K, V]) appendTags(l *line, r *weir.Record[K, V], columns row.Row) error {
	for i := range e.tags {
		t := &e.tags[i]
		if t.of != nil {
			text, err := t.of(r)
			if err != nil {
				return err
			}
			if err := l.textTag(t.name, text); err != nil {
				return err
			}
			continue
		}
		value, _ := columns.Lookup(t.name) // a missing one is null
		if err := l.tag(t.name, value); err != nil {
			return err
		}
	}
	return nil
}

func (e *encoder[K, V]) appendFields(l *line, columns row.Row) error {
	if e.options.Fields == nil {
		for name, value := range columns.All() {
			if name == e.options.TimeColumn || e.isTag(name) {
				continue
			}
			if err := l.field(name, value); err != nil {
				return err
			}
		}
		return nil
	}
	for _, name := range e.options.Fields {
		value, ok := columns.Lookup(name)
		if !ok && !e.options.AllowMissing {
			return fmt.Errorf("the value has no column %q, which Options.Fields names: set Options.AllowMissing to leave it out", name)
		}
		if err := l.field(name, value); err != nil {
			return err
		}
	}
	return nil
}

// time returns the time of a point in the unit of the request.
func (e *encoder[K, V]) time(r *weir.Record[K, V], columns row.Row) (int64, error) {
	o := e.options
	switch {
	case o.Time != nil:
		at, err := o.Time(r)
		if err != nil {
			return 0, fmt.Errorf("Options.Time: %w", err)
		}
		return e.of(at)
	case o.TimeColumn != "":
		value, ok := columns.Lookup(o.TimeColumn)
		switch {
		case !ok || value.IsNull():
			return 0, fmt.Errorf("the column %q with the time is missing or null", o.TimeColumn)
		case value.Kind() == row.KindInt:
			return row.As[int64](value)
		case value.Kind() == row.KindString:
			text, err := row.As[string](value)
			if err != nil {
				return 0, err
			}
			at, err := time.Parse(time.RFC3339Nano, text)
			if err != nil {
				return 0, fmt.Errorf("the column %q has no time as RFC 3339 writes it: %s", o.TimeColumn, shown(text))
			}
			return e.of(at)
		}
		return 0, fmt.Errorf("the column %q with the time is a %v, and neither an integer nor text", o.TimeColumn, value.Kind())
	}
	return e.of(time.UnixMilli(r.Millis))
}

// years are those that 64 bits of nanoseconds have, as servers keep times, without the first and the last.
const firstYear, lastYear = 1678, 2261

var (
	firstSecond = time.Date(firstYear, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	lastSecond  = time.Date(lastYear+1, 1, 1, 0, 0, 0, 0, time.UTC).Unix() - 1
)

// of returns a time in the unit of the request, rounded down.
func (e *encoder[K, V]) of(at time.Time) (int64, error) {
	if second := at.Unix(); second < firstSecond || second > lastSecond {
		return 0, fmt.Errorf("the time of the point is in the year %d, and servers take those from %d to %d", at.UTC().Year(), firstYear, lastYear)
	}
	unit := units[e.options.Precision]
	n := at.UnixNano()
	if n%unit < 0 {
		n -= unit
	}
	return n / unit, nil
}

// made appends the line of a point that Options.Point has made.
func (e *encoder[K, V]) made(l *line, r *weir.Record[K, V]) error {
	p, err := e.options.Point(r)
	if err != nil {
		return fmt.Errorf("Options.Point: %w", err)
	}
	if err := l.begin(p.Measurement); err != nil {
		return fmt.Errorf("Options.Point: %w", err)
	}
	for _, name := range slices.SortedFunc(maps.Keys(p.Tags), strings.Compare) {
		if err := l.textTag(name, p.Tags[name]); err != nil {
			return fmt.Errorf("Options.Point: %w", err)
		}
	}
	for name, value := range p.Fields.All() {
		if _, both := p.Tags[name]; both {
			return fmt.Errorf("Options.Point: %q is a tag and a field", name)
		}
		if err := l.field(name, value); err != nil {
			return fmt.Errorf("Options.Point: %w", err)
		}
	}
	if p.Time.IsZero() {
		p.Time = time.UnixMilli(r.Millis)
	}
	at, err := e.of(p.Time)
	if err == nil {
		err = l.end(at)
	}
	if err != nil {
		return fmt.Errorf("Options.Point: %w", err)
	}
	return nil
}
