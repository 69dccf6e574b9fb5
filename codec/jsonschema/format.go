package jsonschema

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/codec/registry"
)

// Format is a codec of T that writes the JSON of [codec.JSON] and refuses, in both directions, JSON that is not valid by a schema.
// It is also a [registry.Format]: registry.Of(client, format, options) puts the id of the schema before the JSON, and
// reads messages of any id that are valid by this schema.
//
// As with codec.JSON, a nil pointer, map, slice or interface is null.
type Format[T any] struct {
	json   codec.Codec[T]
	nuller codec.Nuller[T] // nil if T has no null
	any    codec.Codec[any]
	schema *jsonschema.Schema
	text   registry.Schema
}

// New compiles a schema: draft 2020-12 unless its "$schema" says otherwise. references are the schemas that it refers to,
// by the URI in its "$ref"; nothing is loaded from files or the network. The error describes the mistake in the schema.
//
// "format" is an annotation and not checked, as the draft says.
func New[T any](schema string, references ...registry.Reference) (*Format[T], error) {
	const root = "schema.json"
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(noLoader{})
	title, err := addResource(compiler, root, schema)
	if err != nil {
		return nil, fmt.Errorf("JSON schema: %w", err)
	}
	if err := addReferences(compiler, references, map[string]bool{}); err != nil {
		return nil, fmt.Errorf("JSON schema: %w", err)
	}
	compiled, err := compiler.Compile(root)
	if err != nil {
		return nil, fmt.Errorf("JSON schema: %w", err)
	}
	f := &Format[T]{
		json: codec.JSON[T](), any: codec.JSON[any](), schema: compiled,
		text: registry.Schema{Type: registry.JSON, Text: schema, Name: title, References: references},
	}
	f.nuller, _ = f.json.(codec.Nuller[T])
	return f, nil
}

// addResource gives the compiler a schema and returns its title.
func addResource(compiler *jsonschema.Compiler, name, text string) (title string, err error) {
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	if object, ok := document.(map[string]any); ok {
		title, _ = object["title"].(string)
	}
	return title, compiler.AddResource(name, document)
}

func addReferences(compiler *jsonschema.Compiler, references []registry.Reference, added map[string]bool) error {
	for _, r := range references {
		if r.Schema == nil || added[r.Name] {
			continue
		}
		added[r.Name] = true
		if _, err := addResource(compiler, r.Name, r.Schema.Text); err != nil {
			return err
		}
		if err := addReferences(compiler, r.Schema.References, added); err != nil {
			return err
		}
	}
	return nil
}

// noLoader refuses a schema that was not given, and names the remedy.
type noLoader struct{}

func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("%s is not among the references", url)
}

// Append implements [codec.Codec].
func (f *Format[T]) Append(dst []byte, c *codec.Context, v T) ([]byte, error) {
	out, err := f.json.Append(dst, c, v)
	if err != nil {
		return dst, err
	}
	if err := f.validate(c, out[len(dst):]); err != nil {
		return dst, codec.Failed[T](codec.Encode, c, err)
	}
	return out, nil
}

// Decode implements [codec.Codec].
func (f *Format[T]) Decode(c *codec.Context, data []byte) (T, error) {
	v, err := f.json.Decode(c, data)
	if err != nil {
		return v, err
	}
	if err := f.validate(c, data); err != nil {
		var none T
		return none, codec.Failed[T](codec.Decode, c, err)
	}
	return v, nil
}

func (f *Format[T]) validate(c *codec.Context, data []byte) error {
	v, err := f.any.Decode(c, data)
	if err != nil {
		return err
	}
	return plain(f.schema.Validate(v))
}

// IsNullEncoding implements [codec.NullEncoding].
func (f *Format[T]) IsNullEncoding(_ *codec.Context, data []byte) bool { return codec.IsJSONNull(data) }

// IsNull implements [codec.Nuller]. It is false for a T that has no nil.
func (f *Format[T]) IsNull(v T) bool { return f.nuller != nil && f.nuller.IsNull(v) }

// Schema implements [registry.Format].
func (f *Format[T]) Schema() registry.Schema { return f.text }

// Writer implements [registry.Format]. It checks against the schema that is registered.
func (f *Format[T]) Writer(registered registry.Schema) (codec.Codec[T], error) {
	if registered.Type != registry.JSON {
		return nil, fmt.Errorf("want a schema of type JSON, the registry has one of type %s", registered.Type)
	}
	if registered.Text == f.text.Text || sameJSON(registered.Text, f.text.Text) {
		return f, nil
	}
	return New[T](registered.Text, registered.References...)
}

// Reader implements [registry.Format]. Data of any writer's schema is checked against that of f.
func (f *Format[T]) Reader(func() (registry.Schema, error)) (codec.Codec[T], error) { return f, nil }

func sameJSON(a, b string) bool {
	canonical := func(text string) string {
		var v any
		if json.Unmarshal([]byte(text), &v) != nil {
			return text
		}
		out, _ := json.Marshal(v)
		return string(out)
	}
	return canonical(a) == canonical(b)
}
