package protobuf

import (
	"fmt"
	"reflect"
	"unsafe"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/codec/registry"
)

// Options of a format. The zero value has the defaults of Confluent's clients.
type Options struct {
	// Deterministic writes the entries of maps in the order of their keys, so that the same version of the library
	// writes the same bytes for the same message. Keys of records are always written so.
	Deterministic bool
	// DiscardUnknown drops fields that the message type does not have. By default they are kept and written again.
	DiscardUnknown bool
	// DeprecatedIndexes reads and writes the path of the message as clients of before 2021 did: numbers without zig-zag
	// encoding. The two cannot be told apart; the first message of a file has the same path in both.
	DeprecatedIndexes bool
	// RegisterKnownTypes registers google/protobuf/timestamp.proto and its like as references if a schema imports them.
	// By default they are left out, since registries know them.
	RegisterKnownTypes bool
}

// Format is a codec of messages, and a [registry.Format]. A nil message is null.
type Format[M proto.Message] struct {
	descriptor protoreflect.MessageDescriptor
	create     func() M
	// pointer says that M is a pointer, as that of every generated message is.
	pointer bool
	// dynamic says that M alone does not tell the type of a message.
	dynamic bool
	options Options
}

// Message returns the format of a generated message type: M is a pointer to the generated struct.
func Message[M proto.Message](options Options) *Format[M] {
	var none M
	kind := none.ProtoReflect().Type()
	f := &Format[M]{
		descriptor: kind.Descriptor(), options: options,
		create: func() M { return kind.New().Interface().(M) },
	}
	if t := reflect.TypeFor[M](); t.Kind() == reflect.Pointer {
		f.pointer = true
		// The same without the reflective part of the message, which takes a fifth of the time of decoding a small one.
		message := t.Elem()
		f.create = func() M {
			p := reflect.New(message).UnsafePointer()
			return *(*M)(unsafe.Pointer(&p))
		}
	}
	return f
}

// Dynamic returns the format of messages of a descriptor. It is always deterministic: the library would else write the
// fields in random order.
func Dynamic(descriptor protoreflect.MessageDescriptor, options Options) *Format[*dynamicpb.Message] {
	options.Deterministic = true
	return &Format[*dynamicpb.Message]{
		descriptor: descriptor, options: options, dynamic: true, pointer: true,
		create: func() *dynamicpb.Message { return dynamicpb.NewMessage(descriptor) },
	}
}

// IsNull implements [codec.Nuller].
func (f *Format[M]) IsNull(m M) bool {
	if f.pointer {
		return *(*unsafe.Pointer)(unsafe.Pointer(&m)) == nil
	}
	var none M
	return any(m) == any(none)
}

// Append implements [codec.Codec].
func (f *Format[M]) Append(dst []byte, c *codec.Context, m M) ([]byte, error) {
	if f.IsNull(m) {
		return dst, codec.Failed[M](codec.Encode, c, errNilMessage)
	}
	if f.dynamic {
		if name := m.ProtoReflect().Descriptor().FullName(); name != f.descriptor.FullName() {
			return dst, codec.Failed[M](codec.Encode, c, fmt.Errorf("want a %s, got a %s", f.descriptor.FullName(), name))
		}
	}
	deterministic := f.options.Deterministic || c != nil && c.Part == codec.Key
	out, err := proto.MarshalOptions{Deterministic: deterministic}.MarshalAppend(dst, m)
	if err != nil {
		return dst, codec.Failed[M](codec.Encode, c, err)
	}
	return out, nil
}

// Decode implements [codec.Codec].
func (f *Format[M]) Decode(c *codec.Context, data []byte) (M, error) {
	m := f.create()
	if err := (proto.UnmarshalOptions{DiscardUnknown: f.options.DiscardUnknown, RecursionLimit: maxDepth}).Unmarshal(data, m); err != nil {
		var none M
		return none, codec.Failed[M](codec.Decode, c, err)
	}
	return m, nil
}

// maxDepth is how deep messages may be nested.
const maxDepth = 1000

// Schema implements [registry.Format]. The text is the whole file that the message is in.
func (f *Format[M]) Schema() registry.Schema { return schemaOf(f.descriptor, f.options) }

// Writer implements [registry.Format].
func (f *Format[M]) Writer(registered registry.Schema) (codec.Codec[M], error) {
	return newWriter[M](f, f.descriptor, f.options, registered)
}

// Reader implements [registry.Format]. The writer's schema says which message the indexes before a message name: Decode fails
// unless it is the one of the format, by its full name.
func (f *Format[M]) Reader(writer func() (registry.Schema, error)) (codec.Codec[M], error) {
	return newReader[M](f, f.descriptor, f.options, writer)
}
