package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/weirstreams/weir/cmd/weir/internal/cli"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/codec/avro"
	"github.com/weirstreams/weir/codec/jsonschema"
	"github.com/weirstreams/weir/codec/protobuf"
	"github.com/weirstreams/weir/codec/registry"
	"github.com/weirstreams/weir/secret"
)

// openRegistry returns the codec of the schemas of a registry. It reads by the schema of each record, and writes by the latest one of the
// topic.
func openRegistry(address string) (cli.Codec, error) {
	client, err := registry.NewClient(registry.Config{URLs: secret.URLs(strings.Split(address, ",")...)})
	if err != nil {
		return nil, err
	}
	return schemaCodec{registry.Of(client, anySchema{}, registry.Options{Find: registry.UseLatest})}, nil
}

// openAvro returns the codec of values of one Avro schema, without a registry.
func openAvro(schema string) (cli.Codec, error) {
	c, err := codecFor(registry.Schema{Type: registry.Avro, Text: schema})
	if err != nil {
		return nil, err
	}
	return schemaCodec{c}, nil
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
		messages, err := protobuf.Registered(s, protobuf.MapOptions{OriginalNames: true})
		if err != nil {
			return nil, err
		}
		return ofMaps{messages}, nil
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
