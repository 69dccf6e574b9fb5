package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/weirstreams/weir/cmd/weir/internal/cli"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/codec/avro"
	"github.com/weirstreams/weir/codec/jsonschema"
	"github.com/weirstreams/weir/codec/protobuf"
	"github.com/weirstreams/weir/codec/registry"
	"github.com/weirstreams/weir/secret"
)

// openSchemas returns the codec of the schemas of a registry. It reads by the schema of each record, and writes by the latest one of the
// topic.
func openSchemas(address string) (cli.Codec, error) {
	client, err := registry.NewClient(registry.Config{URLs: secret.URLs(strings.Split(address, ",")...)})
	if err != nil {
		return nil, err
	}
	return schemaCodec{registry.Of(client, anySchema{}, registry.Options{Find: registry.UseLatest})}, nil
}

// schemaCodec has values of JSON for those of schemas.
type schemaCodec struct{ framed codec.Codec[any] }

// Quotes implements [cli.Codec].
func (schemaCodec) Quotes() bool { return false }

// Encode implements [cli.Codec].
func (s schemaCodec) Encode(c *codec.Context, value json.RawMessage) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(value))
	decoder.UseNumber() // numbers of 64 bits
	var v any
	if err := decoder.Decode(&v); err != nil {
		return nil, err
	}
	return s.framed.Append(nil, c, v)
}

// Decode implements [cli.Codec].
func (s schemaCodec) Decode(c *codec.Context, data []byte) (any, error) {
	return s.framed.Decode(c, data)
}

// anySchema is the format of values that only the registry describes.
type anySchema struct{}

// Schema implements [registry.Format]. It has none of its own.
func (anySchema) Schema() registry.Schema { return registry.Schema{} }

// Writer implements [registry.Format].
func (anySchema) Writer(registered registry.Schema) (codec.Codec[any], error) {
	return codecFor(registered)
}

// Reader implements [registry.Format].
func (anySchema) Reader(writer func() (registry.Schema, error)) (codec.Codec[any], error) {
	s, err := writer()
	if err != nil {
		return nil, err
	}
	return codecFor(s)
}

// codecFor returns the codec of payloads of a schema.
func codecFor(s registry.Schema) (codec.Codec[any], error) {
	switch s.Type {
	case registry.Avro:
		format, err := avro.Generic(s.Text, s.References...)
		if err != nil {
			return nil, err
		}
		return ofMaps{format}, nil
	case registry.JSON:
		return jsonschema.New[any](s.Text, s.References...)
	case registry.Protobuf:
		file, err := protobufFile(s)
		if err != nil {
			return nil, err
		}
		return &ofMessages{file: file, maps: map[string]codec.Codec[map[string]any]{}}, nil
	}
	return nil, fmt.Errorf("schemas of type %q are not known", s.Type)
}

// ofMaps is a codec of maps for values of any type.
type ofMaps struct{ codec.Codec[map[string]any] }

// Append implements [codec.Codec].
func (m ofMaps) Append(dst []byte, c *codec.Context, v any) ([]byte, error) {
	fields, ok := v.(map[string]any)
	if !ok {
		return dst, fmt.Errorf("a value of the schema is an object of JSON, not %v", v)
	}
	return m.Codec.Append(dst, c, fields)
}

// Decode implements [codec.Codec].
func (m ofMaps) Decode(c *codec.Context, data []byte) (any, error) { return m.Codec.Decode(c, data) }

const registeredFile = "registered.proto"

// protobufFile compiles a schema with the files that it imports. Confluent's client for Python registers a serialized descriptor in base64.
func protobufFile(s registry.Schema) (protoreflect.FileDescriptor, error) {
	if data, err := base64.StdEncoding.DecodeString(s.Text); err == nil {
		descriptor := &descriptorpb.FileDescriptorProto{}
		if err := proto.Unmarshal(data, descriptor); err != nil {
			return nil, fmt.Errorf("serialized schema: %w", err)
		}
		return protodesc.NewFile(descriptor, protoregistry.GlobalFiles)
	}
	texts := map[string]string{registeredFile: s.Text}
	addImports(texts, s.References)
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{
		Accessor: func(path string) (io.ReadCloser, error) {
			text, ok := texts[path]
			if !ok {
				return nil, fmt.Errorf("%s: %w", path, fs.ErrNotExist)
			}
			return io.NopCloser(strings.NewReader(text)), nil
		},
	})}
	files, err := compiler.Compile(context.Background(), registeredFile)
	if err != nil {
		return nil, fmt.Errorf("compile the schema: %w", err)
	}
	return files[0], nil
}

func addImports(texts map[string]string, references []registry.Reference) {
	for _, r := range references {
		if _, known := texts[r.Name]; !known && r.Schema != nil {
			texts[r.Name] = r.Schema.Text
			addImports(texts, r.Schema.References)
		}
	}
}

// ofMessages reads the messages of a file, and writes the first one. In front of a message is its path: the number of its indexes, and the
// index of a message among those of the file, or of the message around it, as zigzag varints; a single zero is the first message.
type ofMessages struct {
	file protoreflect.FileDescriptor
	maps map[string]codec.Codec[map[string]any] // by the name of the message
}

func (m *ofMessages) of(message protoreflect.MessageDescriptor) codec.Codec[map[string]any] {
	name := string(message.FullName())
	if m.maps[name] == nil {
		m.maps[name] = protobuf.Map(message, protobuf.MapOptions{OriginalNames: true})
	}
	return m.maps[name]
}

// Append implements [codec.Codec].
func (m *ofMessages) Append(dst []byte, c *codec.Context, v any) ([]byte, error) {
	if m.file.Messages().Len() == 0 {
		return dst, errors.New("the schema has no message")
	}
	return ofMaps{m.of(m.file.Messages().Get(0))}.Append(append(dst, 0), c, v)
}

// Decode implements [codec.Codec].
func (m *ofMessages) Decode(c *codec.Context, data []byte) (any, error) {
	path, rest, err := messagePath(data)
	if err != nil {
		return nil, err
	}
	messages := m.file.Messages()
	var message protoreflect.MessageDescriptor
	for _, index := range path {
		// The messages that stand for the entries of maps do not count.
		var declared []protoreflect.MessageDescriptor
		for i := range messages.Len() {
			if !messages.Get(i).IsMapEntry() {
				declared = append(declared, messages.Get(i))
			}
		}
		if index < 0 || index >= int64(len(declared)) {
			return nil, fmt.Errorf("the schema has no message %v", path)
		}
		message = declared[index]
		messages = message.Messages()
	}
	return m.of(message).Decode(c, rest)
}

var errPath = errors.New("the path of the message is cut")

func messagePath(data []byte) (path []int64, rest []byte, err error) {
	n, size := binary.Varint(data)
	if size <= 0 || n < 0 || n > int64(len(data)) {
		return nil, nil, errPath
	}
	rest = data[size:]
	for range n {
		index, size := binary.Varint(rest)
		if size <= 0 {
			return nil, nil, errPath
		}
		path, rest = append(path, index), rest[size:]
	}
	if n == 0 {
		path = []int64{0}
	}
	return path, rest, nil
}
