package codec

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/transform"
)

// Text returns the codec of string in another encoding than UTF-8, such as charmap.ISO8859_1 or japanese.ShiftJIS of
// [golang.org/x/text/encoding].
//
// Append fails with an [*Error] for text that is not UTF-8 and for characters that the encoding does not have; Decode
// fails for bytes that do not stand for a character. Neither replaces characters that it cannot convert.
func Text(e encoding.Encoding) Codec[string] {
	return &textCodec{
		encoders: sync.Pool{New: func() any { return e.NewEncoder() }},
		decoders: sync.Pool{New: func() any { return e.NewDecoder() }},
	}
}

// textCodec keeps encoders and decoders, because they have a state and serve one call at a time.
type textCodec struct{ encoders, decoders sync.Pool }

var errNotInEncoding = errors.New("bytes that are no character of the encoding")

func (t *textCodec) Append(dst []byte, c *Context, v string) ([]byte, error) {
	if at := invalidUTF8([]byte(v)); at >= 0 {
		return dst, failed[string](Encode, c, fmt.Errorf("%w at byte %d", errInvalidUTF8, at))
	}
	out, err := t.encode(dst, v)
	if err != nil {
		return dst, failed[string](Encode, c, err)
	}
	return out, nil
}

func (t *textCodec) encode(dst []byte, v string) ([]byte, error) {
	encoder := t.encoders.Get().(*encoding.Encoder)
	defer t.encoders.Put(encoder)
	out, _, err := transform.Append(encoder, dst, []byte(v))
	return out, err
}

func (t *textCodec) Decode(c *Context, data []byte) (string, error) {
	decoder := t.decoders.Get().(*encoding.Decoder)
	text, err := decoder.Bytes(data)
	t.decoders.Put(decoder)
	if err != nil {
		return "", failed[string](Decode, c, err)
	}
	v := string(text)
	// Decoders put U+FFFD for bytes that are not text. If the character itself was written, it encodes as it came.
	if strings.ContainsRune(v, utf8.RuneError) {
		if again, err := t.encode(nil, v); err != nil || string(again) != string(data) {
			return "", failed[string](Decode, c, errNotInEncoding)
		}
	}
	return v, nil
}

// UTF8 returns the codec of string that, unlike [String], fails in both directions with an [*Error] for text that is
// not valid UTF-8.
func UTF8() Codec[string] { return utf8Codec{} }

type utf8Codec struct{}

func (utf8Codec) Append(dst []byte, c *Context, v string) ([]byte, error) {
	if !utf8.ValidString(v) {
		return dst, failed[string](Encode, c, fmt.Errorf("%w at byte %d", errInvalidUTF8, invalidUTF8([]byte(v))))
	}
	return append(dst, v...), nil
}

func (utf8Codec) Decode(c *Context, data []byte) (string, error) {
	if at := invalidUTF8(data); at >= 0 {
		return "", failed[string](Decode, c, fmt.Errorf("%w at byte %d", errInvalidUTF8, at))
	}
	return string(data), nil
}
