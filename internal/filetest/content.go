// Package filetest has the parts of tests that the sinks and sources of files and of objects share.
package filetest

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/internal/filesource"
)

// Encode returns the content of a file with records, compressed as the name says.
func Encode[K, V any](tb testing.TB, name string, f format.Format[K, V], records ...weir.Record[K, V]) []byte {
	tb.Helper()
	var content bytes.Buffer
	stream, err := format.CompressionOf(name).NewWriter(&content)
	if err != nil {
		tb.Fatal(err)
	}
	e := f.NewEncoder(stream)
	for i := range records {
		if records[i].Origin == nil {
			records[i].Origin = &weir.Origin{}
		}
		if err := e.Encode(&records[i]); err != nil {
			tb.Fatal(err)
		}
	}
	for _, end := range []io.Closer{e, stream} {
		if err := end.Close(); err != nil {
			tb.Fatal(err)
		}
	}
	return content.Bytes()
}

// Decode calls add for each record of a file.
func Decode[K, V any](file format.File, f format.Format[K, V], add func(weir.Record[K, V])) (err error) {
	d, err := f.NewDecoder(file, format.Place{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	for {
		var r weir.Record[K, V]
		if err := d.Decode(&r); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		add(r)
	}
}

// DecodePath calls add for each record of a file on the disk, decompressed as its name says.
func DecodePath[K, V any](path string, f format.Format[K, V], add func(weir.Record[K, V])) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	return Decode(onDisk{in, info.Size()}, f, add)
}

// onDisk is a file on the disk. It implements format.File.
type onDisk struct {
	*os.File
	size int64
}

func (f onDisk) Size() int64 { return f.size }

func (f onDisk) Open(offset int64) (io.ReadCloser, error) {
	return filesource.Stored{
		Noun: "file", Size: f.size, Compression: format.CompressionOf(f.Name()),
		From: func(offset int64) io.ReadCloser {
			return io.NopCloser(io.NewSectionReader(f.File, offset, f.size-offset))
		},
	}.Open(offset)
}
