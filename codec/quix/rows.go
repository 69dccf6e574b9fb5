package quix

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"

	"github.com/weirstreams/weir/codec"
)

// Rows returns a codec of maps that reads timeseries and events, and writes timeseries.
//
// A row of a timeseries has the parameters under their names, with a [encoding/json.Number], a string, a []byte or nil;
// if one name is used twice, binary wins over string and string over numeric. "Tags" is a map, and "Timestamp" an int64.
// A row of an event has "Timestamp", "Id", "Value" and "Tags".
//
// To write, a number of any type is numeric, a string is a string and a []byte is binary; nil is left out, but for tags, which
// may be nil. "Timestamp" has to be there if there is a parameter, and is left out if there is none, so that readers do not take
// it for a row.
func Rows(o Options) *Codec[map[string]any] {
	return &Codec[map[string]any]{
		reader: newReader(o), writer: writer{o.Headers, legacyTimeseriesModel, timeseriesModel},
		body: appendRow, values: rows,
	}
}

// EventRows is [Rows], but it writes events: "Id" and "Value" are text and empty if they are missing, "Tags" may be
// missing, "Timestamp" may not, and everything else is left out.
func EventRows(o Options) *Codec[map[string]any] {
	q := Rows(o)
	q.writer.legacy, q.writer.model, q.body = eventModel, eventModel, appendEventRow
	return q
}

func rows(dst []map[string]any, c *codec.Context, m message) ([]map[string]any, error) {
	switch m.model {
	case timeseriesModel, legacyTimeseriesModel:
		t, err := parseTimeseries(c, m.data)
		if err != nil {
			return nil, err
		}
		if err := t.checkRows(); err != nil {
			return nil, err
		}
		return t.appendRows(dst)
	case eventModel, eventsModel:
		events, err := parseEvents(c, m)
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			dst = append(dst, map[string]any{"Timestamp": *e.Timestamp, "Id": *e.ID, "Value": *e.Value, "Tags": anyMap(e.Tags)})
		}
		return dst, nil
	}
	return nil, fmt.Errorf("model %q: want %s, %s, %s or %s", m.model, timeseriesModel, legacyTimeseriesModel, eventModel, eventsModel)
}

func anyMap(tags map[string]string) map[string]any {
	out := make(map[string]any, len(tags))
	for name, v := range tags {
		out[name] = v
	}
	return out
}

func (t *timeseries) appendRows(dst []map[string]any) ([]map[string]any, error) {
	for i, timestamp := range t.Timestamps {
		row := make(map[string]any, len(t.NumericValues)+len(t.StringValues)+len(t.BinaryValues)+2)
		for name, values := range t.NumericValues {
			if i < len(values) { // else it is hidden
				row[name] = orNil(values[i])
			}
		}
		for name, values := range t.StringValues {
			if i < len(values) {
				row[name] = orNil(values[i])
			}
		}
		for name, values := range t.BinaryValues {
			if values[i] == nil {
				row[name] = nil
				continue
			}
			b, err := binary(name, *values[i])
			if err != nil {
				return nil, err
			}
			row[name] = b
		}
		tags := make(map[string]any, len(t.TagValues))
		for name, values := range t.TagValues {
			tags[name] = orNil(values[i])
		}
		row["Tags"], row["Timestamp"] = tags, timestamp
		dst = append(dst, row)
	}
	return dst, nil
}

func orNil[T any](v *T) any {
	if v == nil {
		return nil
	}
	return *v
}

func appendRow(dst []byte, row map[string]any) ([]byte, error) {
	var (
		bin       map[string][]byte
		str       map[string]string
		tags      map[string]*string
		num       map[string]json.Number
		timestamp *int64
		err       error
	)
	for name, v := range row {
		switch v := v.(type) {
		case nil:
		case string:
			put(&str, name, v)
		case []byte:
			put(&bin, name, v)
		default:
			switch name {
			case "Timestamp":
				timestamp, err = nanoseconds(v)
			case "Tags":
				tags, err = tagMap(v)
			default:
				var n json.Number
				n, err = number(name, v)
				put(&num, name, n)
			}
			if err != nil {
				return nil, err
			}
		}
	}
	switch {
	case taken(str, "Timestamp") || taken(bin, "Timestamp"):
		return nil, fmt.Errorf("field Timestamp: want nanoseconds, got %T", row["Timestamp"])
	case taken(str, "Tags") || taken(bin, "Tags"):
		return nil, fmt.Errorf("field Tags: want a map, got %T", row["Tags"])
	case timestamp == nil && len(num)+len(str)+len(bin) > 0:
		return nil, errors.New("the field Timestamp is missing")
	}
	if len(num)+len(str)+len(bin) == 0 {
		timestamp = nil
	}
	return appendTimeseries(dst, bin, str, num, appendNumber, timestamp, tags)
}

func appendEventRow(dst []byte, row map[string]any) ([]byte, error) {
	var e Event
	timestamp, err := nanoseconds(row["Timestamp"])
	if err != nil {
		return nil, err
	}
	e.Timestamp = *timestamp
	for name, field := range map[string]*string{"Id": &e.ID, "Value": &e.Value} {
		v, given := row[name]
		if !given {
			continue
		}
		text, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("field %s: want text, got %T", name, v)
		}
		*field = text
	}
	if e.Tags, err = textMap(row["Tags"]); err != nil {
		return nil, err
	}
	return appendEvent(dst, e)
}

func nanoseconds(v any) (*int64, error) {
	var n int64
	var err error
	switch v := v.(type) {
	case int64:
		n = v
	case int:
		n = int64(v)
	case json.Number:
		n, err = v.Int64()
	case float64:
		n = int64(v)
		if float64(n) != v {
			err = fmt.Errorf("%v is no whole number", v)
		}
	default:
		err = fmt.Errorf("want nanoseconds, got %T", v)
	}
	if err != nil {
		return nil, fmt.Errorf("field Timestamp: %w", err)
	}
	return &n, nil
}

// tagMap returns tags, nil for null.
func tagMap(v any) (map[string]*string, error) {
	switch v := v.(type) {
	case map[string]*string:
		return v, nil
	case map[string]string:
		return nullableTags(v, nil)
	case map[string]any:
		out := make(map[string]*string, len(v))
		for name, tag := range v {
			switch tag := tag.(type) {
			case nil:
				out[name] = nil
			case string:
				out[name] = &tag
			case *string:
				out[name] = tag
			default:
				return nil, fmt.Errorf("tag %q: want text or nil, got %T", name, tag)
			}
		}
		return out, nil
	}
	return nil, fmt.Errorf("field Tags: want a map, got %T", v)
}

func textMap(v any) (map[string]string, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case map[string]string:
		return maps.Clone(v), nil
	case map[string]any:
		out := make(map[string]string, len(v))
		for name, tag := range v {
			text, ok := tag.(string)
			if !ok {
				return nil, fmt.Errorf("tag %q: want text, got %T", name, tag)
			}
			out[name] = text
		}
		return out, nil
	}
	return nil, fmt.Errorf("field Tags: want a map, got %T", v)
}

var anyJSON = codec.JSON[any]()

// number returns the text of a number of any type; numbers that JSON lacks are null.
func number(name string, v any) (json.Number, error) {
	switch v := v.(type) {
	case int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64, json.Number:
	case float64:
		text, err := appendFloat(nil, v)
		return json.Number(text), err
	case float32:
		// The shortest decimal that reads as the float32.
		wide, err := strconv.ParseFloat(strconv.FormatFloat(float64(v), 'g', -1, 32), 64)
		if err != nil {
			wide = float64(v)
		}
		return number(name, wide)
	default:
		return "", fmt.Errorf("parameter %q: want a number, text or bytes, got %T", name, v)
	}
	text, err := anyJSON.Append(nil, nil, v)
	if err != nil {
		return "", fmt.Errorf("parameter %q: %w", name, cause(err))
	}
	return json.Number(text), nil
}
