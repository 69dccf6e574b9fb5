package filesink

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/internal/connector"
)

// Options are those of sink/file, which documents them.
type Options[K, V any] struct {
	Format         format.Format[K, V]
	Compression    format.Compression
	Folder         func(r *weir.Record[K, V]) ([]string, error)
	Suffix         string
	Replace        bool
	MaxFileBytes   int64
	MaxFileRecords int
	OpenFiles      int
	HoldBytes      int64
	MaxAge         time.Duration
}

const (
	defaultMaxFileBytes = 128 << 20
	defaultOpenFiles    = 64
	defaultHoldBytes    = 64 << 20
)

// WithDefaults sets the fields that are left out.
func (o Options[K, V]) WithDefaults() Options[K, V] {
	if o.Format == nil {
		o.Format = format.JSONLines[K, V]{}
	}
	if o.MaxFileBytes == 0 {
		o.MaxFileBytes = defaultMaxFileBytes
	}
	if o.OpenFiles == 0 {
		o.OpenFiles = defaultOpenFiles
	}
	if o.HoldBytes == 0 {
		o.HoldBytes = defaultHoldBytes
	}
	return o
}

// Check returns everything that is wrong with options that have their defaults.
func (o Options[K, V]) Check() error {
	var errs []error
	errs = append(errs, o.Format.Check(), o.Compression.Check(), connector.Negative(o))
	if f, ok := o.Format.(format.CompressedWithin); ok && o.Compression != format.Uncompressed {
		errs = append(errs, fmt.Errorf("files of the format (%s) cannot be read when Compression compresses the whole of them: use %s", o.Format.Extension(), f.CompressedWithin()))
	}
	if s, err := connector.Segment("x" + o.Suffix); err != nil || s != "x"+o.Suffix {
		errs = append(errs, fmt.Errorf("suffix %q has characters that names of files cannot have", o.Suffix))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%w: %w", weir.ErrConfiguration, err)
	}
	return nil
}
