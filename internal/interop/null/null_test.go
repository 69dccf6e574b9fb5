// Package null_test checks that operators take the nulls of Avro, of Protobuf and of frames for nulls.
package null_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
	"google.golang.org/protobuf/types/known/sourcecontextpb"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/codec/avro"
	"github.com/weirstreams/weir/codec/jsonschema"
	"github.com/weirstreams/weir/codec/protobuf"
	"github.com/weirstreams/weir/codec/registry"
	"github.com/weirstreams/weir/internal/nulltest"
	"github.com/weirstreams/weir/secret"
)

const nullable = `["null",{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}]`

type record struct {
	A int32 `avro:"a" json:"a"`
}

// frame is the frame of the first schema of a registry.
const frame = "\x00\x00\x00\x00\x01"

func TestNullOfAvroIsNullEverywhere(t *testing.T) {
	pointers, values := typed[*record](t), typed[record](t)
	nulltest.Check(t, "pointer", pointers, "\x02\x02", "\x00", nil)
	nulltest.Check(t, "struct", values, "\x02\x02", "\x00", nil)
	numbers, err := avro.Typed[*int64](`["long","null"]`)
	if err != nil {
		t.Fatal(err)
	}
	nulltest.Check(t, "number", numbers, "\x00\x02", "\x02", nil)
}

func TestNullInAFrameIsNullEverywhere(t *testing.T) {
	nulltest.Check(t, "Avro, pointer", framed(t, typed[*record](t), sr.TypeAvro), frame+"\x02\x02", frame+"\x00", nil)
	nulltest.Check(t, "Avro, struct", framed(t, typed[record](t), sr.TypeAvro), frame+"\x02\x02", frame+"\x00", nil)
	pointers, err := jsonschema.New[*record](`{"type":["object","null"]}`)
	if err != nil {
		t.Fatal(err)
	}
	nulltest.Check(t, "JSON Schema, pointer", framed(t, pointers, sr.TypeJSON), frame+`{"a":1}`, frame+"null", nil)
	values, err := jsonschema.New[record](`{"type":["object","null"]}`)
	if err != nil {
		t.Fatal(err)
	}
	nulltest.Check(t, "JSON Schema, struct", framed(t, values, sr.TypeJSON), frame+`{"a":1}`, frame+"null", nil)
}

// A message has no null of its own: a record without a value is one, and a nil message is written as one.
func TestNullOfProtobufIsNullEverywhere(t *testing.T) {
	const value = "\n\x01a"
	messages := protobuf.Message[*sourcecontextpb.SourceContext](protobuf.Options{})
	noMessage := func() *sourcecontextpb.SourceContext { return nil }
	maps := protobuf.Map(sourcecontextpb.File_google_protobuf_source_context_proto.Messages().Get(0), protobuf.MapOptions{})
	noMap := func() map[string]any { return nil }
	nulltest.Check(t, "message", messages, value, "nil", noMessage)
	nulltest.Check(t, "map", maps, value, "nil", noMap)
	nulltest.Check(t, "message in a frame", framed(t, messages, sr.TypeProtobuf), frame+"\x00"+value, "nil", noMessage)
	nulltest.Check(t, "map in a frame", framed(t, maps, sr.TypeProtobuf), frame+"\x00"+value, "nil", noMap)
}

func typed[T any](t *testing.T) *avro.TypedFormat[T] {
	t.Helper()
	f, err := avro.Typed[T](nullable)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// framed returns the codec of a format with a registry of its own, which has the schema as the first one.
func framed[T any](t *testing.T, f registry.Format[T], kind sr.SchemaType) codec.Codec[T] {
	t.Helper()
	s := srfake.New()
	t.Cleanup(s.Close)
	s.SeedSchema("seed", 1, 1, sr.Schema{Type: kind, Schema: f.Schema().Text})
	client, err := registry.NewClient(registry.Config{URLs: secret.URLs(s.URL()), Retries: -1})
	if err != nil {
		t.Fatal(err)
	}
	return registry.Of(client, f, registry.Options{Subject: func(string, codec.Part, string) (string, error) { return "seed", nil }})
}
