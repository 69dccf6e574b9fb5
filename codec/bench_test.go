package codec_test

import (
	"fmt"
	"testing"

	"github.com/bytedance/sonic"
	"github.com/weirstreams/weir/codec"
)

// reading is about 100 bytes of JSON in 6 fields, the size of record that design decisions were measured with.
type reading struct {
	Sensor string  `json:"sensor"`
	Site   string  `json:"site"`
	Value  float64 `json:"value"`
	Count  int64   `json:"count"`
	Valid  bool    `json:"valid"`
	Time   int64   `json:"time"`
}

// readings returns different records and their JSON: a constant input flatters decoders that keep strings.
func readings(b *testing.B) ([]reading, [][]byte) {
	values, texts := make([]reading, 4096), make([][]byte, 4096)
	for i := range values {
		values[i] = reading{
			fmt.Sprintf("sensor-%06d", i*7919%1000000), fmt.Sprintf("site-%03d", i%500),
			float64(i) * 1.37, int64(i) * 12345, i%3 == 0, 1700000000000 + int64(i),
		}
		text, err := sonic.ConfigStd.Marshal(values[i])
		if err != nil {
			b.Fatal(err)
		}
		texts[i] = text
	}
	return values, texts
}

// BenchmarkJSONAppend compares JSON with sonic called directly, in the same configuration and in the standard one.
func BenchmarkJSONAppend(b *testing.B) {
	values, _ := readings(b)
	same := sonic.Config{SortMapKeys: true, CompactMarshaler: true}.Froze()
	for name, marshal := range map[string]func(any) ([]byte, error){
		"sonic.Marshal": same.Marshal, "sonic.ConfigStd.Marshal": sonic.ConfigStd.Marshal,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := marshal(&values[i%len(values)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("codec.JSON", func(b *testing.B) {
		c, j, buffer := &codec.Context{}, codec.JSON[reading](), []byte(nil)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			var err error
			if buffer, err = j.Append(buffer[:0], c, values[i%len(values)]); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkJSONDecode compares JSON with sonic called directly, decoding into a fresh value.
func BenchmarkJSONDecode(b *testing.B) {
	_, texts := readings(b)
	for name, unmarshal := range map[string]func([]byte, any) error{
		"sonic.ConfigFastest.Unmarshal": sonic.ConfigFastest.Unmarshal,
		"sonic.ConfigStd.Unmarshal":     sonic.ConfigStd.Unmarshal,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				v := new(reading)
				if err := unmarshal(texts[i%len(texts)], v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("codec.JSON", func(b *testing.B) {
		c, j := &codec.Context{}, codec.JSON[reading]()
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, err := j.Decode(c, texts[i%len(texts)]); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkFor compares the codec of a named type, which goes through a change of type, with that of the type below.
func BenchmarkFor(b *testing.B) {
	b.Run("Int64", func(b *testing.B) { roundTrips(b, codec.Int64(), 42) })
	b.Run("For=celsius", func(b *testing.B) { roundTrips(b, codec.For[celsius](), 42) })
	b.Run("String", func(b *testing.B) { roundTrips(b, codec.String(), "LHR") })
	b.Run("For=airport", func(b *testing.B) { roundTrips(b, codec.For[airport](), "LHR") })
}

func roundTrips[T any](b *testing.B, cd codec.Codec[T], v T) {
	c, buffer := &codec.Context{}, make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if buffer, err = cd.Append(buffer[:0], c, v); err != nil {
			b.Fatal(err)
		}
		if v, err = cd.Decode(c, buffer); err != nil {
			b.Fatal(err)
		}
	}
}
