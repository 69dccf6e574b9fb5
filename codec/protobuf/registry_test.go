package protobuf_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/codec/protobuf"
	"github.com/weirstreams/weir/codec/protobuf/internal/rootpb"
	"github.com/weirstreams/weir/codec/registry"
	"github.com/weirstreams/weir/secret"
)

func startRegistry(t testing.TB) (*srfake.Registry, *registry.Client) {
	t.Helper()
	s := srfake.New()
	t.Cleanup(s.Close)
	client, err := registry.NewClient(registry.Config{URLs: secret.URLs(s.URL()), Retries: -1})
	if err != nil {
		t.Fatal(err)
	}
	s.SeedSchema("other", 1, 6, sr.Schema{Schema: `"int"`})
	return s, client
}

func TestProtobufFramedByARegistry(t *testing.T) {
	s, client := startRegistry(t)
	cd := registry.Of(client, protobuf.Message[*rootpb.Root](protobuf.Options{}), registry.Options{Subject: registry.RecordName})
	maps := registry.Of(client, protobuf.Map(rootType, protobuf.MapOptions{}), registry.Options{})
	same(t, "bytes", "0000000007000a03666f6f1002", encode(t, cd, &rootpb.Root{Name: "foo", Id: 2}))
	same(t, "empty", "000000000700", encode(t, cd, &rootpb.Root{}))
	same(t, "bytes of the map", "0000000007000a03666f6f1002", encode(t, maps, row{"name": "foo", "id": 2}))
	same(t, "message", &rootpb.Root{Name: "foo", Id: 2}, decode(t, cd, "0000000007000a03666f6f1002"))
	if _, err := cd.Decode(value, []byte("\x00\x00\x00\x00\xff\x00\x10\x03")); err == nil {
		t.Error("a message of an id that nobody knows is read, though its indexes may name another message")
	}
	for _, subject := range []string{"t-value", "weir.test.Root"} {
		got, ok := s.GetSchema(subject, 1)
		if !ok || got.Type != sr.TypeProtobuf || got.References != nil {
			t.Errorf("%s: registered %+v", subject, got)
		}
		for _, part := range []string{`package weir.test;`, `import "google/protobuf/timestamp.proto";`, "message Root {", "string name = 1;"} {
			if !strings.Contains(got.Schema.Schema, part) {
				t.Errorf("%q is missing in\n%s", part, got.Schema.Schema)
			}
		}
	}
	if !cd.(codec.Nuller[*rootpb.Root]).IsNull(nil) {
		t.Error("nil is not null any more")
	}
}

// TestMessageIndexesSayWhereTheMessageIsInItsFile goes through paths and their bytes in both forms.
func TestMessageIndexesSayWhereTheMessageIsInItsFile(t *testing.T) {
	const file = `syntax = "proto3";
		message M0 { message N0 {} message N1 {} }
		message M1 {}
		message M2 { message N0 { message O0 {} message O1 {} message O2 {} message O3 {} } }
		message M3 { map<string, int32> before = 1; message N0 {} map<string, int32> between = 2; message N1 {} }`
	_, client := startRegistry(t)
	for name, want := range map[string][2]string{
		"M0":       {"00", "00"},
		"M1":       {"0202", "0101"},
		"M0.N0":    {"040000", "020000"},
		"M0.N1":    {"040002", "020001"},
		"M2.N0.O3": {"06040006", "03020003"},
		"M3.N0":    {"040600", "020300"}, // the entries of maps do not count
		"M3.N1":    {"040602", "020301"},
	} {
		m := compile(t, name, map[string]string{"main.proto": file})
		for i, options := range []protobuf.Options{{}, {DeprecatedIndexes: true}} {
			cd := registry.Of(client, protobuf.Dynamic(m, options), registry.Options{})
			wire := encode(t, cd, dynamicpb.NewMessage(m))
			same(t, name, want[i], wire[10:])
			same(t, name+" read", name, string(decode(t, cd, wire).Descriptor().FullName()))
		}
	}
	nested := registry.Of(client, protobuf.Message[*descriptorpb.DescriptorProto_ExtensionRange](protobuf.Options{}), registry.Options{Subject: registry.RecordName})
	same(t, "generated", "040400", encode(t, nested, &descriptorpb.DescriptorProto_ExtensionRange{})[10:])
}

func TestBrokenMessageIndexesAreRefused(t *testing.T) {
	s, client := startRegistry(t)
	s.SeedSchema("t-value", 1, 1, sr.Schema{Type: sr.TypeProtobuf, Schema: protobuf.Message[*rootpb.Root](protobuf.Options{}).Schema().Text})
	for _, deprecated := range []bool{false, true} {
		cd := registry.Of(client, protobuf.Message[*rootpb.Root](protobuf.Options{DeprecatedIndexes: deprecated}), registry.Options{})
		for _, data := range []string{"", "\x80", "\x06\x00", "\xff\xff\xff\xff\x0f", "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"} {
			_, err := cd.Decode(value, append([]byte{0, 0, 0, 0, 1}, data...))
			if err == nil || !strings.HasPrefix(err.Error(), `decode value of topic "t" as *rootpb.Root: message indexes: `) {
				t.Errorf("%x: got %v", data, err)
			}
		}
		if _, err := cd.Decode(value, []byte{0, 0, 0, 0, 1, 1, 0}); (err == nil) != deprecated {
			t.Errorf("a negative number of indexes: got %v", err)
		}
	}
}

// A tool reads each message of a schema of the registry by its path.
func TestMessagesOfASchemaOfTheRegistryAreReadByTheirPaths(t *testing.T) {
	t.Parallel()
	messages, err := protobuf.Registered(registry.Schema{
		Type: registry.Protobuf,
		Text: `syntax = "proto3"; package shop; import "place.proto";
			message Order { int64 id = 1; map<string, int32> parts = 2; message First {} message Item { string name = 1; shop.Place place = 2; } }
			message Other { int32 number = 1; }`,
		References: []registry.Reference{{Name: "place.proto", Schema: &registry.Schema{Type: registry.Protobuf, Text: `syntax = "proto3"; package shop; message Place { string city = 1; }`}}},
	}, protobuf.MapOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for data, want := range map[string]string{
		"\x00\x08\x07": "map[id:7 parts:map[]]", "\x02\x00\x08\x07": "map[id:7 parts:map[]]", "\x02\x02\x08\x07": "map[number:7]", "\x04\x00\x02\x0a\x01x\x12\x03\x0a\x01y": "map[name:x place:map[city:y]]",
	} {
		if got, err := messages.Decode(value, []byte(data)); err != nil || fmt.Sprint(got) != want {
			t.Errorf("%x: %v, %v", data, got, err)
		}
	}
	for _, data := range []string{"", "\x01", "\x04\x00", "\xff", "\x7e", "\x02\x04", "\x04\x00\x04"} {
		if got, err := messages.Decode(value, []byte(data)); err == nil {
			t.Errorf("%x: %v", data, got)
		}
	}
	file, err := proto.Marshal(protodesc.ToFileDescriptorProto(timestamppb.File_google_protobuf_timestamp_proto))
	if err != nil {
		t.Fatal(err)
	}
	serialized, err := protobuf.Registered(registry.Schema{Type: registry.Protobuf, Text: base64.StdEncoding.EncodeToString(file)}, protobuf.MapOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := serialized.Decode(value, []byte("\x02\x02")); err == nil {
		t.Error("a serialized schema has a message that it lacks")
	}
	if wire, err := messages.Append([]byte("in front"), value, map[string]any{"id": "7"}); err != nil || string(wire) != "in front\x00\x08\x07" {
		t.Errorf("%q, %v", wire, err)
	}
}

// A message of another type of the same file would be read as an empty one.
func TestMessagesOfAnotherTypeAreRefused(t *testing.T) {
	const (
		file = `syntax = "proto3"; package shop;
			message First { map<string, int32> counts = 1; message Inner { int32 n = 1; } message Other { int32 n = 1; } }
			message Second { int32 n = 2; }`
		// The writer's file has the messages in another order, and imports a file that nobody has.
		theirs = `syntax = "proto3"; package shop; import "confluent/meta.proto";
			message Second { int32 n = 2; }
			message First { message Other { int32 n = 1; } message Inner { int32 n = 1; } map<string, int32> counts = 1; }`
	)
	s, client := startRegistry(t)
	s.SeedSchema("t-value", 1, 10, sr.Schema{Type: sr.TypeProtobuf, Schema: file})
	s.SeedSchema("t-value", 2, 11, sr.Schema{Type: sr.TypeProtobuf, Schema: theirs})
	s.SeedSchema("t-value", 3, 12, sr.Schema{Type: sr.TypeProtobuf, Schema: `syntax = "proto3"; message First {}`})
	// Confluent's Python client registers a serialized descriptor.
	descriptor, err := proto.Marshal(protodesc.ToFileDescriptorProto(compile(t, "shop.First", map[string]string{"main.proto": file}).ParentFile()))
	if err != nil {
		t.Fatal(err)
	}
	s.SeedSchema("t-value", 4, 13, sr.Schema{Type: sr.TypeProtobuf, Schema: base64.StdEncoding.EncodeToString(descriptor)})
	for _, c := range []struct {
		message, frame, problem string
	}{
		{"shop.First", "0000000a00", ""},
		{"shop.First", "0000000a0200", ""}, // the long form
		{"shop.First", "0000000a0202", "[1] name shop.Second of the schema that it was written with, want shop.First"},
		{"shop.First", "0000000b00", "[0] name shop.Second of the schema that it was written with, want shop.First"},
		{"shop.First", "0000000b0202", ""},
		{"shop.First", "0000000a0204", "[2] name no message of the schema"},
		{"shop.First", "0000000c00", "[0] name First of the schema"}, // of another package
		{"shop.Second", "0000000a0202", ""},
		{"shop.Second", "0000000b00", ""},
		{"shop.Second", "0000000a00", "[0] name shop.First"},
		{"shop.First.Inner", "0000000a040002", ""}, // counted with the message for the entries of counts
		{"shop.First.Inner", "0000000a040000", ""}, // and without, as Java's clients do
		{"shop.First.Inner", "0000000b040202", ""},
		{"shop.First.Inner", "0000000b040200", "[1 0] name shop.First.Other"},
		{"shop.First.Inner", "0000000a0202", "[1] name shop.Second"},
		{"shop.First", "0000000d00", ""},
		{"shop.First", "0000000d0202", "[1] name shop.Second"},
		{"shop.Second", "0000000d0202", ""},
		{"shop.First.Inner", "0000000d040002", ""},
	} {
		m := compile(t, c.message, map[string]string{"main.proto": file})
		for name, decode := range map[string]func([]byte) error{
			"message": func(data []byte) error {
				_, err := registry.Of(client, protobuf.Dynamic(m, protobuf.Options{}), registry.Options{}).Decode(value, data)
				return err
			},
			"map": func(data []byte) error {
				_, err := registry.Of(client, protobuf.Map(m, protobuf.MapOptions{}), registry.Options{}).Decode(value, data)
				return err
			},
		} {
			frame, err := hex.DecodeString("00" + c.frame)
			if err != nil {
				t.Fatal(err)
			}
			err = decode(append(frame, 0x10, 7))
			if c.problem == "" && err != nil || c.problem != "" && (err == nil || !strings.Contains(err.Error(), c.problem)) {
				t.Errorf("%s of %s as a %s: got %v, want %q", c.message, c.frame, name, err, c.problem)
			}
		}
	}
}

func TestImportsAreRegisteredAsReferences(t *testing.T) {
	files := map[string]string{
		"main.proto": `syntax = "proto3"; package shop; import "dir/item.proto"; message Order { Item item = 1; }`,
		"dir/item.proto": `syntax = "proto3"; package shop; import "google/protobuf/timestamp.proto";
			message Item { google.protobuf.Timestamp at = 1; }`,
	}
	m := compile(t, "shop.Order", files)
	s, client := startRegistry(t)
	cd := registry.Of(client, protobuf.Dynamic(m, protobuf.Options{}), registry.Options{})
	encode(t, cd, dynamicpb.NewMessage(m))
	got, _ := s.GetSchema("t-value", 1)
	same(t, "references", []sr.SchemaReference{{Name: "dir/item.proto", Subject: "dir/item.proto", Version: 1}}, got.References)
	item, _ := s.GetSchema("dir/item.proto", 1)
	same(t, "references of the reference", true, item.References == nil)

	s, client = startRegistry(t)
	cd = registry.Of(client, protobuf.Dynamic(m, protobuf.Options{RegisterKnownTypes: true}), registry.Options{})
	encode(t, cd, dynamicpb.NewMessage(m))
	if _, ok := s.GetSchema("google/protobuf/timestamp.proto", 1); !ok {
		t.Error("the known type was not registered")
	}
	// What was registered is found again, imports and all, and its order of messages counts.
	s.SeedSchema("latest-value", 1, 40, sr.Schema{
		Type: sr.TypeProtobuf, References: []sr.SchemaReference{{Name: "dir/item.proto", Subject: "dir/item.proto", Version: 1}},
		Schema: `syntax = "proto3"; package shop; import "dir/item.proto"; message New {} message Order { Item item = 1; }`,
	})
	latest := registry.Of(client, protobuf.Dynamic(m, protobuf.Options{}), registry.Options{Find: registry.UseLatest})
	out, err := latest.Append(nil, &codec.Context{Topic: "latest", Part: codec.Value}, dynamicpb.NewMessage(m))
	if err != nil || string(out) != "\x00\x00\x00\x00\x28\x02\x02" {
		t.Errorf("got %x, %v", out, err)
	}
	s.SeedSchema("gone-value", 1, 41, sr.Schema{Type: sr.TypeProtobuf, Schema: `syntax = "proto3"; message Other {}`})
	if _, err := latest.Append(nil, &codec.Context{Topic: "gone", Part: codec.Value}, dynamicpb.NewMessage(m)); err == nil ||
		!strings.Contains(err.Error(), "message shop.Order") {
		t.Errorf("got %v", err)
	}
}

func FuzzIndexes(f *testing.F) {
	s, client := startRegistry(f)
	s.SeedSchema("t-value", 1, 1, sr.Schema{Type: sr.TypeProtobuf, Schema: protobuf.Message[*rootpb.Root](protobuf.Options{}).Schema().Text})
	cd := registry.Of(client, protobuf.Message[*rootpb.Root](protobuf.Options{}), registry.Options{})
	f.Add([]byte{0, 0x10, 3})
	f.Add([]byte{2, 2})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := cd.Decode(value, append([]byte{0, 0, 0, 0, 1}, data...)); err != nil {
			_ = err.Error()
		}
	})
}
