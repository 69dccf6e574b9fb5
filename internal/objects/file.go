package objects

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"time"

	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/internal/filesource"
)

// File is an object that is read. It implements filesource.File. A connection that breaks is made anew where it broke, and an object that is replaced
// meanwhile is an error. It is used by one goroutine at a time.
type File struct {
	bucket *Bucket
	info   Info
	ctx    context.Context // of the reads
	open   []*body
	blocks []block // the one that was used last is at the end
}

// OpenFile opens an object. ctx is that of reads, until another one is set by Use.
func (b *Bucket) OpenFile(ctx context.Context, key string) (*File, error) {
	info, err := b.Stat(ctx, key)
	if err != nil {
		return nil, err
	}
	return &File{bucket: b, info: info, ctx: ctx}, nil
}

// Use sets the context of the reads that follow.
func (f *File) Use(ctx context.Context) { f.ctx = ctx }

// Name returns the URL of the object.
func (f *File) Name() string { return f.bucket.URL(f.info.Key) }

// Size is the number of stored bytes.
func (f *File) Size() int64 { return f.info.Size }

// Compression is the one that the name stands for.
func (f *File) Compression() format.Compression { return format.CompressionOf(f.info.Key) }

// Version names the content of the object.
func (f *File) Version() string { return f.info.Version }

// Unchanged has nothing to compare: each read has compared the version.
func (f *File) Unchanged() error { return nil }

// Open returns the content, decompressed, from an offset on.
func (f *File) Open(offset int64) (io.ReadCloser, error) {
	return filesource.Stored{Noun: "object", Size: f.Size(), Compression: f.Compression(), From: f.body}.Open(offset)
}

// errorIO marks an error of the store as one that says nothing about the content: see format.Error.Permanent.
func (f *File) errorIO(err error) error { return &fs.PathError{Op: "read", Path: f.Name(), Err: err} }

// replaced is the error of an object that has another version than the one that was opened.
func (f *File) replaced(version string) error {
	return fmt.Errorf("the object had version %s at first, and has version %s now: %w", f.info.Version, version, format.ErrChanged)
}

// cut returns the error of content that is not read to its end. The client of Google opens it anew by itself, and asks for the version that it has begun
// with: if that is gone the next attempt tells whether the object was replaced.
func (f *File) cut(err error) error {
	if err == nil {
		return nil
	}
	if fault, ok := f.bucket.store.Fault(err); ok && fault.Status == http.StatusNotFound {
		return io.ErrUnexpectedEOF
	}
	return err
}

// body reads the stored bytes from an offset to the end.
type body struct {
	file   *File
	offset int64
	answer *rangeReader
	closed bool
}

func (f *File) body(offset int64) io.ReadCloser {
	b := &body{file: f, offset: offset}
	f.open = append(f.open, b)
	return b
}

// Read reads stored bytes. A broken connection is made anew.
func (b *body) Read(p []byte) (n int, err error) {
	f := b.file
	if b.closed {
		return 0, fs.ErrClosed
	}
	if len(p) == 0 || b.offset >= f.info.Size {
		if len(p) > 0 {
			err = io.EOF
		}
		return 0, err
	}
	err = f.bucket.settings.Retry.Do(f.ctx, func(ctx context.Context) error {
		if b.answer == nil {
			answer, err := f.bucket.openRange(ctx, f.info.Key, b.offset, -1)
			if err != nil {
				return err
			}
			b.answer = answer
			if answer.version != f.info.Version {
				return f.replaced(answer.version)
			}
		}
		limit := f.bucket.timeout(0)
		stop := context.AfterFunc(ctx, b.answer.cancel)
		timer := time.AfterFunc(limit, b.answer.cancel)
		var failed error
		n, failed = b.answer.Read(p)
		timedOut := !timer.Stop()
		stop()
		b.offset += int64(n)
		if n > 0 {
			return nil // an error comes again
		}
		switch {
		case timedOut:
			failed = context.DeadlineExceeded
		case failed == nil:
			return nil
		case errors.Is(failed, io.EOF): // before the end
			failed = io.ErrUnexpectedEOF
		}
		b.drop()
		return f.bucket.failed(ctx, Read, f.info.Key, limit, f.cut(failed))
	})
	if err != nil && !errors.Is(err, format.ErrChanged) {
		err = f.errorIO(err)
	}
	return n, err
}

// drop forgets the answer.
func (b *body) drop() {
	if b.answer != nil {
		_ = b.answer.Close() // everything of it that counts was read
		b.answer = nil
	}
}

func (b *body) Close() error {
	b.closed = true
	b.drop()
	return nil
}

// Close closes the object and everything that Open has returned.
func (f *File) Close() error {
	for _, b := range f.open {
		_ = b.Close()
	}
	f.open, f.blocks = nil, nil
	return nil
}

// Formats that are read by ReadAt ask for many small parts that lie close together.
const (
	blockSize  = 1 << 20
	keptBlocks = 8
)

// block is a part of the object in memory.
type block struct {
	number  int64
	content []byte
}

// ReadAt reads stored bytes.
func (f *File) ReadAt(p []byte, offset int64) (n int, err error) {
	for n < len(p) {
		at := offset + int64(n)
		if at >= f.info.Size {
			return n, io.EOF
		}
		content, err := f.block(at / blockSize)
		if err != nil {
			return n, err
		}
		n += copy(p[n:], content[at%blockSize:])
	}
	return n, nil
}

// block returns the part of the object with a number.
func (f *File) block(number int64) ([]byte, error) {
	if i := slices.IndexFunc(f.blocks, func(b block) bool { return b.number == number }); i >= 0 {
		b := f.blocks[i]
		f.blocks = append(slices.Delete(f.blocks, i, i+1), b)
		return b.content, nil
	}
	from := number * blockSize
	content := make([]byte, min(blockSize, f.info.Size-from))
	err := f.bucket.call(f.ctx, Read, f.info.Key, int64(len(content)), func(ctx context.Context) error {
		r, err := f.bucket.bucket.NewRangeReader(ctx, f.bucket.prefix+f.info.Key, from, int64(len(content)), nil)
		if err != nil {
			return err
		}
		if version := f.bucket.store.Version(r.As); version != f.info.Version {
			return errors.Join(f.replaced(version), r.Close())
		}
		_, err = io.ReadFull(r, content)
		return errors.Join(f.cut(err), r.Close())
	})
	if err != nil {
		if errors.Is(err, format.ErrChanged) {
			return nil, err
		}
		return nil, f.errorIO(err)
	}
	if len(f.blocks) == keptBlocks {
		f.blocks = slices.Delete(f.blocks, 0, 1)
	}
	f.blocks = append(f.blocks, block{number, content})
	return content, nil
}
