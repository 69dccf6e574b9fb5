package avro_test

import (
	"encoding/hex"
	"testing"

	hamba "github.com/hamba/avro/v2"
	"github.com/linkedin/goavro/v2"

	"github.com/weirstreams/weir/codec"
)

// reading is the record of six fields that the codecs of Weir are measured with.
type reading struct {
	Sensor string  `avro:"sensor"`
	Site   string  `avro:"site"`
	Value  float64 `avro:"value"`
	Count  int64   `avro:"count"`
	Valid  bool    `avro:"valid"`
	Time   int64   `avro:"time"`
}

const readingSchema = `{"type":"record","name":"Reading","fields":[{"name":"sensor","type":"string"},{"name":"site","type":"string"},
	{"name":"value","type":"double"},{"name":"count","type":"long"},{"name":"valid","type":"boolean"},{"name":"time","type":"long"}]}`

var aReading = reading{"sensor-000042", "site-007", 57.54, 518490, true, 1700000000042}

func readingMap() row {
	return row{
		"sensor": aReading.Sensor, "site": aReading.Site, "value": aReading.Value, "count": aReading.Count,
		"valid": aReading.Valid, "time": aReading.Time,
	}
}

func readingBytes(b *testing.B) []byte {
	data, err := hex.DecodeString(encode(b, typed[reading](b, readingSchema), aReading))
	if err != nil {
		b.Fatal(err)
	}
	return data
}

// BenchmarkAppend compares the codecs with the bare calls of the libraries below them.
func BenchmarkAppend(b *testing.B) {
	b.Run("goavro", func(b *testing.B) {
		native, err := goavro.NewCodec(readingSchema)
		if err != nil {
			b.Fatal(err)
		}
		v, buffer := readingMap(), []byte(nil)
		b.ReportAllocs()
		for b.Loop() {
			if buffer, err = native.BinaryFromNative(buffer[:0], v); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Generic", func(b *testing.B) { appends(b, generic(b, readingSchema), readingMap()) })
	b.Run("hamba", func(b *testing.B) {
		schema, err := hamba.Parse(readingSchema)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := hamba.Marshal(schema, aReading); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Typed", func(b *testing.B) { appends(b, typed[reading](b, readingSchema), aReading) })
}

// BenchmarkDecode compares the codecs with the bare calls of the libraries below them.
func BenchmarkDecode(b *testing.B) {
	b.Run("goavro", func(b *testing.B) {
		native, err := goavro.NewCodec(readingSchema)
		if err != nil {
			b.Fatal(err)
		}
		data := readingBytes(b)
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := native.NativeFromBinary(data); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Generic", func(b *testing.B) { decodes(b, generic(b, readingSchema), readingBytes(b)) })
	b.Run("hamba", func(b *testing.B) {
		schema, err := hamba.Parse(readingSchema)
		if err != nil {
			b.Fatal(err)
		}
		data := readingBytes(b)
		b.ReportAllocs()
		for b.Loop() {
			v := new(reading)
			if err := hamba.Unmarshal(schema, data, v); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Typed", func(b *testing.B) { decodes(b, typed[reading](b, readingSchema), readingBytes(b)) })
}

// BenchmarkDecodeChecked is for a schema with arrays and maps, whose data is walked over before it is decoded.
func BenchmarkDecodeChecked(b *testing.B) {
	f := typed[everything](b, everythingSchema)
	data, err := hex.DecodeString(encode(b, f, sample()))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("hamba", func(b *testing.B) {
		schema, err := hamba.Parse(everythingSchema)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			v := new(everything)
			if err := hamba.Unmarshal(schema, data, v); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Typed", func(b *testing.B) { decodes(b, f, data) })
}

func appends[T any](b *testing.B, cd codec.Codec[T], v T) {
	buffer := []byte(nil)
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if buffer, err = cd.Append(buffer[:0], value, v); err != nil {
			b.Fatal(err)
		}
	}
}

func decodes[T any](b *testing.B, cd codec.Codec[T], data []byte) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := cd.Decode(value, data); err != nil {
			b.Fatal(err)
		}
	}
}
