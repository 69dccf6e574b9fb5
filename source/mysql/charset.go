package mysql

import (
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/transform"
)

// latin1 is the character set of MySQL that has this name: Windows 1252, where the bytes that stand for nothing are control characters.
type latin1 struct{ encoding.Encoding }

// NewDecoder implements [encoding.Encoding].
func (latin1) NewDecoder() *encoding.Decoder {
	return &encoding.Decoder{Transformer: latin1Decoder{transform.NopResetter{}}}
}

type latin1Decoder struct{ transform.NopResetter }

// Transform implements [transform.Transformer].
func (latin1Decoder) Transform(dst, src []byte, _ bool) (written, read int, err error) {
	for _, b := range src {
		r := charmap.Windows1252.DecodeByte(b)
		if r == '\ufffd' {
			r = rune(b)
		}
		if written+3 > len(dst) {
			return written, read, transform.ErrShortDst
		}
		written += copy(dst[written:], string(r))
		read++
	}
	return written, read, nil
}
