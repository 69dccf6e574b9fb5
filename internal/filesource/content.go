package filesource

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/weirstreams/weir/format"
)

// Stored are the stored bytes of a file.
type Stored struct {
	// Noun names the kind of file in errors: file, object.
	Noun        string
	Size        int64
	Compression format.Compression
	// From returns the stored bytes from an offset on.
	From func(offset int64) io.ReadCloser
}

// Open returns the content, decompressed, from an offset on. A file that ends before the offset is format.ErrChanged.
func (s Stored) Open(offset int64) (io.ReadCloser, error) {
	gone := func(n int64) error {
		return fmt.Errorf("the %s ends at byte %d, before byte %d, up to which it was read: %w", s.Noun, n, offset, format.ErrChanged)
	}
	if s.Compression == format.Uncompressed {
		if offset > s.Size {
			return nil, gone(s.Size)
		}
		return s.From(offset), nil
	}
	if s.Size == 0 && offset == 0 {
		return io.NopCloser(strings.NewReader("")), nil
	}
	stored := s.From(0)
	content, err := s.Compression.NewReader(stored)
	if err != nil {
		return nil, errors.Join(err, stored.Close())
	}
	if n, err := io.CopyN(io.Discard, content, offset); err != nil {
		if errors.Is(err, io.EOF) {
			err = gone(n)
		}
		return nil, errors.Join(err, content.Close(), stored.Close())
	}
	return decompressed{content, stored}, nil
}

// decompressed is content that was read: the end of the decompression has nothing to tell that a read has not told.
type decompressed struct {
	io.ReadCloser
	stored io.Closer
}

func (d decompressed) Close() error {
	_ = d.ReadCloser.Close()
	return d.stored.Close()
}
