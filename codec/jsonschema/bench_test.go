package jsonschema_test

import (
	"bytes"
	"testing"

	library "github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/weirstreams/weir/codec"
)

// BenchmarkDecode compares the codec with the bare calls that it makes: codec.JSON, and the library on its own decoder.
func BenchmarkDecode(b *testing.B) {
	data := []byte(`{"id":10,"name":"a sensor in a field"}`)
	cd := newRoot[root](b)
	b.Run("codec.JSON", func(b *testing.B) {
		plain := codec.JSON[root]()
		b.ReportAllocs()
		for b.Loop() {
			if _, err := plain.Decode(value, data); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("library", func(b *testing.B) {
		document, err := library.UnmarshalJSON(bytes.NewReader([]byte(rootSchema)))
		if err != nil {
			b.Fatal(err)
		}
		compiler := library.NewCompiler()
		if err := compiler.AddResource("s.json", document); err != nil {
			b.Fatal(err)
		}
		schema := compiler.MustCompile("s.json")
		b.ReportAllocs()
		for b.Loop() {
			v, err := library.UnmarshalJSON(bytes.NewReader(data))
			if err != nil || schema.Validate(v) != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("codec", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := cd.Decode(value, data); err != nil {
				b.Fatal(err)
			}
		}
	})
}
