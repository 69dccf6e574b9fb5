package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"

	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/internal/filesource"
)

// disk is a file on the disk. It implements filesource.File.
type disk struct {
	*os.File
	path        string
	compression format.Compression
	opened      fs.FileInfo
}

func openDisk(path string) (*disk, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &disk{File: f, path: path, compression: format.CompressionOf(path), opened: info}, nil
}

func (d *disk) Name() string { return d.path }
func (d *disk) Size() int64  { return d.opened.Size() }

// Use has no use for the context: a disk answers.
func (d *disk) Use(context.Context)             {}
func (d *disk) Version() string                 { return "" }
func (d *disk) Compression() format.Compression { return d.compression }

func (d *disk) Open(offset int64) (io.ReadCloser, error) {
	return filesource.Stored{Noun: "file", Size: d.Size(), Compression: d.compression, From: d.from}.Open(offset)
}

func (d *disk) from(offset int64) io.ReadCloser {
	return io.NopCloser(io.NewSectionReader(d.File, offset, math.MaxInt64-offset))
}

// Unchanged fails if the file is not the one any more that was opened.
func (d *disk) Unchanged() error {
	info, err := d.Stat()
	if err != nil {
		return err
	}
	if info.Size() != d.opened.Size() || !info.ModTime().Equal(d.opened.ModTime()) {
		return fmt.Errorf("the file had %d bytes at first, and has %d now: %w", d.opened.Size(), info.Size(), format.ErrChanged)
	}
	return nil
}
