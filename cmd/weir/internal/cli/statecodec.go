package cli

import (
	"encoding/json"
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/typename"
)

// named are the codecs that a database names in the formats of its stores.
var named = map[string]Codec{
	typename.Codec(codec.UTF8()):        typed[string]{codec.UTF8(), true},
	typename.Codec(codec.String()):      typed[string]{codec.String(), true},
	typename.Codec(codec.Bool()):        typed[bool]{codec.Bool(), false},
	typename.Codec(codec.For[int]()):    typed[int]{codec.For[int](), false},
	typename.Codec(codec.Int32()):       typed[int32]{codec.Int32(), false},
	typename.Codec(codec.Int64()):       typed[int64]{codec.Int64(), false},
	typename.Codec(codec.Float32()):     typed[float32]{codec.Float32(), false},
	typename.Codec(codec.Float64()):     typed[float64]{codec.Float64(), false},
	typename.Codec(codec.For[[]byte]()): anyBytes{},
}

// codecOf returns the codec with that name, or one that shows any bytes.
func codecOf(name string) Codec {
	if c, ok := named[name]; ok {
		return c
	}
	return anyBytes{}
}

// anyBytes shows bytes of an unknown codec: JSON as it is, text as a string, anything else as digits behind 0x.
type anyBytes struct{}

func (anyBytes) Quotes() bool { return true }

// Encode takes a string for its bytes, and other JSON for itself.
func (anyBytes) Encode(_ *codec.Context, value json.RawMessage) ([]byte, error) {
	var text string
	if json.Unmarshal(value, &text) != nil {
		return value, nil
	}
	return []byte(text), nil
}

func (anyBytes) Decode(_ *codec.Context, data []byte) (any, error) {
	switch {
	case json.Valid(data):
		return json.RawMessage(data), nil
	case !utf8.Valid(data):
		return fmt.Sprintf("0x%x", data), nil
	}
	for _, r := range string(data) {
		if !unicode.IsPrint(r) && !unicode.IsSpace(r) {
			return fmt.Sprintf("0x%x", data), nil
		}
	}
	return string(data), nil
}
