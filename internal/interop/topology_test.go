//go:build interop

package interop_test

import (
	_ "embed"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/text/encoding/charmap"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/codec/avro"
	"github.com/weirstreams/weir/codec/jsonschema"
	"github.com/weirstreams/weir/codec/protobuf"
	"github.com/weirstreams/weir/codec/quix"
	"github.com/weirstreams/weir/codec/registry"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/stream"
)

// item is what the clients write where a format has fields. avro and json name them alike.
type item struct {
	Name  string   `json:"name" avro:"name"`
	ID    int32    `json:"id" avro:"id"`
	Price float64  `json:"price" avro:"price"`
	Count int64    `json:"count" avro:"count"`
	Note  *string  `json:"note" avro:"note"`
	Tags  []string `json:"tags" avro:"tags"`
}

var (
	//go:embed testdata/item.avsc
	avroSchema string
	//go:embed testdata/item.schema.json
	jsonSchema string
)

// pass reads a format and writes it again.
type pass func(t *stream.Topology, in, out string)

func through[V any](value codec.Codec[V]) pass {
	return func(t *stream.Topology, in, out string) {
		t.From(stream.NewTopic(in, codec.Bytes(), value)).To(stream.NewTopic(out, codec.Bytes(), value))
	}
}

// topology returns a topology that passes all formats on, and their names, and the topic of the keys. Its topics are named without the
// prefix of the application.
func topology(tb testing.TB, registryURL string) (*stream.Topology, []string) {
	tb.Helper()
	client, err := registry.NewClient(registry.Config{URLs: secret.URLs(registryURL)})
	fatal(tb, err)
	typed, err := avro.Typed[item](avroSchema)
	fatal(tb, err)
	generic, err := avro.Generic(avroSchema)
	fatal(tb, err)
	schema, err := jsonschema.New[item](jsonSchema)
	fatal(tb, err)
	types, err := protobuf.Compile(os.DirFS("testdata"), "item.proto")
	fatal(tb, err)
	message := func(name string) protoreflect.MessageDescriptor {
		m, err := types.Message(name)
		fatal(tb, err)
		return m
	}
	passes := map[string]pass{
		"string":              through(codec.UTF8()),
		"latin1":              through(codec.Text(charmap.ISO8859_1)),
		"bytes":               through(codec.Bytes()),
		"int":                 through(codec.Int32()),
		"long":                through(codec.Int64()),
		"float":               through(codec.Float32()),
		"double":              through(codec.Float64()),
		"boolean":             through(codec.Bool()),
		"json":                through(codec.JSON[item]()),
		"avro":                through[item](typed),
		"avro-registry":       through(registry.Of(client, typed, registry.Options{})),
		"avro-generic":        through(registry.Of(client, generic, registry.Options{})),
		"protobuf":            through[map[string]any](protobuf.Map(message("Item"), protobuf.MapOptions{})),
		"protobuf-registry":   through(registry.Of(client, protobuf.Dynamic(message("Item"), protobuf.Options{}), registry.Options{})),
		"protobuf-nested":     through(registry.Of(client, protobuf.Dynamic(message("Outer.Inner"), protobuf.Options{}), registry.Options{})),
		"protobuf-deprecated": through(registry.Of(client, protobuf.Dynamic(message("Outer.Inner"), protobuf.Options{DeprecatedIndexes: true}), registry.Options{})),
		"jsonschema-registry": through(registry.Of(client, schema, registry.Options{})),
		"quix-timeseries":     through[map[string]any](quix.Rows(quix.Options{})),
		"quix-headers":        through[quix.Sample](quix.Timeseries(quix.Options{Headers: true})),
		"quix-events":         through[quix.Event](quix.Events(quix.Options{})),
	}
	t := stream.NewTopology()
	through(codec.Bytes())(t, "in-keys", "out-keys")
	names := slices.Sorted(maps.Keys(passes))
	for _, name := range names {
		passes[name](t, "in-"+name, "out-"+name)
	}
	return t, names
}

// descriptors writes item.proto to a file as a set of descriptors, for clients that have no compiler, and returns its name.
func descriptors(tb testing.TB) string {
	tb.Helper()
	types, err := protobuf.Compile(os.DirFS("testdata"), "item.proto")
	fatal(tb, err)
	m, err := types.Message("Item")
	fatal(tb, err)
	set := &descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{protodesc.ToFileDescriptorProto(m.ParentFile())}}
	data, err := proto.Marshal(set)
	fatal(tb, err)
	name := filepath.Join(tb.TempDir(), "item.desc")
	fatal(tb, os.WriteFile(name, data, 0o600))
	return name
}

func fatal(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
