package protobuf

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/jhump/protoreflect/v2/protoresolve"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/codec/registry"
)

// Registered returns the codec of the messages of a schema that a registry has, as maps: for tools, which have no descriptors of their own. In front
// of a message is its path, as behind the frame of a registry. The codec reads each message of the schema, and writes the first one. Messages that
// stand for the entries of maps do not count in paths. The error is that of the compiler.
func Registered(s registry.Schema, options MapOptions) (codec.Codec[map[string]any], error) {
	messages, err := messagesOf(s)
	if err != nil {
		return nil, err
	}
	types, err := typesOf(s)
	if err != nil {
		return nil, err
	}
	r := &registered{deprecated: options.DeprecatedIndexes}
	for _, m := range messages {
		if m.shortPath == nil {
			continue
		}
		descriptor, err := types.Message(string(m.name))
		if err != nil {
			return nil, err
		}
		r.messages = append(r.messages, pathed{m.shortPath, Map(descriptor, options)})
	}
	return r, nil
}

// registered reads and writes messages behind their paths. The first one is that with the path 0.
type registered struct {
	messages   []pathed
	deprecated bool
}

type pathed struct {
	path  []int
	codec codec.Codec[map[string]any]
}

// Append implements [codec.Codec].
func (r *registered) Append(dst []byte, c *codec.Context, v map[string]any) ([]byte, error) {
	if len(r.messages) == 0 {
		return dst, errors.New("the schema has no message")
	}
	first := r.messages[0]
	return first.codec.Append(appendIndexes(dst, first.path, r.deprecated), c, v)
}

// Decode implements [codec.Codec].
func (r *registered) Decode(c *codec.Context, data []byte) (map[string]any, error) {
	path, rest, err := readIndexes(data, r.deprecated)
	if err != nil {
		return nil, fmt.Errorf("message indexes: %w", err)
	}
	for _, m := range r.messages {
		if isPath(m.path, path) {
			return m.codec.Decode(c, rest)
		}
	}
	return nil, fmt.Errorf("the schema has no message %v", path)
}

// typesOf compiles a schema with the files that it imports, or takes the types of a serialized one.
func typesOf(s registry.Schema) (*Types, error) {
	if descriptor := serialized(s.Text); descriptor != nil {
		file, err := protodesc.NewFile(descriptor, protoregistry.GlobalFiles)
		if err != nil {
			return nil, fmt.Errorf("serialized schema: %w", err)
		}
		t := &Types{&protoresolve.Registry{}}
		return t, t.add(file)
	}
	texts := map[string]string{registeredFile: s.Text}
	addImports(texts, s.References)
	return compile(func(path string) (io.ReadCloser, error) {
		text, ok := texts[path]
		if !ok {
			return nil, fmt.Errorf("%s: %w", path, fs.ErrNotExist)
		}
		return io.NopCloser(strings.NewReader(text)), nil
	}, registeredFile)
}

func addImports(texts map[string]string, references []registry.Reference) {
	for _, r := range references {
		if _, known := texts[r.Name]; !known && r.Schema != nil {
			texts[r.Name] = r.Schema.Text
			addImports(texts, r.Schema.References)
		}
	}
}
