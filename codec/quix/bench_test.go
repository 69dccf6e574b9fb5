package quix_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/codec/quix"
)

// series is the JSON of a timeseries, for those who read and write it by hand.
type series struct {
	BinaryValues, StringValues map[string][]*string
	NumericValues              map[string][]*json.Number
	Timestamps                 []int64
	TagValues                  map[string][]*string
}

type envelope[V any] struct {
	C, K string
	V    V
	S, E int
}

// samples does what a program without the codec would have to do.
func (s *series) samples(dst []quix.Sample) ([]quix.Sample, error) {
	for i, at := range s.Timestamps {
		out := quix.Sample{Timestamp: at, Numeric: map[string]float64{}, Strings: map[string]string{}, Binary: map[string][]byte{}, Tags: map[string]string{}}
		for name, values := range s.NumericValues {
			if n := values[i]; n != nil {
				f, err := n.Float64()
				if err != nil {
					return nil, err
				}
				out.Numeric[name] = f
			}
		}
		for name, values := range s.StringValues {
			if text := values[i]; text != nil {
				out.Strings[name] = *text
			}
		}
		for name, values := range s.BinaryValues {
			if text := values[i]; text != nil {
				b, err := base64.StdEncoding.DecodeString(*text)
				if err != nil {
					return nil, err
				}
				out.Binary[name] = b
			}
		}
		for name, values := range s.TagValues {
			if text := values[i]; text != nil {
				out.Tags[name] = *text
			}
		}
		dst = append(dst, out)
	}
	return dst, nil
}

// says reads the headers that say what a message is.
func says(c *codec.Context, model string) bool {
	var is, encoded bool
	for _, h := range c.Headers {
		switch h.Key {
		case "__Q_ModelKey":
			is = string(h.Value) == model
		case "__Q_CodecId":
			encoded = string(h.Value) == "JT"
		}
	}
	return is && encoded
}

var errOther = errors.New("another message")

func splits[T any](b *testing.B, c *codec.Context, data string, split func(dst []T, c *codec.Context, data []byte) ([]T, error)) {
	var dst []T
	in := []byte(data)
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if dst, err = split(dst[:0], c, in); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSplit compares the codecs with the JSON library and what has to be done with what it gives.
func BenchmarkSplit(b *testing.B) {
	headers, legacy := context("TimeseriesData", "JT"), &codec.Context{Topic: "t", Part: codec.Value}
	b.Run("Timeseries/byhand", func(b *testing.B) {
		plain := codec.JSON[series]()
		splits(b, headers, timeseriesJSON, func(dst []quix.Sample, c *codec.Context, data []byte) ([]quix.Sample, error) {
			if !says(c, "TimeseriesData") {
				return nil, errOther
			}
			s, err := plain.Decode(c, data)
			if err != nil {
				return nil, err
			}
			return s.samples(dst)
		})
	})
	b.Run("Timeseries/codec", func(b *testing.B) { splits(b, headers, timeseriesJSON, quix.Timeseries(quix.Options{}).Split) })
	b.Run("Legacy/byhand", func(b *testing.B) {
		plain := codec.JSON[envelope[series]]()
		splits(b, legacy, legacySeries, func(dst []quix.Sample, c *codec.Context, data []byte) ([]quix.Sample, error) {
			e, err := plain.Decode(c, data)
			if err != nil {
				return nil, err
			}
			return e.V.samples(dst)
		})
	})
	b.Run("Legacy/codec", func(b *testing.B) { splits(b, legacy, legacySeries, quix.Timeseries(quix.Options{}).Split) })
	type event struct {
		Timestamp int64
		ID        string `json:"Id"`
		Value     string
		Tags      map[string]string
	}
	b.Run("Event/byhand", func(b *testing.B) {
		plain := codec.JSON[event]()
		splits(b, context("EventData", "JT"), eventJSON, func(dst []quix.Event, c *codec.Context, data []byte) ([]quix.Event, error) {
			if !says(c, "EventData") {
				return nil, errOther
			}
			e, err := plain.Decode(c, data)
			return append(dst, quix.Event(e)), err
		})
	})
	b.Run("Event/codec", func(b *testing.B) {
		splits(b, context("EventData", "JT"), eventJSON, quix.Events(quix.Options{}).Split)
	})
}

// BenchmarkAppend compares the codec with the JSON library, which is given the same names in the same order.
func BenchmarkAppend(b *testing.B) {
	v := sample()
	b.Run("Timeseries/byhand", func(b *testing.B) {
		plain, buffer := codec.JSON[series](), []byte(nil)
		b.ReportAllocs()
		for b.Loop() {
			s := series{
				BinaryValues: map[string][]*string{}, StringValues: map[string][]*string{}, NumericValues: map[string][]*json.Number{},
				Timestamps: []int64{v.Timestamp}, TagValues: map[string][]*string{},
			}
			for _, name := range slices.Sorted(maps.Keys(v.Binary)) {
				s.BinaryValues[name] = []*string{new(base64.StdEncoding.EncodeToString(v.Binary[name]))}
			}
			for name, text := range v.Strings {
				s.StringValues[name] = []*string{&text}
			}
			for name, n := range v.Numeric {
				text, err := json.Marshal(n)
				if err != nil {
					b.Fatal(err)
				}
				s.NumericValues[name] = []*json.Number{new(json.Number(text))}
			}
			for name, text := range v.Tags {
				s.TagValues[name] = []*string{&text}
			}
			var err error
			if buffer, err = plain.Append(buffer[:0], nil, s); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Timeseries/codec", func(b *testing.B) {
		cd, buffer := quix.Timeseries(quix.Options{Headers: true}), []byte(nil)
		b.ReportAllocs()
		for b.Loop() {
			var err error
			if buffer, err = cd.Append(buffer[:0], nil, v); err != nil {
				b.Fatal(err)
			}
		}
	})
}
