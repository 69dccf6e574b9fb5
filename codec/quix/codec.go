package quix

import (
	"errors"
	"fmt"

	"github.com/weirstreams/weir/codec"
)

// Codec is a codec of messages that hold several values; it implements [codec.Splitter] and [codec.HeaderReader].
type Codec[T any] struct {
	reader reader
	writer writer
	// body appends the JSON of a value.
	body func(dst []byte, v T) ([]byte, error)
	// values appends the values of a message to dst.
	values func(dst []T, c *codec.Context, m message) ([]T, error)
}

// Timeseries returns the codec of timeseries. Each value that it writes is a message of its own. An event is an error.
func Timeseries(o Options) *Codec[Sample] {
	return &Codec[Sample]{
		reader: newReader(o), writer: writer{o.Headers, legacyTimeseriesModel, timeseriesModel},
		body: appendSample, values: samples,
	}
}

// Events returns the codec of events. Each value that it writes is a message of its own. A timeseries is an error.
func Events(o Options) *Codec[Event] {
	return &Codec[Event]{
		reader: newReader(o), writer: writer{o.Headers, eventModel, eventModel},
		body: appendEvent, values: events,
	}
}

func appendSample(dst []byte, s Sample) ([]byte, error) {
	timestamp := &s.Timestamp
	if len(s.Numeric)+len(s.Strings)+len(s.Binary) == 0 {
		timestamp = nil // a reader would take it for a row
	}
	if taken(s.Numeric, "Timestamp") || taken(s.Strings, "Timestamp") || taken(s.Binary, "Timestamp") {
		return nil, errTimestampName
	}
	tags, err := nullableTags(s.Tags, s.NullTags)
	if err != nil {
		return nil, err
	}
	return appendTimeseries(dst, s.Binary, s.Strings, s.Numeric, appendFloat, timestamp, tags)
}

// nullableTags returns all tags, nil for null.
func nullableTags(tags map[string]string, null []string) (map[string]*string, error) {
	if len(tags)+len(null) == 0 {
		return nil, nil
	}
	out := make(map[string]*string, len(tags)+len(null))
	for name, v := range tags {
		out[name] = &v
	}
	for _, name := range null {
		if _, ok := tags[name]; ok {
			return nil, fmt.Errorf("tag %q is in Tags and in NullTags: give it a value or null", name)
		}
		out[name] = nil
	}
	return out, nil
}

var errTimestampName = errors.New(`a parameter is named "Timestamp": the name is taken`)

func taken[T any](m map[string]T, name string) bool {
	_, ok := m[name]
	return ok
}

func samples(dst []Sample, c *codec.Context, m message) ([]Sample, error) {
	if m.model != timeseriesModel && m.model != legacyTimeseriesModel {
		return nil, fmt.Errorf("model %q: want %s or %s", m.model, timeseriesModel, legacyTimeseriesModel)
	}
	t, err := parseTimeseries(c, m.data)
	if err != nil {
		return nil, err
	}
	return t.appendSamples(dst)
}

func events(dst []Event, c *codec.Context, m message) ([]Event, error) {
	if m.model != eventModel && m.model != eventsModel {
		return nil, fmt.Errorf("model %q: want %s or %s", m.model, eventModel, eventsModel)
	}
	if e, ok := parseWholeEvent(c, m); ok {
		return append(dst, e), nil
	}
	parsed, err := parseEvents(c, m)
	if err != nil {
		return nil, err
	}
	for _, e := range parsed {
		dst = append(dst, Event{*e.Timestamp, *e.ID, *e.Value, e.Tags})
	}
	return dst, nil
}

// Append implements [codec.Codec].
func (q *Codec[T]) Append(dst []byte, c *codec.Context, v T) ([]byte, error) {
	out, err := q.writer.write(dst, c, func(b []byte) ([]byte, error) { return q.body(b, v) })
	if err != nil {
		return dst, codec.Failed[T](codec.Encode, c, err)
	}
	return out, nil
}

// Split implements [codec.Splitter].
func (q *Codec[T]) Split(dst []T, c *codec.Context, data []byte) ([]T, error) {
	m, err := q.reader.read(c, data)
	if err != nil {
		return nil, codec.Failed[T](codec.Decode, c, err)
	}
	out, err := q.values(dst, c, m)
	if err != nil {
		return nil, codec.Failed[T](codec.Decode, c, err)
	}
	return out, nil
}

// Decode implements [codec.Codec]. It fails unless the message holds exactly one value; a topology calls Split.
func (q *Codec[T]) Decode(c *codec.Context, data []byte) (T, error) {
	var none T
	values, err := q.Split(nil, c, data)
	if err != nil {
		return none, err
	}
	if len(values) != 1 {
		return none, codec.Failed[T](codec.Decode, c, fmt.Errorf("the message holds %d values", len(values)))
	}
	return values[0], nil
}

// FormatHeaders implements [codec.HeaderReader].
func (q *Codec[T]) FormatHeaders(part codec.Part) []string {
	if part != codec.Value {
		return nil
	}
	return []string{modelHeader, codecHeader, splitHeader}
}
