package cli

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
)

// Codec turns bytes of a topic into values of JSON, and back. Null does not reach it.
type Codec interface {
	// Encode takes a value as JSON.
	Encode(c *codec.Context, value json.RawMessage) ([]byte, error)
	// Decode returns a value that encoding/json writes.
	Decode(c *codec.Context, data []byte) (any, error)
	// Quotes tells whether a line of text, as people type it, is a string of JSON without its quotes.
	Quotes() bool
}

// Schemas make the codecs of schemas.
type Schemas struct {
	// Registry returns the codec of a schema registry at an address.
	Registry func(address string) (Codec, error)
	// Avro returns the codec of an Avro schema.
	Avro func(schema string) (Codec, error)
}

// codecs are the built-in codecs by name.
var codecs = map[string]Codec{
	"string":  typed[string]{codec.UTF8(), true},
	"bool":    typed[bool]{codec.Bool(), false},
	"int32":   typed[int32]{codec.Int32(), false},
	"int64":   typed[int64]{codec.Int64(), false},
	"float32": typed[float32]{codec.Float32(), false},
	"float64": typed[float64]{codec.Float64(), false},
	"json":    jsonText{},
	"hex":     binary{"hexadecimal digits", hex.EncodeToString, hex.DecodeString},
	"base64":  binary{"base64", base64.StdEncoding.EncodeToString, base64.StdEncoding.DecodeString},
}

const (
	registryCodec = "registry"
	// avroCodec is followed by the name of a file with the schema.
	avroCodec = "avro:"
)

// builtin are the names of codecs, in the order of the help.
var builtin = []string{"string", "json", "int32", "int64", "float32", "float64", "bool", "hex", "base64"}

// codecNames lists the names for help and completion.
func (s *Session) codecNames() []string {
	if s.Schemas != nil {
		return append(slices.Clip(builtin), registryCodec, avroCodec+"FILE")
	}
	return builtin
}

// override returns the built-in codec of a flag that may be empty, or another one then.
func override(flag, name string, otherwise Codec) (Codec, error) {
	c, ok := codecs[name]
	switch {
	case name == "":
		return otherwise, nil
	case !ok:
		return nil, Usagef("--%s %q: the codecs are %s", flag, name, strings.Join(builtin, ", "))
	}
	return c, nil
}

// codecFlags choose the codecs of a topic.
type codecFlags struct{ key, value, registry string }

func (s *Session) codecFlags(command *cobra.Command) *codecFlags {
	f := &codecFlags{}
	names := strings.Join(s.codecNames(), ", ")
	command.Flags().StringVarP(&f.key, "key", "k", "string", "codec of keys: "+names)
	command.Flags().StringVarP(&f.value, "value", "c", "string", "codec of values: the same")
	if s.Schemas != nil {
		command.Flags().StringVarP(&f.registry, "registry", "r", "", "address of the schema registry, for the codec registry; default SCHEMA_REGISTRY_URL")
	}
	for _, flag := range []string{"key", "value"} {
		_ = command.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(s.codecNames(), cobra.ShellCompDirectiveNoFileComp))
	}
	return f
}

// openCodecs returns the codecs of keys and values.
func (s *Session) openCodecs(f *codecFlags) (key, value Codec, err error) {
	address := f.registry
	if address == "" {
		address = os.Getenv("SCHEMA_REGISTRY_URL")
	}
	var schemas Codec
	open := func(flag, name string) (Codec, error) {
		if c, ok := codecs[name]; ok {
			return c, nil
		}
		file, isAvro := strings.CutPrefix(name, avroCodec)
		switch {
		case s.Schemas != nil && isAvro:
			schema, err := os.ReadFile(file)
			if err != nil {
				return nil, Usagef("--%s %s: the schema: %v", flag, name, err)
			}
			c, err := s.Schemas.Avro(string(schema))
			if err != nil {
				return nil, Usagef("--%s %s: %v", flag, name, err)
			}
			return c, nil
		case !slices.Contains(s.codecNames(), name):
			return nil, Usagef("--%s %q: the codecs are %s", flag, name, strings.Join(s.codecNames(), ", "))
		case address == "":
			return nil, Usagef("--%s registry: give the address of the registry by --registry or SCHEMA_REGISTRY_URL", flag)
		case schemas == nil:
			if schemas, err = s.Schemas.Registry(address); err != nil {
				return nil, err
			}
		}
		return schemas, nil
	}
	if key, err = open("key", f.key); err == nil {
		value, err = open("value", f.value)
	}
	return key, value, err
}

// typed is a codec of package codec.
type typed[T any] struct {
	codec.Codec[T]
	quotes bool
}

func (t typed[T]) Quotes() bool { return t.quotes }

func (t typed[T]) Encode(c *codec.Context, value json.RawMessage) ([]byte, error) {
	var v T
	if err := json.Unmarshal(value, &v); err != nil {
		return nil, fmt.Errorf("%s is no %T", value, v)
	}
	return t.Append(nil, c, v)
}

func (t typed[T]) Decode(c *codec.Context, data []byte) (any, error) { return t.Codec.Decode(c, data) }

// jsonText passes JSON on as it is.
type jsonText struct{}

func (jsonText) Quotes() bool { return false }

func (jsonText) Encode(_ *codec.Context, value json.RawMessage) ([]byte, error) { return value, nil }

func (jsonText) Decode(_ *codec.Context, data []byte) (any, error) {
	if !json.Valid(data) {
		return nil, fmt.Errorf("%q is no JSON", data)
	}
	return json.RawMessage(data), nil
}

// binary shows any bytes as text.
type binary struct {
	name   string
	encode func([]byte) string
	decode func(string) ([]byte, error)
}

func (binary) Quotes() bool { return true }

func (b binary) Encode(_ *codec.Context, value json.RawMessage) ([]byte, error) {
	var text string
	if err := json.Unmarshal(value, &text); err != nil {
		return nil, fmt.Errorf("%s is no string of %s", value, b.name)
	}
	data, err := b.decode(text)
	if err != nil {
		return nil, fmt.Errorf("%q is no string of %s: %w", text, b.name, err)
	}
	return data, nil
}

func (b binary) Decode(_ *codec.Context, data []byte) (any, error) { return b.encode(data), nil }

// decode returns the value of data that may be null.
func decode(c Codec, topic string, part codec.Part, headers []weir.Header, data []byte) (any, error) {
	if data == nil {
		return nil, nil
	}
	return c.Decode(&codec.Context{Topic: topic, Part: part, Headers: headers}, data)
}

// encode returns the bytes of a value, null for nil and for the null of JSON.
func encode(c Codec, context *codec.Context, value json.RawMessage) ([]byte, error) {
	if value == nil || string(value) == "null" {
		return nil, nil
	}
	data, err := c.Encode(context, value)
	if data == nil && err == nil {
		data = []byte{}
	}
	return data, err
}
