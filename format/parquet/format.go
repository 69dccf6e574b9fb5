package parquet

import (
	"fmt"
	"io"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"

	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/internal/connector"
)

// Format writes and reads Parquet. Columns have the types that the rows of a file have: integers, floats, booleans, text, nested rows
// (groups) and lists. A row whose columns or types do not fit those of the file before begins a new file. A column that is null in the first rows of a
// file is text.
type Format[K, V any] struct {
	format.Rows[K, V]
	// Compression compresses the pages of a file. The zero value is Snappy.
	Compression Compression
	// SampleRows is how many rows are looked at for the columns of a file, before the first is written. 0 means 1,000.
	SampleRows int
	// GroupBytes is the size of the rows of a row group, about, which is held in memory. 0 means 16 MiB.
	GroupBytes int64
}

// Compression is how pages are compressed.
type Compression int

// The compressions that readers of Parquet know.
const (
	Snappy       Compression = iota // fast, and what most programs write
	Uncompressed                    // none
	Gzip                            // slow and small
	Zstd                            // small, and faster than Gzip
	Lz4                             // LZ4_RAW
	Brotli                          // the smallest and slowest
)

func (c Compression) codec() compress.Codec {
	return []compress.Codec{&pq.Snappy, &pq.Uncompressed, &pq.Gzip, &pq.Zstd, &pq.Lz4Raw, &pq.Brotli}[c]
}

const (
	timeColumn = "_timestamp"
	keyColumn  = "_key"
	// defaults of the options.
	sampleRows = 1000
	groupBytes = 16 << 20
)

var (
	_ format.Format[string, any] = Format[string, any]{}
	_ format.CompressedWithin    = Format[string, any]{}
)

// Extension implements format.Format: ".parquet".
func (Format[K, V]) Extension() string { return ".parquet" }

// Check implements format.Format.
func (f Format[K, V]) Check() error {
	if f.Compression < Snappy || f.Compression > Brotli {
		return fmt.Errorf("parquet.Format: unknown compression %d", int(f.Compression))
	}
	if err := connector.Negative(f); err != nil {
		return fmt.Errorf("parquet.Format: %w", err)
	}
	return nil
}

// CompressedWithin implements format.CompressedWithin.
func (Format[K, V]) CompressedWithin() string { return "parquet.Format.Compression" }

// NewEncoder implements format.Format.
func (f Format[K, V]) NewEncoder(w io.Writer) format.Encoder[K, V] {
	if f.SampleRows == 0 {
		f.SampleRows = sampleRows
	}
	if f.GroupBytes == 0 {
		f.GroupBytes = groupBytes
	}
	return newEncoder(f, w)
}

// NewDecoder implements format.Format.
func (f Format[K, V]) NewDecoder(file format.File, from format.Place) (format.Decoder[K, V], error) {
	return newDecoder(f, file, from)
}
