package quix

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/jsontext"
)

// writer puts data into one of the two forms.
type writer struct {
	headers bool
	// legacy and model are the names of the model in an envelope and in a header.
	legacy, model string
}

// write appends a message with the data that body appends.
func (w writer) write(dst []byte, c *codec.Context, body func([]byte) ([]byte, error)) ([]byte, error) {
	if w.headers {
		out, err := body(dst)
		if err == nil && c != nil {
			c.Headers = withHeaders(c.Headers, weir.Header{Key: modelHeader, Value: []byte(w.model)}, weir.Header{Key: codecHeader, Value: []byte("JT")})
		}
		return out, err
	}
	start := len(dst)
	out := append(dst, `{"C":"JT","K":"`...)
	out = append(out, w.legacy...)
	out = append(out, `","V":`...)
	from := len(out) - start
	out, err := body(out)
	if err != nil {
		return nil, err
	}
	to := len(out) - start
	out = strconv.AppendInt(append(out, `,"S":`...), int64(from), 10)
	out = strconv.AppendInt(append(out, `,"E":`...), int64(to), 10)
	return append(out, '}'), nil
}

// withHeaders returns headers with those of the same names replaced. It does not write into the old ones.
func withHeaders(headers []weir.Header, added ...weir.Header) []weir.Header {
	out := make([]weir.Header, 0, len(headers)+len(added))
	for _, h := range headers {
		if h.Key != modelHeader && h.Key != codecHeader {
			out = append(out, h)
		}
	}
	return append(out, added...)
}

// appendMap appends an object with the names in order, each with its value, in an array if it is in a timeseries.
func appendMap[T any](dst []byte, m map[string]T, array bool, value func([]byte, T) ([]byte, error)) ([]byte, error) {
	dst = append(dst, '{')
	for i, name := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = appendString(dst, name); err != nil {
			return nil, err
		}
		dst = append(dst, ':')
		if array {
			dst = append(dst, '[')
		}
		if dst, err = value(dst, m[name]); err != nil {
			return nil, err
		}
		if array {
			dst = append(dst, ']')
		}
	}
	return append(dst, '}'), nil
}

func appendString(dst []byte, s string) ([]byte, error) {
	out, err := jsontext.AppendString(dst, s)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// appendTag writes null for a tag without a value.
func appendTag(dst []byte, s *string) ([]byte, error) {
	if s == nil {
		return append(dst, "null"...), nil
	}
	return appendString(dst, *s)
}

// appendFloat writes null for numbers that JSON lacks, as Quix Streams does.
func appendFloat(dst []byte, f float64) ([]byte, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(dst, "null"...), nil
	}
	return jsontext.AppendFloat(dst, f)
}

func appendNumber(dst []byte, n json.Number) ([]byte, error) { return append(dst, n...), nil }

func appendBinary(dst, b []byte) ([]byte, error) {
	return append(base64.StdEncoding.AppendEncode(append(dst, '"'), b), '"'), nil
}

// appendTimeseries appends a timeseries of at most one moment, in the order of the original.
func appendTimeseries[N any](
	dst []byte, bin map[string][]byte, str map[string]string, num map[string]N, number func([]byte, N) ([]byte, error),
	timestamp *int64, tags map[string]*string,
) ([]byte, error) {
	var err error
	if dst, err = appendMap(append(dst, `{"BinaryValues":`...), bin, true, appendBinary); err != nil {
		return nil, err
	}
	if dst, err = appendMap(append(dst, `,"StringValues":`...), str, true, appendString); err != nil {
		return nil, err
	}
	if dst, err = appendMap(append(dst, `,"NumericValues":`...), num, true, number); err != nil {
		return nil, err
	}
	dst = append(dst, `,"Timestamps":[`...)
	if timestamp != nil {
		dst = strconv.AppendInt(dst, *timestamp, 10)
	}
	if dst, err = appendMap(append(dst, `],"TagValues":`...), tags, true, appendTag); err != nil {
		return nil, err
	}
	return append(dst, '}'), nil
}

func appendEvent(dst []byte, e Event) ([]byte, error) {
	var err error
	if dst, err = appendString(append(dst, `{"Id":`...), e.ID); err != nil {
		return nil, err
	}
	if dst, err = appendString(append(dst, `,"Value":`...), e.Value); err != nil {
		return nil, err
	}
	if dst, err = appendMap(append(dst, `,"Tags":`...), e.Tags, false, appendString); err != nil {
		return nil, err
	}
	dst = strconv.AppendInt(append(dst, `,"Timestamp":`...), e.Timestamp, 10)
	return append(dst, '}'), nil
}
