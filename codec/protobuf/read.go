package protobuf

import (
	"bytes"
	"fmt"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/codec/registry"
)

// reading reads messages of one schema of the registry with a path to the message of the format.
type reading[T any] struct {
	codec.Codec[T]
	// expected are the encoded paths of the message in the writer's file: one, or two if clients count differently.
	expected   [][]byte
	want       protoreflect.FullName
	messages   []message
	deprecated bool
}

// newReader returns the codec that reads data written with a schema of the registry. The path of m there may differ from
// that in m's own file.
func newReader[T any](plain codec.Codec[T], m protoreflect.MessageDescriptor, options Options, writer func() (registry.Schema, error)) (codec.Codec[T], error) {
	s, err := writer()
	if err != nil {
		return nil, err
	}
	if s.Type != registry.Protobuf {
		return nil, fmt.Errorf("want a schema of type PROTOBUF, the registry has one of type %s", s.Type)
	}
	r := reading[T]{Codec: plain, want: m.FullName(), deprecated: options.DeprecatedIndexes}
	if r.messages, err = messagesOf(s); err != nil {
		return nil, err
	}
	for _, x := range r.messages {
		if x.name != r.want {
			continue
		}
		r.expected = append(r.expected, appendIndexes(nil, x.path, r.deprecated))
		if short := appendIndexes(nil, x.shortPath, r.deprecated); !bytes.Equal(short, r.expected[0]) {
			r.expected = append(r.expected, short)
		}
	}
	return r, nil
}

// Decode fails if the path names another message.
func (r reading[T]) Decode(c *codec.Context, data []byte) (T, error) {
	for _, path := range r.expected {
		if rest, ok := bytes.CutPrefix(data, path); ok {
			return r.Codec.Decode(c, rest)
		}
	}
	var none T
	rest, err := r.check(data)
	if err != nil {
		return none, codec.Failed[T](codec.Decode, c, fmt.Errorf("message indexes: %w", err))
	}
	return r.Codec.Decode(c, rest)
}

// check reads a path in another form than this codec writes, and returns the bytes behind it.
func (r reading[T]) check(data []byte) ([]byte, error) {
	path, rest, err := readIndexes(data, r.deprecated)
	if err != nil {
		return nil, err
	}
	named := protoreflect.FullName("no message")
	for _, m := range r.messages {
		if isPath(m.path, path) || isPath(m.shortPath, path) {
			if m.name == r.want {
				return rest, nil
			}
			named = m.name
		}
	}
	return nil, fmt.Errorf("%v name %s of the schema that it was written with, want %s: read the topic with a format of that message, "+
		"or skip the record by Config.Errors", path, named, r.want)
}

func isPath(path []int, is []int64) bool {
	if len(path) != len(is) || len(path) == 0 {
		return false
	}
	for i := range path {
		if int64(path[i]) != is[i] {
			return false
		}
	}
	return true
}
