package protobuf_test

import (
	"encoding/hex"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/codec/protobuf"
	"github.com/weirstreams/weir/codec/protobuf/internal/rootpb"
)

var value = &codec.Context{Topic: "t", Part: codec.Value}

type row = map[string]any

var rootType = (&rootpb.Root{}).ProtoReflect().Descriptor()

func encode[T any](t testing.TB, cd codec.Codec[T], v T) string {
	t.Helper()
	out, err := cd.Append([]byte("."), value, v)
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(out[1:])
}

// decode decodes hexadecimal, and overwrites the input before it returns.
func decode[T any](t testing.TB, cd codec.Codec[T], wire string) T {
	t.Helper()
	data, err := hex.DecodeString(wire)
	if err != nil {
		t.Fatal(err)
	}
	v, err := cd.Decode(value, data)
	if err != nil {
		t.Fatal(err)
	}
	for i := range data {
		data[i] = '#'
	}
	return v
}

func same(t testing.TB, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// compile compiles files and returns a message of the first.
func compile(t testing.TB, message string, files map[string]string) protoreflect.MessageDescriptor {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	types, err := protobuf.Compile(fsys, "main.proto")
	if err != nil {
		t.Fatal(err)
	}
	m, err := types.Message(message)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
