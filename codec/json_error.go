package codec

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// invalidUTF8 returns the position of the first byte that is not part of valid UTF-8, or -1.
func invalidUTF8(data []byte) int {
	if utf8.Valid(data) {
		return -1
	}
	for at := 0; at < len(data); {
		r, size := utf8.DecodeRune(data[at:])
		if r == utf8.RuneError && size == 1 {
			return at
		}
		at += size
	}
	return -1
}

// jsonErrorAt wraps err with its position in data and a copy of the text around it.
func jsonErrorAt(data []byte, at int, err error) error {
	const before, after = 16, 24
	at = min(max(at, 0), len(data))
	from, to := max(at-before, 0), min(at+after, len(data))
	excerpt := bytes.ToValidUTF8(data[from:to], []byte("\uFFFD"))
	return fmt.Errorf("%w at byte %d of %d near %q", err, at, len(data), excerpt)
}
