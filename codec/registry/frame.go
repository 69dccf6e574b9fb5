package registry

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/weirstreams/weir/codec"
)

// The first byte of a frame. Confluent's clients since 8.0 can write a GUID in place of the id, before the payload or in
// a header; the header holds the magic byte, the GUID, and all other bytes before the payload.
const (
	magicID   = 0
	magicGUID = 1

	idFrame   = 1 + 4
	guidFrame = 1 + 16
)

// key says which schema a message was written with.
type key struct {
	id   uint32
	guid GUID // zero unless byGUID
	// byGUID is true if guid counts and not id.
	byGUID bool
}

// appendFrame appends the bytes before the payload.
func appendFrame(dst []byte, id uint32) []byte {
	return binary.BigEndian.AppendUint32(append(dst, magicID), id)
}

// schemaHeader returns the name of the header that may hold the GUID.
func schemaHeader(part codec.Part) string {
	if part == codec.Key {
		return "__key_schema_id"
	}
	return "__value_schema_id"
}

var errNoFrame = errors.New("want a frame of a schema registry (magic byte 0x00, 4 bytes of schema id, payload)")

// parseFrame returns the key of the writer's schema, and the payload. between has the bytes between the GUID and
// the payload in a header, and is empty for a frame that stands before the payload.
func parseFrame(c *codec.Context, data []byte) (k key, between, payload []byte, err error) {
	if c != nil && len(c.Headers) > 0 {
		name := schemaHeader(c.Part)
		for i := len(c.Headers) - 1; i >= 0; i-- {
			if c.Headers[i].Key != name {
				continue
			}
			k, rest, err := parsePrefix(c.Headers[i].Value)
			if err != nil {
				return key{}, nil, nil, fmt.Errorf("header %s: %w", name, err)
			}
			return k, rest, data, nil
		}
	}
	k, payload, err = parsePrefix(data)
	return k, nil, payload, err
}

func parsePrefix(data []byte) (key, []byte, error) {
	switch {
	case len(data) == 0:
		return key{}, nil, fmt.Errorf("%w, got no bytes", errNoFrame)
	case data[0] == magicID && len(data) >= idFrame:
		return key{id: binary.BigEndian.Uint32(data[1:])}, data[idFrame:], nil
	case data[0] == magicGUID && len(data) >= guidFrame:
		return key{guid: GUID(data[1:guidFrame]), byGUID: true}, data[guidFrame:], nil
	case data[0] > magicGUID:
		return key{}, nil, fmt.Errorf("%w, got magic byte 0x%02x: perhaps it was written without a registry", errNoFrame, data[0])
	default:
		return key{}, nil, fmt.Errorf("%w, got %d bytes", errNoFrame, len(data))
	}
}
