package format

import (
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Compression is how whole files are compressed.
type Compression int

const (
	// Uncompressed leaves files as their format writes them. It is right for Parquet, which compresses within.
	Uncompressed Compression = iota
	// Gzip is the compression that every tool reads. Files end in .gz.
	Gzip
	// Zstd is smaller and several times as fast as Gzip. Files end in .zst.
	Zstd
)

// Extension returns the ending that is added to the names of files: "", ".gz" or ".zst".
func (c Compression) Extension() string {
	switch c {
	case Gzip:
		return ".gz"
	case Zstd:
		return ".zst"
	}
	return ""
}

// Check reports an unknown compression.
func (c Compression) Check() error {
	if c < Uncompressed || c > Zstd {
		return fmt.Errorf("unknown compression %d", int(c))
	}
	return nil
}

// CompressionOf returns the compression that the ending of a name stands for.
func CompressionOf(name string) Compression {
	switch {
	case strings.HasSuffix(name, Gzip.Extension()), strings.HasSuffix(name, ".gzip"):
		return Gzip
	case strings.HasSuffix(name, Zstd.Extension()), strings.HasSuffix(name, ".zstd"):
		return Zstd
	}
	return Uncompressed
}

// NewWriter returns a writer that compresses to w. Its Close ends the compressed content, and does not close w.
func (c Compression) NewWriter(w io.Writer) (io.WriteCloser, error) {
	switch c {
	case Gzip:
		return gzip.NewWriter(w), nil
	case Zstd:
		return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
	}
	return keepOpen{w}, c.Check()
}

// NewReader returns a reader of the decompressed content of r. Its Close does not close r. Several compressed parts one after the other are read
// as one.
func (c Compression) NewReader(r io.Reader) (io.ReadCloser, error) {
	switch c {
	case Gzip:
		return gzip.NewReader(r)
	case Zstd:
		d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	}
	return io.NopCloser(r), c.Check()
}

type keepOpen struct{ io.Writer }

func (keepOpen) Close() error { return nil }
