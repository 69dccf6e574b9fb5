package web

import (
	"bytes"
	"compress/gzip"
)

// Gzip compresses bodies, one at a time. The zero value is ready for use. It keeps its tables, which are large.
type Gzip struct{ writer *gzip.Writer }

// Compress returns the gzip form of a body.
func (g *Gzip) Compress(body []byte) ([]byte, error) {
	var out bytes.Buffer
	if g.writer == nil {
		g.writer = gzip.NewWriter(&out)
	} else {
		g.writer.Reset(&out)
	}
	if _, err := g.writer.Write(body); err != nil {
		return nil, err
	}
	err := g.writer.Close()
	return out.Bytes(), err
}
