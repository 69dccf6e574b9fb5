package protobuf_test

import (
	"encoding/hex"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/codec/protobuf"
	"github.com/weirstreams/weir/codec/protobuf/internal/rootpb"
)

var vectors = map[string]*rootpb.Root{
	"":                   {},
	"1003":               {Id: 3},
	"0a03666f6f1002":     {Name: "foo", Id: 2},
	"0a03666f6f10021801": {Name: "foo", Id: 2, Enum: rootpb.Letter_B},
	"0a03666f6f220a080a120608f08bbdc303": {
		Name: "foo", Nested: &rootpb.Nested{Id: 10, Time: timestamppb.New(time.Date(2000, 1, 2, 12, 34, 56, 0, time.UTC))},
	},
}

func TestMessagesAreWrittenAsOtherClientsWriteThem(t *testing.T) {
	f := protobuf.Message[*rootpb.Root](protobuf.Options{})
	d := protobuf.Dynamic(rootType, protobuf.Options{})
	for wire, m := range vectors {
		same(t, "bytes", wire, encode(t, f, m))
		same(t, "message", m, decode(t, f, wire))
		dynamic := decode(t, d, wire)
		same(t, "bytes of the dynamic message", wire, encode(t, d, dynamic))
		same(t, "name of the dynamic message", m.Name, dynamic.Get(rootType.Fields().ByName("name")).String())
	}
}

func TestNilMessagesAreNull(t *testing.T) {
	f := protobuf.Message[*rootpb.Root](protobuf.Options{})
	if !f.IsNull(nil) || f.IsNull(&rootpb.Root{}) {
		t.Error("a nil message, and only that, is null")
	}
	d := protobuf.Dynamic(rootType, protobuf.Options{})
	if !d.IsNull(nil) || d.IsNull(dynamicpb.NewMessage(rootType)) {
		t.Error("a nil dynamic message, and only that, is null")
	}
	if _, err := f.Append(nil, value, nil); err == nil || !strings.Contains(err.Error(), `encode value of topic "t" as *rootpb.Root: a nil message`) {
		t.Errorf("got %v", err)
	}
}

func TestUnknownFieldsAreKeptUnlessTheyAreToGo(t *testing.T) {
	const wire = "1003" + "980605" // field 99
	same(t, "kept", wire, encode(t, protobuf.Message[*rootpb.Root](protobuf.Options{}), decode(t, protobuf.Message[*rootpb.Root](protobuf.Options{}), wire)))
	f := protobuf.Message[*rootpb.Root](protobuf.Options{DiscardUnknown: true})
	same(t, "dropped", "1003", encode(t, f, decode(t, f, wire)))
}

func TestKeysAreWrittenTheSameWayEachTime(t *testing.T) {
	f := protobuf.Message[*rootpb.Reading](protobuf.Options{})
	m := &rootpb.Reading{Units: map[string]*rootpb.Reading_Unit{"a": {}, "b": {}, "c": {}, "d": {}, "e": {}}}
	key := &codec.Context{Topic: "t", Part: codec.Key}
	first, err := f.Append(nil, key, m)
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if again, _ := f.Append(nil, key, m); string(again) != string(first) {
			t.Fatalf("first %x, then %x", first, again)
		}
	}
}

func TestErrorsSayWhatIsWrong(t *testing.T) {
	f := protobuf.Message[*rootpb.Root](protobuf.Options{})
	if m, err := f.Decode(value, []byte{0x0a, 0x05}); m != nil || err == nil || !strings.HasPrefix(err.Error(), `decode value of topic "t" as *rootpb.Root: proto:`) {
		t.Errorf("got %v, %v", m, err)
	}
	if _, err := f.Append(nil, value, &rootpb.Root{Name: "\xff"}); err == nil || !strings.Contains(err.Error(), "invalid UTF-8") {
		t.Errorf("got %v", err)
	}
	other := dynamicpb.NewMessage((&rootpb.Nested{}).ProtoReflect().Descriptor())
	_, err := protobuf.Dynamic(rootType, protobuf.Options{}).Append(nil, value, other)
	if err == nil || !strings.HasSuffix(err.Error(), "want a weir.test.Root, got a weir.test.Nested") {
		t.Errorf("got %v", err)
	}
}

func TestMessagesThatAreNestedTooDeepAreRefused(t *testing.T) {
	const list = `syntax = "proto3"; message List { List next = 1; }`
	d := protobuf.Dynamic(compile(t, "List", map[string]string{"main.proto": list}), protobuf.Options{})
	data := []byte{}
	for range 1100 {
		data = append(append([]byte{0x0a}, varint(len(data))...), data...)
	}
	if _, err := d.Decode(value, data); err == nil || !strings.Contains(err.Error(), "recursion") {
		t.Errorf("got %v", err)
	}
}

func varint(n int) []byte {
	var b []byte
	for ; n > 127; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

func TestTypesComeFromFilesAndDescriptorSets(t *testing.T) {
	set := &descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{
		protodesc.ToFileDescriptorProto(timestamppb.File_google_protobuf_timestamp_proto),
		protodesc.ToFileDescriptorProto(rootpb.File_root_proto),
	}}
	types, err := protobuf.FromDescriptorSet(set)
	if err != nil {
		t.Fatal(err)
	}
	fromSet, err := types.Message("weir.test.Root")
	if err != nil {
		t.Fatal(err)
	}
	fromFile := compile(t, "shop.Order.Item", map[string]string{
		"main.proto":      `syntax = "proto3"; package shop; import "dir/other.proto"; message Order { message Item { Kind kind = 1; } }`,
		"dir/other.proto": `syntax = "proto3"; package shop; import "google/protobuf/timestamp.proto"; message Kind { google.protobuf.Timestamp at = 1; }`,
	})
	for _, m := range []protoreflect.MessageDescriptor{fromSet, fromFile} {
		d := protobuf.Dynamic(m, protobuf.Options{})
		empty := encode(t, d, dynamicpb.NewMessage(m))
		same(t, "empty "+string(m.FullName()), "", empty)
	}
	same(t, "bytes", "1003", encode(t, protobuf.Dynamic(fromSet, protobuf.Options{}), decode(t, protobuf.Dynamic(fromSet, protobuf.Options{}), "1003")))

	if _, err := types.Message("weir.test.None"); err == nil || !strings.Contains(err.Error(), "message weir.test.None") {
		t.Errorf("got %v", err)
	}
	_, err = protobuf.Compile(fstest.MapFS{"a.proto": {Data: []byte("syntax = \"proto3\";\nmessage A { None x = 1; }")}}, "a.proto")
	if err == nil || !strings.Contains(err.Error(), "a.proto:2:") {
		t.Errorf("got %v", err)
	}
	if _, err := protobuf.FromDescriptorSet(&descriptorpb.FileDescriptorSet{File: set.File[1:]}); err == nil {
		t.Error("a set without an imported file was accepted")
	}
}

func fuzz[T any](f *testing.F, cd codec.Codec[T], seeds ...string) {
	for wire := range vectors {
		seeds = append(seeds, wire)
	}
	for _, seed := range append(seeds, "0a05", "ffffffffffffffffff01", "22ffffffff07") {
		data, err := hex.DecodeString(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := cd.Decode(value, data)
		if err != nil {
			_ = err.Error()
			return
		}
		first, err := cd.Append(nil, value, v)
		if err != nil {
			t.Fatalf("decoded %x but cannot encode it: %v", data, err)
		}
		if _, err := cd.Decode(value, first); err != nil {
			t.Fatalf("decoded %x, encoded %x, which does not decode: %v", data, first, err)
		}
	})
}

func FuzzMessage(f *testing.F) {
	all, err := proto.Marshal(&rootpb.Reading{Sensor: "s", Samples: []int64{1, 2}, Units: map[string]*rootpb.Reading_Unit{"k": {Name: "n"}}})
	if err != nil {
		f.Fatal(err)
	}
	fuzz(f, protobuf.Message[*rootpb.Reading](protobuf.Options{}), hex.EncodeToString(all))
}

func FuzzDynamic(f *testing.F) { fuzz(f, protobuf.Dynamic(rootType, protobuf.Options{})) }
