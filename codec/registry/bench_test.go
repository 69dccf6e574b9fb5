package registry_test

import (
	"testing"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/codec/jsonschema"
	"github.com/weirstreams/weir/codec/registry"
)

type reading struct {
	Sensor string  `json:"sensor"`
	Site   string  `json:"site"`
	Value  float64 `json:"value"`
	Count  int64   `json:"count"`
	Valid  bool    `json:"valid"`
	Time   int64   `json:"time"`
}

// unchecked is a format of JSON that leaves its schema alone, so that there is little beside the frame.
type unchecked struct{ codec.Codec[reading] }

func (unchecked) Schema() registry.Schema {
	return registry.Schema{Type: registry.JSON, Name: "reading", Text: `{"type":"object"}`}
}

func (u unchecked) Writer(registry.Schema) (codec.Codec[reading], error) { return u.Codec, nil }

func (u unchecked) Reader(func() (registry.Schema, error)) (codec.Codec[reading], error) {
	return u.Codec, nil
}

// BenchmarkFrame compares payloads in frames with the same payloads without.
func BenchmarkFrame(b *testing.B) {
	v := reading{"sensor-000042", "site-007", 57.54, 518490, true, 1700000000042}
	checked, err := jsonschema.New[reading](`{"type":"object","required":["sensor"]}`)
	if err != nil {
		b.Fatal(err)
	}
	plain := codec.JSON[reading]()
	client := newClient(b, start(b))
	for _, f := range []struct {
		name  string
		codec codec.Codec[reading]
	}{
		{"JSON", plain},
		{"JSON=framed", registry.Of(client, unchecked{plain}, registry.Options{})},
		{"JSONSchema", checked},
		{"JSONSchema=framed", registry.Of(client, checked, registry.Options{})},
	} {
		b.Run("Append/"+f.name, func(b *testing.B) {
			buffer := []byte(nil)
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if buffer, err = f.codec.Append(buffer[:0], value, v); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("Decode/"+f.name, func(b *testing.B) {
			data, err := f.codec.Append(nil, value, v)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f.codec.Decode(value, data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
