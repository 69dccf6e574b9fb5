package format

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/weirstreams/weir"
)

// Format is how records lie in a file. Its methods may be called by several goroutines at once.
type Format[K, V any] interface {
	// Extension is the ending of the names of files, with its dot.
	Extension() string
	// Check returns an error for wrong settings of the format. It is called before the format is used.
	Check() error
	// NewEncoder returns an encoder that writes one file to w. Writing to w never fails: sinks write to memory first.
	NewEncoder(w io.Writer) Encoder[K, V]
	// NewDecoder returns a decoder of a file that goes on behind a place, or begins at the zero Place. A file that has changed in
	// front of the place is a [*Error].
	NewDecoder(f File, from Place) (Decoder[K, V], error)
}

// CompressedWithin is implemented by formats whose files compress their content within, and cannot be read if they are compressed as a whole. Sinks
// refuse a [Compression] of their files.
type CompressedWithin interface {
	// CompressedWithin returns the name of the option that compresses, for the error.
	CompressedWithin() string
}

// Encoder writes one file. It is used by one goroutine at a time.
type Encoder[K, V any] interface {
	// Encode appends a record. Any error is one of the record: nothing of it is in the file, and other records may follow. After
	// [ErrNewFile] the record fits another file.
	Encode(r *weir.Record[K, V]) error
	// Buffered is the number of bytes in memory that were not written to w, about.
	Buffered() int64
	// Close writes the end of the file. It does not close w.
	Close() error
}

// ErrNewFile says that a record has other columns than the records of the file before, and the format has one set of columns per file.
var ErrNewFile = fmt.Errorf("the columns of the record are not those of the file")

// Decoder reads one file. It is used by one goroutine at a time.
type Decoder[K, V any] interface {
	// Decode reads the next record, and sets key, value, headers and time of r, as far as the file has them. It returns io.EOF behind
	// the last one, and a [*Error] for a record that cannot be read. Unless Rest is set, the next call goes on behind that record.
	Decode(r *weir.Record[K, V]) error
	// Place is the place behind the last record that Decode has returned or refused.
	Place() Place
	// Close closes the file.
	Close() error
}

// File is a file that is read.
type File interface {
	// Name names the file in errors.
	Name() string
	// Open returns the content, decompressed, from an offset on. An offset behind the end is an error.
	Open(offset int64) (io.ReadCloser, error)
	// ReaderAt reads the stored bytes, and Size is their number: for formats that are not read from the front to the end.
	io.ReaderAt
	Size() int64
}

// Place is a place between two records of a file.
type Place struct {
	// Records is the number of records before the place, and Lines that of lines, of formats that have lines.
	Records int64 `json:"n"`
	Lines   int64 `json:"l,omitempty"`
	// Bytes is the offset of the place in the decompressed content, and Last that of the record before it.
	Bytes int64 `json:"b,omitempty"`
	Last  int64 `json:"p,omitempty"`
	// Sum is a checksum of the bytes between Last and Bytes, by which a changed file is found out.
	Sum uint32 `json:"c,omitempty"`
}

// Error says which part of which file cannot be read.
type Error struct {
	// File is the name of the file.
	File string
	// Line and Record count from 1. Line is the line that the record begins in, 0 for formats without lines.
	Line, Record int64
	// Rest says that the file cannot be read from there on.
	Rest bool
	// Err is the cause.
	Err error
}

// Error names the file and the line, or the record.
func (e *Error) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("file %s, line %d: %v", e.File, e.Line, e.Err)
	}
	return fmt.Sprintf("file %s, record %d: %v", e.File, e.Record, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Permanent reports whether another attempt is of no use: unless the system could not read the file.
func (e *Error) Permanent() bool { return !errors.As(e.Err, new(*fs.PathError)) }
