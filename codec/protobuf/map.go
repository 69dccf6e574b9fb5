package protobuf

import (
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/codec/registry"
)

// MapOptions of a format of maps.
type MapOptions struct {
	Options
	// OriginalNames reads fields under their names in the .proto file; by default they are lowerCamelCase. When writing,
	// both are taken.
	OriginalNames bool
	// EnumNumbers reads enums as numbers; by default they are names. When writing, both are taken.
	EnumNumbers bool
	// IgnoreUnknown leaves out fields that the message does not have when writing; by default they are an error.
	IgnoreUnknown bool
	// Resolver finds the types in google.protobuf.Any, and extensions. The default knows those of generated code.
	Resolver TypeResolver
}

// TypeResolver finds types by their names. [protoregistry.Types] is one, and [Types.Resolver] returns one.
type TypeResolver interface {
	protoregistry.MessageTypeResolver
	protoregistry.ExtensionTypeResolver
}

// MapFormat is a codec of maps in the JSON form of Protobuf, and a [registry.Format]. A nil map is null.
//
// Numbers of 64 bits and bytes are text, a Timestamp is text by RFC 3339, other numbers are a [encoding/json.Number].
// A value that was read has all scalar fields, lists and maps, with their defaults if need be. Unset messages and unset
// fields with presence are left out.
type MapFormat struct {
	message *Format[*dynamicpb.Message]
	json    codec.Codec[map[string]any]
	options MapOptions
}

// Map returns the format of maps for messages of a descriptor.
func Map(descriptor protoreflect.MessageDescriptor, options MapOptions) *MapFormat {
	return &MapFormat{Dynamic(descriptor, options.Options), codec.JSON[map[string]any](), options}
}

// IsNull implements [codec.Nuller].
func (f *MapFormat) IsNull(v map[string]any) bool { return v == nil }

// Append implements [codec.Codec].
func (f *MapFormat) Append(dst []byte, c *codec.Context, v map[string]any) ([]byte, error) {
	text, err := f.json.Append(nil, c, v)
	if err != nil {
		return dst, err
	}
	options := protojson.UnmarshalOptions{DiscardUnknown: f.options.IgnoreUnknown, RecursionLimit: maxDepth}
	if f.options.Resolver != nil {
		options.Resolver = f.options.Resolver
	}
	m := f.message.create()
	if err := options.Unmarshal(text, m); err != nil {
		return dst, codec.Failed[map[string]any](codec.Encode, c, err)
	}
	return f.message.Append(dst, c, m)
}

// Decode implements [codec.Codec].
func (f *MapFormat) Decode(c *codec.Context, data []byte) (map[string]any, error) {
	m, err := f.message.Decode(c, data)
	if err != nil {
		return nil, err
	}
	options := protojson.MarshalOptions{
		EmitDefaultValues: true, UseProtoNames: f.options.OriginalNames, UseEnumNumbers: f.options.EnumNumbers,
	}
	if f.options.Resolver != nil {
		options.Resolver = f.options.Resolver
	}
	text, err := options.Marshal(m)
	if err != nil {
		return nil, codec.Failed[map[string]any](codec.Decode, c, err)
	}
	return f.json.Decode(c, text)
}

// Schema implements [registry.Format].
func (f *MapFormat) Schema() registry.Schema { return f.message.Schema() }

// Writer implements [registry.Format].
func (f *MapFormat) Writer(registered registry.Schema) (codec.Codec[map[string]any], error) {
	return newWriter[map[string]any](f, f.message.descriptor, f.options.Options, registered)
}

// Reader implements [registry.Format], as that of [Format] does.
func (f *MapFormat) Reader(writer func() (registry.Schema, error)) (codec.Codec[map[string]any], error) {
	return newReader[map[string]any](f, f.message.descriptor, f.options.Options, writer)
}
