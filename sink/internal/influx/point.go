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

// encoder makes lines of records. It is used by several goroutines at once.
type encoder[K, V any] struct {
	options *Options[K, V]
	api     *API
	key     func(K) (text string, null bool, err error)
	row     func(V) (row.Row, error)
	// tags are the names of all tags, sorted, as servers like them best, and metadata those that are no columns.
	tags     []string
	metadata map[string]func(r *weir.Record[K, V]) (string, error)
}

func newEncoder[K, V any](o *Options[K, V], api *API) *encoder[K, V] {
	e := &encoder[K, V]{options: o, api: api, key: connector.KeyText[K](), row: connector.ToRow[V](), metadata: map[string]func(*weir.Record[K, V]) (string, error){}}
	e.metadata[o.Metadata.Key] = e.keyTag
	e.metadata[o.Metadata.Topic] = func(r *weir.Record[K, V]) (string, error) { return r.Origin.Topic, nil }
	e.metadata[o.Metadata.Partition] = func(r *weir.Record[K, V]) (string, error) { return strconv.Itoa(int(r.Origin.Partition)), nil }
	delete(e.metadata, "")
	if o.Table != nil {
		e.metadata[api.TableTag] = o.Table
	}
	e.tags = append(slices.Clone(o.Tags), slices.Collect(maps.Keys(e.metadata))...)
	slices.Sort(e.tags)
	return e
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

// line returns the line of a record, with its end.
func (e *encoder[K, V]) line(r *weir.Record[K, V]) ([]byte, error) {
	l := line{dialect: e.api.Dialect, reserved: e.api.Reserved, floats: e.options.IntsAsFloats}
	if e.options.Point != nil {
		return e.made(&l, r)
	}
	columns := row.Row{}
	if !r.ValueNull {
		var err error
		if columns, err = e.row(r.Value); err != nil {
			return nil, fmt.Errorf("the value as a point: %w", err)
		}
	}
	if columns.IsNil() {
		return nil, errors.New("the value is null, and a point needs fields")
	}
	measurement := e.options.Measurement
	if e.options.MeasurementOf != nil {
		var err error
		if measurement, err = e.options.MeasurementOf(r); err != nil {
			return nil, fmt.Errorf("Options.MeasurementOf: %w", err)
		}
	}
	l.bytes = make([]byte, 0, 128)
	if err := l.begin(measurement); err != nil {
		return nil, err
	}
	if err := e.appendTags(&l, r, columns); err != nil {
		return nil, err
	}
	if err := e.appendFields(&l, columns); err != nil {
		return nil, err
	}
	at, err := e.time(r, columns)
	if err != nil {
		return nil, err
	}
	err = l.end(at)
	return l.bytes, err
}

func (e *encoder[K, V]) appendTags(l *line, r *weir.Record[K, V], columns row.Row) error {
	for _, name := range e.tags {
		if of := e.metadata[name]; of != nil {
			text, err := of(r)
			if err != nil {
				return err
			}
			if err := l.textTag(name, text); err != nil {
				return err
			}
			continue
		}
		value, _ := columns.Lookup(name) // a missing one is null
		if err := l.tag(name, value); err != nil {
			return err
		}
	}
	return nil
}

func (e *encoder[K, V]) appendFields(l *line, columns row.Row) error {
	if e.options.Fields == nil {
		for name, value := range columns.All() {
			if name == e.options.TimeColumn || slices.Contains(e.tags, name) {
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

// of returns a time in the unit of the request, rounded down.
func (e *encoder[K, V]) of(at time.Time) (int64, error) {
	if year := at.UTC().Year(); year < firstYear || year > lastYear {
		return 0, fmt.Errorf("the time of the point is in the year %d, and servers take those from %d to %d", year, firstYear, lastYear)
	}
	unit := units[e.options.Precision]
	n := at.UnixNano()
	if n%unit < 0 {
		n -= unit
	}
	return n / unit, nil
}

// made returns the line of a point that Options.Point has made.
func (e *encoder[K, V]) made(l *line, r *weir.Record[K, V]) ([]byte, error) {
	p, err := e.options.Point(r)
	if err != nil {
		return nil, fmt.Errorf("Options.Point: %w", err)
	}
	if err := l.begin(p.Measurement); err != nil {
		return nil, fmt.Errorf("Options.Point: %w", err)
	}
	for _, name := range slices.SortedFunc(maps.Keys(p.Tags), strings.Compare) {
		if err := l.textTag(name, p.Tags[name]); err != nil {
			return nil, fmt.Errorf("Options.Point: %w", err)
		}
	}
	for name, value := range p.Fields.All() {
		if _, both := p.Tags[name]; both {
			return nil, fmt.Errorf("Options.Point: %q is a tag and a field", name)
		}
		if err := l.field(name, value); err != nil {
			return nil, fmt.Errorf("Options.Point: %w", err)
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
		return nil, fmt.Errorf("Options.Point: %w", err)
	}
	return l.bytes, nil
}
