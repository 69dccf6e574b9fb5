package avro

import (
	"encoding/binary"

	"github.com/hamba/avro/v2"
)

// sound reports whether data begins with a value; verify returns the error. With guarded it need not look at
// bytes behind the last field that can hold an array, a map or a recursive type.
func (c *check) sound(data []byte, guarded bool) bool {
	if !guarded || c.kind != avro.Record {
		return c.end(data, 0, 0) >= 0
	}
	at := 0
	for _, p := range c.parts[:c.guards] {
		if at = p.end(data, at, 1); at < 0 {
			return false
		}
	}
	return true
}

// end returns where the value ends that begins at a place in data, or -1 where skip returns an error.
func (c *check) end(data []byte, at, depth int) int {
	switch c.kind {
	case avro.Null:
		return at
	case avro.Int, avro.Long, avro.Enum:
		_, at = number(data, at)
		return at
	case avro.Boolean, avro.Float, avro.Double, avro.Fixed:
		return advance(data, at, int64(c.least))
	case avro.String, avro.Bytes:
		n, at := number(data, at)
		return advance(data, at, n)
	}
	if depth++; depth > maxDepth {
		return -1
	}
	switch c.kind {
	case avro.Record:
		for _, p := range c.parts {
			field := p.check
			// Most fields are short texts, and numbers: they need no call.
			if field.prefixed && uint(at) < uint(len(data)) && data[at] < 0x80 && data[at]&1 == 0 {
				at += 1 + int(data[at]>>1)
				if at > len(data) {
					return -1
				}
				continue
			}
			if field.fixed {
				if at += field.least; at > len(data) {
					return -1
				}
				continue
			}
			if at = field.end(data, at, depth); at < 0 {
				return -1
			}
		}
		return at
	case avro.Union:
		n, at := number(data, at)
		if at < 0 || uint64(n) >= uint64(len(c.parts)) {
			return -1
		}
		return c.parts[n].end(data, at, depth)
	default:
		return c.endOfBlocks(data, at, depth)
	}
}

func (c *check) endOfBlocks(data []byte, at, depth int) int {
	least := c.items.least
	if c.kind == avro.Map {
		least++
	}
	empty := int64(0)
	for {
		var n int64
		if n, at = number(data, at); at < 0 || n == 0 {
			return at
		}
		if n < 0 {
			n = -n
			if _, at = number(data, at); at < 0 {
				return -1
			}
		}
		if least == 0 {
			empty += n
		}
		if n < 0 || least > 0 && n > int64((len(data)-at)/least) || empty > maxEmpty {
			return -1
		}
		if c.kind == avro.Array && c.items.fixed {
			at += int(n) * least
			continue
		}
		for range n {
			if c.kind == avro.Map {
				var size int64
				size, at = number(data, at)
				if at = advance(data, at, size); at < 0 {
					return -1
				}
			}
			if at = c.items.end(data, at, depth); at < 0 {
				return -1
			}
		}
	}
}

// number returns the number at a place in data, and where it ends, or -1.
func number(data []byte, at int) (int64, int) {
	if uint(at) < uint(len(data)) && data[at] < 0x80 {
		v := int64(data[at])
		return v>>1 ^ -(v & 1), at + 1
	}
	return longNumber(data, at)
}

func longNumber(data []byte, at int) (int64, int) {
	if at < 0 {
		return 0, -1
	}
	v, n := binary.Varint(data[at:])
	if n <= 0 {
		return 0, -1
	}
	return v, at + n
}

// advance returns at + n, or -1 if that is not in data, or at is -1.
func advance(data []byte, at int, n int64) int {
	if at < 0 || uint64(n) > uint64(len(data)-at) {
		return -1
	}
	return at + int(n)
}
