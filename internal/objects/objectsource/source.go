// Package objectsource reads objects of a bucket as files.
package objectsource

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/filesource"
	"github.com/weirstreams/weir/internal/objects"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/file"
)

// New returns a source of the objects in a bucket. name is that of its package, for errors.
func New[K, V any](name string, bucket *objects.Bucket, options file.Options[K, V]) *Source[K, V] {
	if options.WatchInterval == 0 {
		options.WatchInterval = defaultWatchInterval
	}
	o := filesource.Options[K, V](options).WithDefaults()
	place := &listing{bucket: bucket, pattern: o.Pattern, minAge: o.MinAge}
	return &Source[K, V]{bucket: bucket, files: filesource.Source[K, V]{Name: name, Options: o, Files: place}}
}

// defaultWatchInterval is longer than that of local files, because stores charge for each list.
const defaultWatchInterval = 10 * time.Second

// Source reads objects.
type Source[K, V any] struct {
	bucket *objects.Bucket
	files  filesource.Source[K, V]
}

var (
	_ source.Source[string, any] = (*Source[string, any])(nil)
	_ source.Slotted             = (*Source[string, any])(nil)
)

// Connect checks the options, and that the bucket is there and can be read.
func (s *Source[K, V]) Connect(ctx context.Context) error {
	if err := s.files.Options.Check(); err != nil {
		return fmt.Errorf("%s: %s: %w: %w", s.files.Name, s.bucket, weir.ErrConfiguration, err)
	}
	if err := s.bucket.Connect(ctx); err != nil {
		return fmt.Errorf("%s: %w", s.files.Name, err)
	}
	if err := s.bucket.ProbeReads(ctx); err != nil {
		_ = s.bucket.Close() // the error of the probe says more
		return fmt.Errorf("%s: %w", s.files.Name, err)
	}
	return nil
}

// Close closes the client.
func (s *Source[K, V]) Close(context.Context) error {
	if err := s.bucket.Close(); err != nil {
		return fmt.Errorf("%s: %w", s.files.Name, err)
	}
	return nil
}

// String names the bucket.
func (s *Source[K, V]) String() string { return "objects in " + s.bucket.String() }

// Slots implements source.Slotted: a sequence cannot be divided.
func (s *Source[K, V]) Slots() int32 { return s.files.Slots() }

// Splits implements source.Source: one for all objects, one for each folder, or one for each object.
func (s *Source[K, V]) Splits(ctx context.Context, _ func(id string) bool) ([]source.Split, error) {
	return s.files.Splits(ctx)
}

// Open implements source.Source.
func (s *Source[K, V]) Open(ctx context.Context, task source.Task, split source.Split, data []byte) (source.Reader[K, V], error) {
	return s.files.Open(ctx, task, split, data)
}

// listing implements filesource.Files.
type listing struct {
	bucket  *objects.Bucket
	pattern string
	minAge  time.Duration
}

// List returns objects in the order of their keys, by bytes. The marks that consoles make for folders are left out: empty objects with a slash at the end.
func (l *listing) List(ctx context.Context, now time.Time, of filesource.Part) (found []filesource.Entry, err error) {
	prefix := ""
	if of.Kind != filesource.All && of != (filesource.Part{Kind: filesource.InFolder, Name: filesource.Root}) {
		prefix = of.Name
		if of.Kind == filesource.InFolder {
			prefix += "/"
		}
	}
	err = l.bucket.List(ctx, prefix, of.Kind == filesource.All, func(o objects.Info) error {
		switch {
		case of.Kind == filesource.Single && o.Key != of.Name:
		case strings.HasSuffix(o.Key, "/"), !filesource.Matches(l.pattern, o.Key):
		case l.minAge > 0 && now.Sub(o.Changed) < l.minAge:
		default:
			found = append(found, filesource.Entry{Name: o.Key, Size: o.Size})
		}
		return nil
	})
	// Not all stores list in the order of keys: those with folders of their own take the folders for units.
	slices.SortFunc(found, func(a, b filesource.Entry) int { return l.Compare(a.Name, b.Name) })
	return found, err
}

// Compare compares keys as stores do.
func (l *listing) Compare(a, b string) int { return strings.Compare(a, b) }

// PathOf returns the URL of an object.
func (l *listing) PathOf(name string) string { return l.bucket.URL(name) }

// Open opens an object.
func (l *listing) Open(ctx context.Context, name string) (filesource.File, error) {
	return l.bucket.OpenFile(ctx, name)
}
