package protobuf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/codec/registry"
)

// indexed puts the path of the message in its file before the message: the index of the message among those of the
// file or of the message that it is nested in, from the outermost on, after their number. The most frequent path, the
// first message of the file, is a single zero.
type indexed[T any] struct {
	codec.Codec[T]
	path []byte
}

func (i indexed[T]) Append(dst []byte, c *codec.Context, v T) ([]byte, error) {
	out, err := i.Codec.Append(append(dst, i.path...), c, v)
	if err != nil {
		return dst, err
	}
	return out, nil
}

func appendIndexes(dst []byte, path []int, deprecated bool) []byte {
	if len(path) == 1 && path[0] == 0 {
		return append(dst, 0)
	}
	for _, n := range append([]int{len(path)}, path...) {
		if deprecated {
			dst = binary.AppendUvarint(dst, uint64(n))
		} else {
			dst = binary.AppendVarint(dst, int64(n))
		}
	}
	return dst
}

// readIndexes returns the path at the beginning of data, and the rest of data.
func readIndexes(data []byte, deprecated bool) (path []int64, rest []byte, err error) {
	n, data, err := index(data, deprecated)
	if err != nil {
		return nil, nil, err
	}
	// Each takes a byte at least.
	if n < 0 || n > int64(len(data)) {
		return nil, nil, fmt.Errorf("a path of %d in %d bytes", n, len(data))
	}
	if n == 0 {
		return []int64{0}, data, nil
	}
	path = make([]int64, n)
	for i := range path {
		if path[i], data, err = index(data, deprecated); err != nil {
			return nil, nil, err
		}
	}
	return path, data, nil
}

func index(data []byte, deprecated bool) (int64, []byte, error) {
	var v int64
	var n int
	if deprecated {
		var u uint64
		u, n = binary.Uvarint(data)
		v = int64(u)
	} else {
		v, n = binary.Varint(data)
	}
	switch {
	case n == 0:
		return 0, nil, errors.New("data ends too early")
	case n < 0:
		return 0, nil, errors.New("a number of more than 64 bits")
	}
	return v, data[n:], nil
}

// newWriter returns the codec that writes for a schema of the registry. The path counts the messages that the text of that schema
// declares, as the Java client does: the compiler's messages for the entries of maps are not in the text.
func newWriter[T any](plain codec.Codec[T], m protoreflect.MessageDescriptor, options Options, registered registry.Schema) (codec.Codec[T], error) {
	if registered.Type != registry.Protobuf {
		return nil, fmt.Errorf("want a schema of type PROTOBUF, the registry has one of type %s", registered.Type)
	}
	messages, err := messagesOf(registered)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(messages, func(x message) bool { return x.name == m.FullName() })
	if i < 0 {
		return nil, fmt.Errorf("the schema of the registry has no message %s", m.FullName())
	}
	path := messages[i].shortPath
	if path == nil {
		path = messages[i].path
	}
	return indexed[T]{plain, appendIndexes(nil, path, options.DeprecatedIndexes)}, nil
}

var errNilMessage = errors.New("a nil message has no encoding; write a null in its place")
