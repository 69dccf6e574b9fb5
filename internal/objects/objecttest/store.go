// Package objecttest checks sinks and sources of object stores on a real server, behind a gate that breaks it.
package objecttest

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/internal/filetest"
	"github.com/weirstreams/weir/internal/gatetest"
	"github.com/weirstreams/weir/internal/objects"
	"github.com/weirstreams/weir/sink"
	filesink "github.com/weirstreams/weir/sink/file"
	"github.com/weirstreams/weir/source"
	filesource "github.com/weirstreams/weir/source/file"
)

// Store is a bucket of a server.
type Store struct {
	// Gate stands in front of the server.
	Gate *gatetest.Gate
	// Name is the one in URLs: s3://weir-abc.
	Name string
	// Open returns the part of the bucket below a prefix, past the gate.
	Open func(prefix string) *objects.Bucket
	// Sink and Source write and read below a prefix, through the gate.
	Sink   func(prefix string, o filesink.Options[*string, *string]) sink.TwoPhase[*string, *string]
	Source func(prefix string, o filesource.Options[*string, *string]) source.Source[*string, *string]
	// UnreachableSink and UnreachableSource have wrong credentials.
	UnreachableSink   func() sink.TwoPhase[*string, *string]
	UnreachableSource func() source.Source[*string, *string]
	// Slow and Denied are answers of the store: ask again later, and no permission.
	Slow, Denied http.HandlerFunc
	// Secrets are those of the credentials, right and wrong.
	Secrets []string
}

// Bucket returns the bucket below a prefix, connected.
func (s *Store) Bucket(tb testing.TB, prefix string) *objects.Bucket {
	tb.Helper()
	b := s.Open(prefix)
	if err := b.Connect(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := b.Close(); err != nil {
			tb.Error(err)
		}
	})
	return b
}

// Keys returns the keys of a bucket. Those with hidden parts, which readers pass over, come apart.
func Keys(tb testing.TB, b *objects.Bucket) (visible, hidden []string) {
	tb.Helper()
	err := b.List(context.WithoutCancel(tb.Context()), "", true, func(o objects.Info) error {
		if strings.HasPrefix(o.Key, ".") || strings.Contains(o.Key, "/.") {
			hidden = append(hidden, o.Key)
		} else {
			visible = append(visible, o.Key)
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return visible, hidden
}

// Prepared returns the keys of prepared content: the hidden ones without manifests.
func Prepared(tb testing.TB, b *objects.Bucket) (keys []string) {
	tb.Helper()
	_, hidden := Keys(tb, b)
	for _, key := range hidden {
		if !strings.HasSuffix(key, "/manifest") {
			keys = append(keys, key)
		}
	}
	return keys
}

// Records reads all visible objects. One that is gone since it was listed is left out.
func Records[K, V any](tb testing.TB, b *objects.Bucket, f format.Format[K, V]) (all []weir.Record[K, V]) {
	tb.Helper()
	visible, _ := Keys(tb, b)
	for _, key := range visible {
		err := read(context.WithoutCancel(tb.Context()), b, key, f, func(r weir.Record[K, V]) { all = append(all, r) })
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			tb.Fatal(err)
		}
	}
	return all
}

func read[K, V any](ctx context.Context, b *objects.Bucket, key string, f format.Format[K, V], add func(weir.Record[K, V])) (err error) {
	file, err := b.OpenFile(ctx, key)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return filetest.Decode(file, f, add)
}
