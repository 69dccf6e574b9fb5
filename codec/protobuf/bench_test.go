package protobuf_test

import (
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/codec/protobuf"
	"github.com/weirstreams/weir/codec/protobuf/internal/rootpb"
)

func reading() *rootpb.Reading {
	return &rootpb.Reading{Sensor: "sensor-000042", Site: "site-007", Value: 57.54, Count: 518490, Valid: true, Time: 1700000000042}
}

var readingType = reading().ProtoReflect().Descriptor()

// BenchmarkAppend compares the codecs with the bare calls of the library.
func BenchmarkAppend(b *testing.B) {
	b.Run("proto.MarshalAppend", func(b *testing.B) {
		m, buffer := reading(), []byte(nil)
		b.ReportAllocs()
		for b.Loop() {
			var err error
			if buffer, err = (proto.MarshalOptions{}).MarshalAppend(buffer[:0], m); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Message", func(b *testing.B) { appends(b, protobuf.Message[*rootpb.Reading](protobuf.Options{}), reading()) })
	data := readingBytes(b)
	b.Run("dynamicpb", func(b *testing.B) {
		m, buffer := dynamicpb.NewMessage(readingType), []byte(nil)
		if err := proto.Unmarshal(data, m); err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			var err error
			if buffer, err = (proto.MarshalOptions{Deterministic: true}).MarshalAppend(buffer[:0], m); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Dynamic", func(b *testing.B) {
		cd := protobuf.Dynamic(readingType, protobuf.Options{})
		m, err := cd.Decode(value, data)
		if err != nil {
			b.Fatal(err)
		}
		appends(b, cd, m)
	})
	b.Run("protojson", func(b *testing.B) {
		text, buffer := codec.JSON[row](), []byte(nil)
		m, err := protobuf.Map(readingType, protobuf.MapOptions{}).Decode(value, data)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			j, err := text.Append(nil, value, m)
			if err != nil {
				b.Fatal(err)
			}
			d := dynamicpb.NewMessage(readingType)
			if err := protojson.Unmarshal(j, d); err != nil {
				b.Fatal(err)
			}
			if buffer, err = (proto.MarshalOptions{Deterministic: true}).MarshalAppend(buffer[:0], d); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Map", func(b *testing.B) {
		cd := protobuf.Map(readingType, protobuf.MapOptions{})
		m, err := cd.Decode(value, data)
		if err != nil {
			b.Fatal(err)
		}
		appends(b, cd, m)
	})
}

// BenchmarkDecode compares the codecs with the bare calls of the library.
func BenchmarkDecode(b *testing.B) {
	data := readingBytes(b)
	b.Run("proto.Unmarshal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := proto.Unmarshal(data, &rootpb.Reading{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Message", func(b *testing.B) { decodes(b, protobuf.Message[*rootpb.Reading](protobuf.Options{}), data) })
	b.Run("dynamicpb", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := proto.Unmarshal(data, dynamicpb.NewMessage(readingType)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Dynamic", func(b *testing.B) { decodes(b, protobuf.Dynamic(readingType, protobuf.Options{}), data) })
	b.Run("protojson", func(b *testing.B) {
		text := codec.JSON[row]()
		b.ReportAllocs()
		for b.Loop() {
			d := dynamicpb.NewMessage(readingType)
			if err := proto.Unmarshal(data, d); err != nil {
				b.Fatal(err)
			}
			j, err := protojson.MarshalOptions{EmitDefaultValues: true}.Marshal(d)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := text.Decode(value, j); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Map", func(b *testing.B) { decodes(b, protobuf.Map(readingType, protobuf.MapOptions{}), data) })
}

func readingBytes(b *testing.B) []byte {
	data, err := proto.Marshal(reading())
	if err != nil {
		b.Fatal(err)
	}
	return data
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
