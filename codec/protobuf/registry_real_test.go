package protobuf_test

import (
	"crypto/rand"
	"os"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/codec/protobuf"
	"github.com/weirstreams/weir/codec/protobuf/internal/rootpb"
	"github.com/weirstreams/weir/codec/registry"
	"github.com/weirstreams/weir/secret"
)

// TestProtobufOnARealRegistry goes through generated and dynamic messages, imports, and both forms of the indexes.
func TestProtobufOnARealRegistry(t *testing.T) {
	url := os.Getenv("WEIR_TEST_REGISTRY")
	if url == "" {
		t.Skip("WEIR_TEST_REGISTRY is not set: run .ci/run registry")
	}
	client, err := registry.NewClient(registry.Config{URLs: secret.URLs(url)})
	if err != nil {
		t.Fatal(err)
	}
	prefix := rand.Text()[:10] + "-"
	options := registry.Options{ReferenceSubject: func(name string) string { return prefix + name }}
	at := func(topic string) *codec.Context { return &codec.Context{Topic: prefix + topic, Part: codec.Value} }

	generated := registry.Of(client, protobuf.Message[*rootpb.Root](protobuf.Options{}), options)
	wire, err := generated.Append(nil, at("generated"), &rootpb.Root{Name: "foo", Id: 2})
	if err != nil {
		t.Fatal(err)
	}
	m, err := generated.Decode(at("generated"), wire)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "generated", &rootpb.Root{Name: "foo", Id: 2}, m)

	d := compile(t, "shop.Outer.Order", map[string]string{
		"main.proto": `syntax = "proto3"; package shop; import "dir/item.proto";
			message First {} message Outer { message None {} message Order { Item item = 1; } }`,
		"dir/item.proto": `syntax = "proto3"; package shop; message Item { string name = 1; }`,
	})
	message := dynamicpb.NewMessage(d)
	item := message.Mutable(d.Fields().ByName("item")).Message()
	item.Set(item.Descriptor().Fields().ByName("name"), protoreflect.ValueOfString("tea"))
	for topic, deprecated := range map[string]bool{"new": false, "deprecated": true} {
		cd := registry.Of(client, protobuf.Dynamic(d, protobuf.Options{DeprecatedIndexes: deprecated}), options)
		wire, err := cd.Append(nil, at(topic), message)
		if err != nil {
			t.Fatal(err)
		}
		indexes := "\x04\x02\x02" // 2 of them, 1 and 1, in zigzag form
		if deprecated {
			indexes = "\x02\x01\x01"
		}
		same(t, topic, indexes, string(wire[5:8]))
		read, err := cd.Decode(at(topic), wire)
		if err != nil {
			t.Fatal(err)
		}
		same(t, topic+", read", message, read)
	}
	// What the registry has is compiled, with what it imports, to find the message there.
	latest := registry.Of(client, protobuf.Dynamic(d, protobuf.Options{}), registry.Options{Find: registry.UseLatest})
	wire, err = latest.Append(nil, at("new"), message)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "by the latest schema", "\x04\x02\x02", string(wire[5:8]))
	registered, err := client.Latest(t.Context(), prefix+"new-value")
	if err != nil {
		t.Fatal(err)
	}
	if len(registered.References) != 1 || registered.References[0].Subject != prefix+"dir/item.proto" || registered.References[0].Schema == nil {
		t.Errorf("references: %+v", registered.References)
	}
}
