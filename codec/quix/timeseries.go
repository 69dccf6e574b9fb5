package quix

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/weirstreams/weir/codec"
)

// timeseries is the JSON of a timeseries: arrays with a value for each timestamp.
type timeseries struct {
	Timestamps    []int64
	NumericValues map[string][]*json.Number
	StringValues  map[string][]*string
	BinaryValues  map[string][]*string
	TagValues     map[string][]*string
}

var timeseriesJSON = codec.JSON[timeseries]()

var errNoTimestamps = errors.New("the field Timestamps is missing")

func parseTimeseries(c *codec.Context, data []byte) (timeseries, error) {
	t, err := timeseriesJSON.Decode(c, data)
	if err != nil {
		return t, cause(err)
	}
	if t.Timestamps == nil {
		return t, errNoTimestamps
	}
	return t, nil
}

// check says whether every parameter and tag has a value for each timestamp, and a name that is not taken.
func (t *timeseries) check() error {
	n := len(t.Timestamps)
	return errors.Join(
		fullLength("numeric parameter", t.NumericValues, n, nil), fullLength("string parameter", t.StringValues, n, nil),
		fullLength("binary parameter", t.BinaryValues, n, nil), fullLength("tag", t.TagValues, n, nil),
	)
}

// checkRows is check for rows. There a binary parameter hides others of its name, and a string parameter a numeric one: the
// lengths of hidden ones do not count.
func (t *timeseries) checkRows() error {
	n := len(t.Timestamps)
	isBinary := func(name string) bool { _, ok := t.BinaryValues[name]; return ok }
	isText := func(name string) bool { _, ok := t.StringValues[name]; return ok || isBinary(name) }
	return errors.Join(
		fullLength("numeric parameter", t.NumericValues, n, isText), fullLength("string parameter", t.StringValues, n, isBinary),
		fullLength("binary parameter", t.BinaryValues, n, nil), fullLength("tag", t.TagValues, n, nil),
	)
}

// fullLength checks that there is a value for each timestamp. More are passed over, as the original does: a row without
// parameters has tags, but no timestamp.
func fullLength[T any](what string, values map[string][]T, n int, hidden func(string) bool) error {
	for name, v := range values {
		if len(v) < n && (hidden == nil || !hidden(name)) {
			return fmt.Errorf("%s %q has %d values for %d timestamps", what, name, len(v), n)
		}
		if name == "Timestamp" && what != "tag" {
			return fmt.Errorf("%s %q: the name is taken", what, name)
		}
	}
	return nil
}

// appendSamples appends a sample for each timestamp. The check is made on the way, as another walk over the maps takes a
// tenth of the time of decoding a small message.
func (t *timeseries) appendSamples(dst []Sample) ([]Sample, error) {
	n := len(t.Timestamps)
	if n == 0 {
		return dst, t.check()
	}
	for i, timestamp := range t.Timestamps {
		s := Sample{Timestamp: timestamp}
		for name, values := range t.NumericValues {
			if isBad(name, values, n) {
				return nil, t.check()
			}
			if values[i] == nil {
				continue
			}
			f, err := values[i].Float64()
			if err != nil {
				return nil, fmt.Errorf("numeric parameter %q: %w", name, err)
			}
			put(&s.Numeric, name, f)
		}
		for name, values := range t.StringValues {
			if isBad(name, values, n) {
				return nil, t.check()
			}
			if values[i] != nil {
				put(&s.Strings, name, *values[i])
			}
		}
		for name, values := range t.BinaryValues {
			if isBad(name, values, n) {
				return nil, t.check()
			}
			if values[i] == nil {
				continue
			}
			b, err := binary(name, *values[i])
			if err != nil {
				return nil, err
			}
			put(&s.Binary, name, b)
		}
		for name, values := range t.TagValues {
			if len(values) < n {
				return nil, t.check()
			}
			if values[i] != nil {
				put(&s.Tags, name, *values[i])
			} else {
				s.NullTags = append(s.NullTags, name)
			}
		}
		slices.Sort(s.NullTags)
		dst = append(dst, s)
	}
	return dst, nil
}

// isBad says that check has something to say of a parameter.
func isBad[T any](name string, values []T, n int) bool {
	return len(values) < n || name == "Timestamp"
}

func binary(name, text string) ([]byte, error) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("binary parameter %q: %w", name, err)
	}
	return b, nil
}

func put[T any](m *map[string]T, name string, v T) {
	if *m == nil {
		*m = map[string]T{}
	}
	(*m)[name] = v
}
